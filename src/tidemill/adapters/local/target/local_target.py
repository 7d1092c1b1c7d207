"""The target on this machine: model servers as processes, kept alive by the project's supervisor.

It only writes what is asked for and reads what is; the supervisor (`services.py`) does the rest,
and is started when none lives.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import msgspec

from tidemill.adapters.durable_files import lock
from tidemill.adapters.local.target.detached import start_detached
from tidemill.adapters.local.target.service_files import (
    ServiceFolder,
    Wanted,
    log_tail,
    service_folders,
)
from tidemill.adapters.process_owner import is_alive
from tidemill.core.errors import UnavailableError
from tidemill.ports.target import ServiceSpec, ServiceStatus
from tidemill.wire.listening import require_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tidemill.ports.clock import Clock

START_WITHIN_S = 30.0
STOP_WITHIN_S = 90.0
POLL_S = 0.02


class SupervisorFiles:
    """Where a project's supervisor holds its lock, says who it is, and logs."""

    def __init__(self, folder: Path) -> None:
        self.lock = folder / "supervisor.lock"
        self.owner = folder / "supervisor.owner"
        self.log = folder / "supervisor.log"

    def take(self) -> int | None:
        """Return a descriptor that holds the lock while it is open; None: another holds it."""
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        self.lock.touch()
        return lock(self.lock, wait=False)

    def is_held(self) -> bool:
        """Whether a supervisor lives."""
        descriptor = self.take()
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def say(self, owner: str) -> None:
        """Say who holds the lock."""
        beside = self.owner.with_suffix(".new")
        beside.write_text(owner)
        beside.replace(self.owner)

    def process(self) -> int | None:
        """Return the process that holds the lock; None: not known (yet), or it has ended."""
        try:
            owner = self.owner.read_text()
        except FileNotFoundError:
            return None
        return int(owner.split("/")[2]) if is_alive(owner) else None


class LocalTarget:
    """Asks for services in `folder/services`; see the port."""

    def __init__(self, folder: Path, supervisor_command: Sequence[str], clock: Clock) -> None:
        self._root = folder / "services"
        self._files = SupervisorFiles(folder)
        self._command, self._clock = tuple(supervisor_command), clock

    def apply(self, spec: ServiceSpec) -> None:
        """Ask for a service to be as `spec` says; port 0 keeps the port that it has or gets.

        Raises:
            NotAllowedError: the address is not this machine's own.
        """
        require_loopback(spec.host)
        ServiceFolder(self._root, spec.name).want(Wanted(spec=spec))
        self.start()

    def remove(self, name: str) -> None:
        """Ask for a service to be gone, after its last answer."""
        folder = ServiceFolder(self._root, name)
        wanted = folder.wanted()
        if wanted is not None:
            folder.want(Wanted(spec=wanted.spec, is_removed=True))
            self.start()

    def status(self, name: str) -> ServiceStatus | None:
        """Return what serves under a name; None: nothing does, nor should."""
        folder = ServiceFolder(self._root, name)
        wanted, said = folder.wanted(), folder.status()
        if wanted is None:
            return None
        if said is not None and said.digest == wanted.digest and not wanted.is_removed:
            return self._true_now(folder, said.status)
        before = said.status if said else None
        status = ServiceStatus(
            name=name, state="stopped" if wanted.is_removed else "starting",
            address=before.address if before else "",
            deployment=before.deployment if before else None, wanted=wanted.spec.deployment,
            process=before.process if before else 0,
        )  # fmt: skip
        return self._true_now(folder, status)

    def services(self) -> list[ServiceStatus]:
        """Return everything that should serve, by name."""
        found = (self.status(folder.name) for folder in service_folders(self._root))
        return [status for status in found if status is not None]

    def start(self) -> bool:
        """Start the supervisor if none lives; False: one did.

        Raises:
            UnavailableError: it ended at once; shows the end of its log.
        """
        if self._files.is_held():
            return False
        pid = start_detached(self._command, self._files.log)
        end, has_ended = self._clock.monotonic_s() + START_WITHIN_S, False
        while self._clock.monotonic_s() < end:
            if self._files.is_held() and self._files.process() is not None:
                return True
            has_ended = has_ended or os.waitpid(pid, os.WNOHANG)[0] == pid
            if has_ended and not self._files.is_held():
                break
            self._clock.sleep(POLL_S)
        raise UnavailableError(
            f"the supervisor did not start; the end of {self._files.log}:\n"
            f"{log_tail(self._files.log)}",
            fix="tidemill up shows it in the foreground",
        )

    def stop(self) -> None:
        """Stop every service and the supervisor; what is asked for stays written down.

        Raises:
            UnavailableError: it does not end.
        """
        if not self._files.is_held() and any(map(self._living, service_folders(self._root))):
            self.start()
        end = self._clock.monotonic_s() + STOP_WITHIN_S
        process = None
        while self._files.is_held():
            if process is None:
                process = self._files.process()
                if process is not None:
                    os.kill(process, signal.SIGTERM)
            if self._clock.monotonic_s() > end:
                raise UnavailableError(
                    f"the supervisor (process {process}) does not end",
                    fix=f"look into {self._files.log}, then kill -9 {process}",
                )
            self._clock.sleep(POLL_S)

    def _living(self, folder: ServiceFolder) -> set[int]:
        return {note.pid for note in folder.notes() if is_alive(note.owner)}

    def _true_now(self, folder: ServiceFolder, status: ServiceStatus) -> ServiceStatus:
        """Return a status as it is now, also where nobody has kept it up to date."""
        if status.state == "stopped" or self._files.is_held():
            return status
        if status.process in self._living(folder):
            return msgspec.structs.replace(
                status, error="it serves, but no supervisor lives to keep it so: tidemill up"
            )
        return msgspec.structs.replace(
            status, state="failed", deployment=None, process=0,
            error="neither its server nor a supervisor lives: tidemill up",
        )  # fmt: skip
