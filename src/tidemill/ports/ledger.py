"""The ledger port: one way in, few ways out, so that every place behaves the same above it.

Rules that the conformance suite holds every adapter to:
- `commit` is all or nothing and durable when it returns; a condition that does not hold raises
  `ConditionFailedError` and leaves no trace. Adding an artifact, run edge or ref that exists with
  equal content is a no-op; with other content it is a `ConflictError`. Content has one identity:
  an artifact that is known keeps the kind and summary that it was first made with.
- One transaction that holds journaled facts appends exactly one block (`core/journal.py`); several
  batches committed together share one block, and a batch of figures alone appends none.
- Conditions are judged in the transaction that writes, in the order of the batches.
- Any number of processes and threads may use one ledger at once; no write waits for a reader, and
  no caller ever sees "locked".
- Leases and cells may be lost at any time without loss of a fact. A lease's token only grows.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tidemill.core.digest import ArtifactId
from tidemill.core.errors import ConflictError
from tidemill.core.facts import Batch, Condition, Direction, Receipt
from tidemill.core.query import Cell, EdgeRow, Lease, Query
from tidemill.core.run import RunId

T = TypeVar("T")


class ConditionFailedError(ConflictError):
    """A condition of the batch does not hold; nothing was written. `condition` says which."""

    code = "TM501"

    def __init__(self, what: str, *, fix: str, condition: Condition) -> None:
        super().__init__(what, fix=fix)
        self.condition = condition


class Ledger(Protocol):
    """The record: facts, the journal, coordination."""

    def commit(self, batch: Batch) -> Receipt:
        """Write all facts of a batch if all its conditions hold.

        Raises:
            ConditionFailedError: a condition does not hold.
            ConflictError: a fact contradicts one that is there (another artifact of this id).
            UnavailableError: no room, or the place does not answer.
        """
        ...

    def find(self, query: Query[T]) -> list[T]:
        """Return what a query asks for, in its order."""
        ...

    def keys(self, prefixes: Sequence[str]) -> dict[str, RunId]:
        """Return every unique key that begins with one of the prefixes, and the run it names."""
        ...

    def edges(
        self, ids: Sequence[ArtifactId | RunId], direction: Direction, depth: int
    ) -> list[EdgeRow]:
        """Walk the graph from artifacts or runs, breadth first, and return the edges met.

        `up` goes from an artifact to the runs that made it, from a run to what it used; `down`
        from an artifact to the runs that used it, from a run to what it made. One depth is one
        such edge; an edge is returned once.
        """
        ...

    def owner(self) -> str:
        """Return this process as an owner of leases and runs: machine, boot, process, start."""
        ...

    def is_alive(self, owner: str) -> bool:
        """Return False only if `owner` is known to have ended; of other machines nothing is."""
        ...

    def lease(self, key: str, owner: str, ttl_s: float) -> Lease:
        """Take a lease that is free, expired, held by `owner`, or whose local owner has died.

        Raises:
            LeaseHeldError: another live owner holds it; names it.
        """
        ...

    def renew(self, lease: Lease, ttl_s: float) -> bool:
        """Prolong a lease; False: it was lost meanwhile."""
        ...

    def release(self, lease: Lease) -> None:
        """Give a lease back; one that was lost is left alone."""
        ...

    def cell(self, key: str) -> Cell | None:
        """Return a cell that has not expired."""
        ...

    def swap(self, key: str, value: bytes | None, *, version: int | None, ttl_s: float) -> bool:
        """Set (or, with None, delete) a cell if its version is still `version` (None: absent)."""
        ...

    def close(self) -> None:
        """Finish what was accepted and let go of the place."""
        ...
