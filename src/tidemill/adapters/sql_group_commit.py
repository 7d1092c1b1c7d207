"""Group commit without a thread: who comes first commits for everybody who waits behind.

A lone caller commits at once and in its own thread; callers that come while a commit is being
synced wait for it, and the first of them then takes all of them along. No timer, so no delay.

Source: DeWitt et al., Implementation Techniques for Main Memory Database Systems, SIGMOD 1984.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from tidemill.core.errors import TidemillError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.adapters.sql_commit import Outcome
    from tidemill.core.facts import Batch, Receipt

MOST_BATCHES = 512
"""Batches of one transaction; more wait for the next."""


LONGEST_S = 1.0
"""How long a caller sleeps that nobody tells anything, as Ctrl-C stopped who would have."""


class Request:
    """One batch that waits for its transaction; `outcome` is set when that is durable."""

    __slots__ = ("batch", "is_told", "leads", "outcome")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.outcome: Outcome | None = None
        self.leads = False
        self.is_told = threading.Event()


class GroupCommit:
    """Hands all waiting batches to `transaction`, which sets the outcome of each or raises.

    One caller leads; the others sleep until they are told: their outcome, or that it is theirs to
    lead. (At a lock they would race, and one whose batch is durable might wait for seconds.) A
    second leader does no harm: `turn` is held while one commits, and whoever else writes to the
    same place takes it too.
    """

    def __init__(self, transaction: Callable[[list[Request]], None]) -> None:
        self._transaction = transaction
        self._waiting: deque[Request] = deque()
        self._queue = threading.Lock()
        self._is_led = False
        self.turn = threading.Lock()

    def commit(self, batch: Batch) -> Receipt:
        """Return when the batch is durable.

        Raises:
            TidemillError: the batch was refused; nothing of it was written.
        """
        request = Request(batch)
        try:
            self._join(request)
            if not request.leads:
                request.is_told.wait(LONGEST_S)
            while request.outcome is None:
                request.leads = True
                with self.turn:
                    if request.outcome is None:
                        self._commit_next()
        finally:  # after Ctrl-C too: nobody waits for this batch any more
            self._leave(request)
        if isinstance(request.outcome, TidemillError):
            raise request.outcome
        return request.outcome

    def _join(self, request: Request) -> None:
        with self._queue:
            request.leads = not self._is_led
            self._is_led = True
            self._waiting.append(request)

    def _leave(self, request: Request) -> None:
        with self._queue:
            if request in self._waiting:
                self._waiting.remove(request)
            if not request.leads and (request.outcome or not request.is_told.is_set()):
                return
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].is_told.set()

    def _commit_next(self) -> None:
        group: list[Request] = []
        with self._queue:
            while self._waiting and len(group) < MOST_BATCHES:
                group.append(self._waiting.popleft())
        try:
            self._transaction(group)
        finally:
            # Interrupted (Ctrl-C in this caller): the others' batches go back, for the next turn.
            with self._queue:
                self._waiting.extendleft(r for r in reversed(group) if r.outcome is None)
            for request in group:
                if request.outcome is not None:
                    request.is_told.set()
