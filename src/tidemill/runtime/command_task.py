"""A task of the supervisor that is a command: a fresh process each time, never two at once."""

from __future__ import annotations

import logging
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.ports.clock import Clock

LOOK_S = 0.5
STOP_WITHIN_S = 20.0
"""A command that has not ended by then after it was told to is killed."""
_log = logging.getLogger("tidemill.supervisor")


class CommandTask:
    """Starts a command every so often; a fresh process has the code as it is now, and no leaks.

    Its errors go where the supervisor's do. One that takes longer than its pause is waited for.
    """

    def __init__(self, name: str, command: Sequence[str], every_s: float, clock: Clock) -> None:
        self.name, self.interval_s = name, LOOK_S
        self._command, self._clock = tuple(command), clock
        self._every_s = max(every_s, LOOK_S)
        self._due_s = clock.monotonic_s()
        self._process: subprocess.Popen[bytes] | None = None

    def step(self) -> None:
        """Start the command if it is due and not at work."""
        now = self._clock.monotonic_s()
        if self._is_at_work() or now < self._due_s:
            return
        self._due_s = now + self._every_s
        self._process = subprocess.Popen(  # noqa: S603 - a command line of ours
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )

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

    def _is_at_work(self) -> bool:
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        if code:
            _log.warning("%s ended with exit code %d", self.name, code)
        self._process = None
        return False
