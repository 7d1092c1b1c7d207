"""Leases for a block of work: one at a time for a key, over all processes, waiting a little."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tidemill.core.errors import LeaseHeldError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.core.query import Lease
    from tidemill.lineage.record import Record

TTL_S = 60.0
_PAUSE_S = 0.02


class HeldLease:
    """A lease that is held. Call `renew` at least every half minute of long work."""

    def __init__(self, record: Record, lease: Lease) -> None:
        self._record, self.lease = record, lease
        self._renewed_s = record.ports.clock.monotonic_s()

    def renew(self) -> None:
        """Prolong the lease if some time has passed."""
        now = self._record.ports.clock.monotonic_s()
        if now - self._renewed_s > TTL_S / 4:
            self._record.ports.ledger.renew(self.lease, TTL_S)
            self._renewed_s = now


@contextmanager
def sole(record: Record, key: str, *, wait_s: float) -> Iterator[HeldLease]:
    """Hold a lease during the block, after waiting for whoever has it.

    Raises:
        LeaseHeldError: somebody else still holds it after `wait_s`; names them.
    """
    clock, ledger = record.ports.clock, record.ports.ledger
    owner = f"{ledger.owner()}/{clock.new_id()[-8:]}"
    deadline = clock.monotonic_s() + wait_s
    while True:
        try:
            lease = ledger.lease(key, owner, TTL_S)
            break
        except LeaseHeldError:
            if clock.monotonic_s() > deadline:
                raise
            record.tell.check()
            clock.sleep(_PAUSE_S)
    try:
        yield HeldLease(record, lease)
    finally:
        ledger.release(lease)
