"""Services on this machine: what is asked for against what lives, one step at a time.

A service's socket is bound once and inherited by every server process, so that its address stays
and connections wait in it while no server lives. A new server takes requests before the old one is
told to drain. A server that dies is started again, later each time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tidemill.adapters.local.target import socket_handover
from tidemill.adapters.local.target.detached import start_detached
from tidemill.adapters.local.target.service_files import (
    ServerNote,
    ServiceFolder,
    StatusFile,
    Wanted,
    log_tail,
    service_folders,
)
from tidemill.adapters.process_owner import is_alive
from tidemill.core.errors import TidemillError, UnavailableError
from tidemill.ports.target import ServiceStatus
from tidemill.wire.listening import require_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.ports.clock import Clock

State = Literal["starting", "ready", "failed", "stopped"]

BACKLOG = 2048
SOCKET_FD = 3
"""The descriptor under which a server process finds its listening socket."""
START_WITHIN_S = 60.0
DRAIN_WITHIN_S = 60.0
"""A server that has not left by then after it was told to is killed."""
STEADY_S = 30.0
"""A server that has served this long has forgotten the failures before it."""
FAILURES = 3
"""Starts in a row that may fail before the service counts as failed; it is tried on and on."""
LONGEST_WAIT_S = 30.0


class LocalServices:
    """All services of one folder. One process at a time may step (the supervisor's lock)."""

    name = "services"
    interval_s = 0.05

    def __init__(self, folder: Path, server_command: Sequence[str], clock: Clock) -> None:
        self._folder, self._command, self._clock = folder, tuple(server_command), clock
        self._services: dict[str, _Service] = {}

    def step(self) -> None:
        """Bring every service one step nearer to what is asked for; never waits."""
        self._find()
        for name, service in list(self._services.items()):
            service.step()
            if service.is_gone:
                del self._services[name]

    def stop(self) -> None:
        """Let every server give its last answers; returns when all are gone."""
        self._find()
        for service in self._services.values():
            service.is_stopping = True
        while any(service.servers for service in self._services.values()):
            for service in self._services.values():
                service.step()
            self._clock.sleep(self.interval_s)
        for service in self._services.values():
            service.step()

    def _find(self) -> None:
        for folder in service_folders(self._folder):
            if folder.name not in self._services:
                self._services[folder.name] = _Service(folder, self._command, self._clock)


class _Server:
    """One server process that lives, or did until now."""

    def __init__(self, pid: int, digest: str, log: Path, started_s: float) -> None:
        self.pid, self.digest, self.log, self.started_s = pid, digest, log, started_s
        self.note: ServerNote | None = None
        self.is_child = True
        self.serving_s: float | None = None
        self.told_s: float | None = None

    @property
    def is_serving(self) -> bool:
        """Whether it takes new requests."""
        return self.serving_s is not None and self.told_s is None

    def end(self) -> str | None:
        """Return how it ended; None: it lives."""
        if not self.is_child:
            return None if self.note and is_alive(self.note.owner) else "it is gone"
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        code = os.waitstatus_to_exitcode(status)
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def tell(self, number: signal.Signals, now: float) -> None:
        """Send a signal to it, if it still lives."""
        self.told_s = self.told_s or now
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class _Service:
    """One service: its socket, its servers, and what went wrong lately."""

    def __init__(self, folder: ServiceFolder, command: Sequence[str], clock: Clock) -> None:
        self._folder, self._command, self._clock = folder, command, clock
        self._listener: socket.socket | None = None
        self._failures, self._not_before, self._error = 0, 0.0, ""
        self._restarts = 0
        self._said: StatusFile | None = None
        self._digest = ""
        self.servers: dict[int, _Server] = {}
        self.is_gone = False
        self.is_stopping = False
        self._adopt()

    def step(self) -> None:
        """Look at what lives, and do the next thing."""
        wanted, now = self._folder.wanted(), self._clock.monotonic_s()
        if wanted is None:  # the whole folder was removed
            self._look(now)
            self._end_servers(now)
            self.is_gone = not self.servers
            return
        if wanted.digest != self._digest:
            self._digest, self._failures, self._not_before, self._error = wanted.digest, 0, 0.0, ""
        self._look(now)
        if wanted.is_removed or self.is_stopping:
            self._wind_down(wanted, now)
            return
        self._keep(wanted, now)
        self._say(wanted, self._state(wanted))

    def _adopt(self) -> None:
        now = self._clock.monotonic_s()
        for note in self._folder.notes():
            if not is_alive(note.owner):
                self._forget(note)
                continue
            server = _Server(note.pid, note.digest, Path(note.log), now)
            server.is_child, server.note = False, note
            if note.state == "draining":
                server.told_s = now
            self.servers[note.pid] = server
            self._listener = self._listener or socket_handover.fetch(Path(note.handover))

    def _look(self, now: float) -> None:
        notes = {note.pid: note for note in self._folder.notes()}
        for server in list(self.servers.values()):
            server.note = notes.get(server.pid, server.note)
            if server.note and server.note.state != "starting" and server.serving_s is None:
                server.serving_s = now
            end = server.end()
            if end is not None:
                self._buried(server, end, now)
                continue
            too_late = server.serving_s is None and now - server.started_s > START_WITHIN_S
            if too_late or (server.told_s and now - server.told_s > DRAIN_WITHIN_S):
                server.tell(signal.SIGKILL, now)
            if server.is_serving and now - (server.serving_s or now) > STEADY_S:
                self._failures = 0

    def _buried(self, server: _Server, end: str, now: float) -> None:
        del self.servers[server.pid]
        if server.note:
            self._forget(server.note)
        was_told = server.told_s is not None and server.serving_s is not None
        if was_told or server.digest != self._digest:
            return
        self._failures += 1
        self._restarts += server.serving_s is not None
        wait_s = min(0.25 * 2**self._failures, LONGEST_WAIT_S) if self._failures > 1 else 0.0
        self._not_before = now + wait_s
        what = "died" if server.serving_s else "did not start"
        self._error = f"its server {what} ({end}); the end of {server.log}:\n{log_tail(server.log)}"

    def _forget(self, note: ServerNote) -> None:
        self._folder.forget_note(note.pid)
        Path(note.handover).unlink(missing_ok=True)

    def _keep(self, wanted: Wanted, now: float) -> None:
        mine = [s for s in self.servers.values() if s.digest == wanted.digest and not s.told_s]
        if not mine and now >= self._not_before:
            try:
                self._start(wanted, now)
            except (TidemillError, OSError) as error:
                self._failures, self._error = FAILURES, str(error)
                self._not_before = now + LONGEST_WAIT_S
        serving = [server for server in mine if server.is_serving]
        if serving:
            for server in self.servers.values():
                if server is not serving[0] and not server.told_s:
                    server.tell(signal.SIGUSR1 if server.is_serving else signal.SIGKILL, now)

    def _start(self, wanted: Wanted, now: float) -> None:
        if self._listener is None:
            self._listener = self._bound(wanted)
        log = self._folder.new_log(str(self._clock.new_id()))
        arguments = (self._folder.spec_file(wanted), self._folder.path, wanted.digest, log)
        pid = start_detached(
            [*self._command, *map(str, arguments)], log, {SOCKET_FD: self._listener.fileno()}
        )
        self.servers[pid] = _Server(pid, wanted.digest, log, now)

    def _bound(self, wanted: Wanted) -> socket.socket:
        host, port = require_loopback(wanted.spec.host), wanted.spec.port or self._folder.port()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            raise UnavailableError(
                f"service {self._folder.name} cannot listen on {host}:{port}: {error.strerror}",
                fix="stop what uses this port (ss -ltnp), or undeploy the service to give it "
                "another one",
            ) from None
        listener.listen(BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        self._folder.keep_port(listener.getsockname()[1])
        return listener

    def _end_servers(self, now: float) -> None:
        for server in self.servers.values():
            if not server.told_s:
                server.tell(signal.SIGTERM if server.serving_s else signal.SIGKILL, now)
        if not self.servers and self._listener is not None:
            self._listener.close()
            self._listener = None

    def _wind_down(self, wanted: Wanted, now: float) -> None:
        self._end_servers(now)
        if self.servers:
            return
        if wanted.is_removed:
            self._folder.remove_if_unwanted()
            self.is_gone = True
        else:
            self._say(wanted, "stopped")

    def _state(self, wanted: Wanted) -> State:
        if any(s.is_serving and s.digest == wanted.digest for s in self.servers.values()):
            return "ready"
        return "failed" if self._failures >= FAILURES else "starting"

    def _say(self, wanted: Wanted, state: State) -> None:
        notes = [s.note for s in self.servers.values() if s.is_serving and s.note]
        now = notes[-1] if notes else None
        host, port = wanted.spec.host, self._folder.port()
        shown = f"[{host}]" if ":" in host else host
        status = ServiceStatus(
            name=self._folder.name, state=state, address=f"http://{shown}:{port}" if port else "",
            deployment=now.deployment if now else None, wanted=wanted.spec.deployment,
            process=now.pid if now else 0, restarts=self._restarts,
            error="" if state == "ready" else self._error,
        )  # fmt: skip
        said = StatusFile(digest=wanted.digest, status=status)
        if said != self._said:
            self._folder.say(said)
            self._said = said
