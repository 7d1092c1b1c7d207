"""The in-process executor: steps run in this process, one after the other, so that one can debug.

A breakpoint in a step stops here, and what it prints appears at once. A step that kills its process
kills this one, and a time limit is not kept: for looking, not for production.
"""

from __future__ import annotations

import contextvars
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from tidemill.ports.executor import StepOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.ports.executor import StepOrder


class InProcessExecutor:
    """The executor port over this process. Whoever polls runs the step.

    Args:
        run: runs an order and never raises, but for Ctrl-C and the end of a debugger.
    """

    def __init__(self, run: Callable[[StepOrder], StepOutcome]) -> None:
        self._run = run
        self._queue: deque[StepOrder] = deque()
        self._over: list[StepOutcome] = []

    def capacity(self) -> int:
        """Return 1: one after the other."""
        return 1

    def submit(self, order: StepOrder) -> None:
        """Take an order; what a session defines is there already, and needs no source."""
        self._queue.append(msgspec.structs.replace(order, source=()))

    def poll(self, timeout_s: float) -> list[StepOutcome]:
        """Run the next order, if one waits and there is time for it, and return what ended."""
        if not self._over and self._queue and timeout_s > 0:
            order = self._queue.popleft()
            # A context of its own: inside a step the plan of its pipeline is not there.
            self._over.append(contextvars.Context().run(self._run, order))
        over, self._over = self._over, []
        return over

    def lines(self) -> list[tuple[str, str]]:
        """Return nothing: what a step prints is on the screen already."""
        return []

    def cancel(self, order: str) -> None:
        """Take an order out of the queue."""
        if any(one.order == order for one in self._queue):
            self._queue = deque(one for one in self._queue if one.order != order)
            self._over.append(StepOutcome(order=order, state="cancelled", error="cancelled"))

    def close(self) -> None:
        """Forget what waits."""
        self._queue.clear()
