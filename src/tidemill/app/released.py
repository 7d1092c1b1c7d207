"""Entry of a call inside a release: `PYTHON -P -m tidemill.app.released ORDER ANSWER`, two files.

Started by `adapters/local/environment.py` in the environment of the release. The record is the
project's own; code, settings and bounds are the release's. What is printed goes to who asked; when
that process ends, so does this one, as by Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidemill.app.places import Embedded, role_of
from tidemill.app.project_folder import read_project_file, state_folder
from tidemill.core.digest import digest_of
from tidemill.core.errors import CancelledError, TidemillError
from tidemill.core.settings import resolve_settings, variable
from tidemill.dispatch.call import call
from tidemill.dispatch.parameters import with_times
from tidemill.dispatch.registry import Kinds, operation_named
from tidemill.lineage.record import Ports, Record, Tell
from tidemill.wire.release_order import ReleaseAnswer, ReleaseError, ReleaseOrder

if TYPE_CHECKING:
    from tidemill.core.settings import Settings
    from tidemill.ports.environment import Environments
    from tidemill.ports.executor import Executor
    from tidemill.ports.workspace import Workspace


class ReleasedPlaces(Embedded):
    """The project's places, but for its code and what runs it: those are the release's."""

    def __init__(self, order: ReleaseOrder, settings: Settings) -> None:
        super().__init__(Path(order.folder), settings)
        self._order, self._tree = order, Path(order.tree)
        self._code = self._tree / settings.text("project.code")

    def executor(self) -> Executor:
        """Open workers on the restored code."""
        from tidemill.adapters.local.executor.local_executor import LocalExecutor  # noqa: PLC0415
        from tidemill.app.step_worker import worker_command  # noqa: PLC0415

        return LocalExecutor(
            worker_command(self._tree, self._code, Path(self._order.objects)),
            workers=self._settings.whole("run.workers"), folder=self._tree,
        )  # fmt: skip

    def workspace(self) -> Workspace:
        """Open the restored code."""
        from tidemill.adapters.local.workspace import LocalWorkspace  # noqa: PLC0415

        allowed = self._settings.text("project.allow")
        here = digest_of(sys.prefix.encode()).partition(":")[2][:12]
        return LocalWorkspace(
            self._tree, self._code, lock=self._order.lock, holds="release",
            allow=[name.strip() for name in allowed.split(",") if name.strip()],
            cache=state_folder(self._folder) / "cache" / f"installed-{here}.json",
        )  # fmt: skip

    def environments(self) -> Environments:
        """Open the project's environments, as the release that this is."""
        from tidemill.adapters.local.environment import LocalEnvironments  # noqa: PLC0415
        from tidemill.app.process_commands import RELEASED_ENTRY  # noqa: PLC0415

        cache = state_folder(self._folder) / "cache"
        return LocalEnvironments(cache, RELEASED_ENTRY, release=self._order.release)


class _Spoken(Tell):
    """Says lines on the standard output, which whoever asked reads."""

    def line(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def main() -> int:
    """Carry out one order; returns the exit code."""
    asked, answer = Path(sys.argv[1]), Path(sys.argv[2])
    order = msgspec.json.decode(asked.read_bytes(), type=ReleaseOrder)
    threading.Thread(target=_end_with_caller, daemon=True).start()
    found = _answered(order)
    fresh = answer.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(found))
    fresh.replace(answer)
    return 0


def open_released(order: ReleaseOrder) -> Record:
    """Return the record of an order: the project's, with the release as its code."""
    file = read_project_file(Path(order.tree))
    own = {variable("record.ledger"): order.ledger, variable("record.objects"): order.objects}
    settings = resolve_settings(file.tables, dict(os.environ) | own, text=file.text)
    return Record(
        ports=Ports(ReleasedPlaces(order, settings).places()), project=order.project,
        actor=order.actor, settings=settings, kinds=Kinds(), tell=_Spoken(),
    )  # fmt: skip


def _answered(order: ReleaseOrder) -> ReleaseAnswer:
    try:
        record = open_released(order)
        try:
            operation = operation_named(order.operation)
            given = with_times(operation, order.arguments)
            result = call(record, operation, (), given, role_of=role_of)
            return ReleaseAnswer(result=msgspec.Raw(msgspec.json.encode(result)))
        finally:
            record.ports.close()
    except TidemillError as error:
        return _failed(error, error.what, error.fix)
    except KeyboardInterrupt:
        stopped = CancelledError("stopped as asked", fix="run the same command again to go on")
        return _failed(stopped, stopped.what, stopped.fix)


def _failed(error: Exception, what: str, fix: str) -> ReleaseAnswer:
    types = tuple(one.__name__ for one in type(error).__mro__)
    return ReleaseAnswer(error=ReleaseError(types=types, what=what, fix=fix))


def _end_with_caller() -> None:
    """Wait for the end of the standard input, which whoever asked holds open, then stop."""
    while os.read(0, 1):  # not sys.stdin, whose lock would be held when this process ends
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
