"""A task of the supervisor that is a command: a fresh process each time, never two at once."""

from __future__ import annotations

import logging
import subprocess
import tempfile
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tidemill.ports.clock import Clock

LOOK_S = 0.5
STOP_WITHIN_S = 20.0
"""A command that has not ended by then after it was told to is killed."""
LONGEST_PAUSE_S = 3600.0
"""A command that fails is run again after a pause that doubles, up to this (or its own)."""
TOLD_BYTES = 8192
_log = logging.getLogger("tidemill.supervisor")


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """A command that is repeated. Its end goes to `ended`: failures in a row, and what it said.

    Nothing is started while `is_needed` says no; it is asked each time that the command is due.
    """

    name: str
    command: tuple[str, ...]
    every_s: float
    is_needed: Callable[[], bool] = lambda: True
    ended: Callable[[int, str], None] = lambda _failures, _said: None


class CommandTask:
    """Starts a command every so often; a fresh process has the code as it is now, and no leaks.

    What it says of errors goes where the supervisor's log does. One that takes longer than its
    pause is waited for; one that fails is tried again later each time.
    """

    def __init__(self, repeated: Repeated, clock: Clock) -> None:
        self.name, self.interval_s = repeated.name, LOOK_S
        self._repeated, self._clock = repeated, clock
        self._every_s = max(repeated.every_s, LOOK_S)
        self._due_s = clock.monotonic_s()
        self._failures = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None

    def step(self) -> None:
        """Start the command if it is due, needed, and not at work."""
        now = self._clock.monotonic_s()
        if self._is_at_work() or now < self._due_s:
            return
        self._due_s = now + self._every_s
        if not self._repeated.is_needed():
            return
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the command has ended
        self._process = subprocess.Popen(  # noqa: S603 - a command line of ours
            self._repeated.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self._said,
        )  # fmt: skip

    def stop(self) -> None:
        """Tell the command to end: it seals what it has open; then it is killed."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._last_words()

    def _is_at_work(self) -> bool:
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        self._process = None
        self._take_note(code, self._last_words())
        return False

    def _take_note(self, code: int, said: str) -> None:
        if said:
            _log.info("%s said:\n%s", self.name, said)
        self._failures = self._failures + 1 if code else 0
        if code:
            pause_s = min(self._every_s * 2**self._failures, max(LONGEST_PAUSE_S, self._every_s))
            self._due_s = self._clock.monotonic_s() + pause_s
            _log.warning(
                "%s ended with exit code %d (%d in a row); again in %.0f s",
                self.name, code, self._failures, pause_s,
            )  # fmt: skip
            said = said or f"exit code {code}"
        self._repeated.ended(self._failures, said)

    def _last_words(self) -> str:
        if self._said is None:
            return ""
        with self._said as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TOLD_BYTES))
            text = file.read().decode("utf-8", "replace").strip()
        self._said = None
        return text
