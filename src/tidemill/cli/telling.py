"""Progress on standard error: one line that changes on a terminal, few plain lines elsewhere."""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

from tidemill.core.text import on_one_line, printable
from tidemill.lineage.record import Tell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

PATIENCE_S = 0.5
"""Nothing is said of what is over before this."""
PLAIN_EVERY_S = 5.0
"""How often the same task is told again where lines stay."""
DRAW_EVERY_S = 0.1
LEAST_SHARE = 0.02
"""How much must be done before the rest can be guessed."""


class Telling(Tell):
    """Tells progress after half a second; safe to call from several threads."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty() and environment.get("TERM") != "dumb"
        self._began_s = time.monotonic()
        self._told_s = 0.0
        self._told = ""
        self._at: dict[str, float | None] = {}
        """How far each task was when it was last told of in a line that stays."""
        self._has_line = False
        self._lock = threading.Lock()

    def progress(self, what: str, done: float | None = None, of: float | None = None) -> None:
        """Say what is being done, and how far it is."""
        now = time.monotonic()
        is_new = what != self._told
        pause = DRAW_EVERY_S if self._is_terminal else 0.0 if is_new else PLAIN_EVERY_S
        if now - self._began_s < PATIENCE_S or now - self._told_s < pause:
            return
        with self._lock:
            self._told_s, self._told = now, what
            if self._is_terminal:
                self._draw(on_one_line(_spelled(what, done, of, now - self._began_s)))
            elif what not in self._at or self._at[what] != done:  # no line is told twice
                self._at[what] = done
                self._write(on_one_line(_spelled(what, done, of, now - self._began_s)) + "\n")

    def line(self, text: str) -> None:
        """Say one line that stays."""
        with self._lock:
            self._wipe()
            self._write(printable(text) + "\n")

    def clear(self) -> None:
        """Take the changing line away."""
        with self._lock:
            self._wipe()

    def _draw(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._write("\r\x1b[2K" + text[:width])
        self._has_line = True

    def _wipe(self) -> None:
        if self._has_line:
            self._write("\r\x1b[2K")
            self._has_line = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            # Nobody reads it any more; progress is never a reason to stop.
            self._is_terminal = False


def _spelled(what: str, done: float | None, of: float | None, passed_s: float) -> str:
    """Return a line of progress.

    >>> _spelled("reading flights.csv", 500_000, 1_000_000, 2.0)
    'reading flights.csv  500,000 of 1,000,000, about 2 s left'
    """
    if done is None:
        return what
    if not of:
        return f"{what}  {done:,.0f}"
    left_s = passed_s * (of - done) / done if done >= of * LEAST_SHARE else 0
    left = f", about {left_s:.0f} s left" if left_s >= 1 else ""
    return f"{what}  {done:,.0f} of {of:,.0f}{left}"
