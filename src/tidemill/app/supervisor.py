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
from tidemill.core.errors import UnavailableError
from tidemill.core.times import parse_span
from tidemill.runtime.command_task import CommandTask
from tidemill.runtime.supervisor import Guards, LeaseGuard, Supervisor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.core.settings import Settings
    from tidemill.ports.clock import Clock
    from tidemill.runtime.supervisor import Guard, Task


def main(arguments: Sequence[str] | None = None) -> int:
    """Supervise until told to stop (SIGTERM, SIGINT); returns the exit code."""
    (folder,) = sys.argv[1:] if arguments is None else arguments
    record = open_record(Path(folder).parent)
    try:
        lease = LeaseGuard(record.ports.ledger, record.project)
        tasks = project_tasks(Path(folder).parent, record.settings, record.ports.clock)
        return run(Path(folder), SERVER_COMMAND, tasks=tasks, guards=[lease])
    finally:
        record.ports.close()


def project_tasks(folder: Path, settings: Settings, clock: Clock) -> list[CommandTask]:
    """Return what is done again and again for a project: asking triggers, sealing days.

    Raises:
        InvalidInputError: a setting is no length of time.
    """
    return [
        CommandTask(name, project_command(folder, *words), parse_span(span).total_seconds(), clock)
        for name, words in _REPEATED.items()
        if (span := settings.text(name))
    ]


_REPEATED: Mapping[str, tuple[str, ...]] = {
    "supervisor.triggers": ("trigger", "tick"),
    "supervisor.collect": ("predictions", "collect-days"),
}
"""Commands by the setting that says how often."""


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
