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


class Request:
    """One batch that waits for its transaction; `outcome` is set when that is durable."""

    __slots__ = ("batch", "outcome")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.outcome: Outcome | None = None


class GroupCommit:
    """Hands all waiting batches to `transaction`, which sets the outcome of each or raises.

    `turn` is held while one commits; whoever else writes to the same place takes it too.
    """

    def __init__(self, transaction: Callable[[list[Request]], None]) -> None:
        self._transaction = transaction
        self._waiting: deque[Request] = deque()
        self.turn = threading.Lock()

    def commit(self, batch: Batch) -> Receipt:
        """Return when the batch is durable.

        Raises:
            TidemillError: the batch was refused; nothing of it was written.
        """
        request = Request(batch)
        self._waiting.append(request)
        try:
            with self.turn:
                while request.outcome is None:
                    self._commit_next()
        except BaseException:  # Ctrl-C too: nobody waits for this batch any more
            if request in self._waiting:
                self._waiting.remove(request)
            raise
        if isinstance(request.outcome, TidemillError):
            raise request.outcome
        return request.outcome

    def _commit_next(self) -> None:
        group: list[Request] = []
        while self._waiting and len(group) < MOST_BATCHES:
            group.append(self._waiting.popleft())
        try:
            self._transaction(group)
        finally:
            # Interrupted (Ctrl-C in this caller): the others' batches go back, for the next turn.
            self._waiting.extendleft(r for r in reversed(group) if r.outcome is None)
