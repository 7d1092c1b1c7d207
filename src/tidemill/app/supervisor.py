"""Entry of the supervisor process: `python -m tidemill.app.supervisor FOLDER`.

FOLDER is the project's `.tidemill`. A second one leaves at once: the lock is held by the first.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.target.local_target import SupervisorFiles
from tidemill.adapters.local.target.services import LocalServices
from tidemill.adapters.process_owner import process_owner
from tidemill.app.places import open_record
from tidemill.app.process_commands import SERVER_COMMAND, project_command
from tidemill.core.errors import InvalidInputError, UnavailableError
from tidemill.core.query import Query, Where
from tidemill.core.ref import Ref
from tidemill.core.times import parse_span
from tidemill.practices.infrastructure.repeated_tasks import TASKS, RepeatedTask, note_task
from tidemill.practices.integration.project_file import file_table
from tidemill.runtime.command_task import CommandTask, Repeated
from tidemill.runtime.supervisor import Guards, LeaseGuard, Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.lineage.record import Record
    from tidemill.runtime.supervisor import Guard, Task


_TOLD = 500
"""Last characters of what a failed task said, for `tidemill status`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Supervise until told to stop (SIGTERM, SIGINT); returns the exit code."""
    (folder,) = sys.argv[1:] if arguments is None else arguments
    record = open_record(Path(folder).parent)
    try:
        lease = LeaseGuard(record.ports.ledger, record.project)
        return run(Path(folder), SERVER_COMMAND, tasks=project_tasks(record), guards=[lease])
    finally:
        record.ports.close()


def project_tasks(record: Record) -> list[CommandTask]:
    """Return what is done again and again for a project: asking triggers, sealing days.

    Nothing is started while the project has no triggers, or no deployment.

    Raises:
        InvalidInputError: a setting is no length of time.
    """
    return [
        CommandTask(_repeated(record, name), record.ports.clock)
        for name in TASKS
        if record.settings.text(name) not in _NEVER
    ]


_NEVER = ("", "off")
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "supervisor.triggers": ("trigger", "tick"),
    "supervisor.collect": ("predictions", "collect-days"),
}
"""Commands by the setting that says how often."""


def _repeated(record: Record, name: str) -> Repeated:
    needed = {"supervisor.triggers": _has_rules, "supervisor.collect": _has_deployment}[name]
    ledger, project, clock = record.ports.ledger, record.project, record.ports.clock

    def ended(failures: int, said: str) -> None:
        error = said[-_TOLD:] if failures else ""
        task = RepeatedTask(name=name, ended_at=clock.now(), failures=failures, error=error)
        note_task(ledger, project, task)

    return Repeated(
        name=name, command=project_command(record.ports.workspace.root, *_COMMANDS[name]),
        every_s=parse_span(record.settings.text(name)).total_seconds(),
        is_needed=lambda: needed(record), ended=ended,
    )  # fmt: skip


def _has_rules(record: Record) -> bool:
    try:
        return bool(file_table(record, "trigger", object, default=()))
    except InvalidInputError:  # the command says what is wrong with the file
        return True


def _has_deployment(record: Record) -> bool:
    where = (Where("ref.kind", "=", "deployment"), Where("ref.project", "=", record.project))
    return bool(record.ports.ledger.find(Query(Ref, where=where, limit=1)))


def run(
    folder: Path,
    server_command: Sequence[str],
    *,
    tasks: Sequence[Task] = (),
    guards: Sequence[Guard] = (),
) -> int:
    """Keep the services of a folder, and other tasks, going; returns the exit code."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr
    )
    files = SupervisorFiles(folder)
    held = files.take()
    if held is None:
        logging.getLogger("tidemill.supervisor").info("a supervisor lives already")
        return 0
    try:
        clock = SystemClock()
        services = LocalServices(folder / "services", server_command, clock)
        supervisor = Supervisor([services, *tasks], Guards(_FolderGuard(folder), *guards), clock)

        def told(*_: object) -> None:
            # Not in the handler itself: it may have interrupted the very lock that `stop` takes.
            threading.Thread(target=supervisor.stop).start()

        signal.signal(signal.SIGTERM, told)
        signal.signal(signal.SIGINT, told)
        files.say(process_owner())
        return 0 if supervisor.run() else UnavailableError.exit_code
    finally:
        files.owner.unlink(missing_ok=True)
        os.close(held)


class _FolderGuard:
    """Holds as long as the project's folder is there; its lock is held by this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self) -> bool:
        return self._folder.is_dir()

    def release(self) -> None:
        pass


if __name__ == "__main__":
    sys.exit(main())
