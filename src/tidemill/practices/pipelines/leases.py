"""Leases of what is being worked on: renewed while it goes on, and a test of who still lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.errors import ConflictError, LeaseHeldError
from tidemill.core.facts import Batch, LeaseIs, RunIsOpen, RunSealed
from tidemill.core.query import Query, Where
from tidemill.core.run import Run

if TYPE_CHECKING:
    from tidemill.core.query import Lease
    from tidemill.lineage.record import Record

LEASE_TTL_S = 120.0
"""A dead owner on this machine is replaced at once; one elsewhere after this time."""
RENEW_S = 20.0


class Renewal:
    """Keeps leases alive while their work goes on."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._leases: dict[str, Lease] = {}
        self._last = record.ports.clock.monotonic_s()

    def add(self, lease: Lease) -> None:
        """Keep a lease alive from now on."""
        self._leases[lease.key] = lease

    def forget(self, lease: Lease) -> None:
        """Keep a lease alive no longer."""
        self._leases.pop(lease.key, None)

    def renew_when_due(self) -> None:
        """Prolong all leases if the last time is long ago."""
        now = self._record.ports.clock.monotonic_s()
        if now - self._last < RENEW_S:
            return
        self._last = now
        for lease in self._leases.values():
            self._record.ports.ledger.renew(lease, LEASE_TTL_S)


def run_lease(run: str) -> str:
    """Return the key of the lease that an open pipeline run holds."""
    return f"run:{run}"


def seal_lost_runs(record: Record, name: str = "", *, kind: str = "pipeline") -> int:
    """Seal open runs of a kind whose process has died as `lost`; return how many.

    An open run holds a lease; whose lease can be had has no living owner.
    """
    ledger = record.ports.ledger
    where = (
        Where("kind", "=", kind), Where("project", "=", record.project),
        Where("status", "=", "running"), *([Where("name", "=", name)] if name else []),
    )  # fmt: skip
    query = Query(Run, where=where)
    lost = 0
    for run in ledger.find(query):
        if run.owner == ledger.owner():
            continue
        try:
            lease = ledger.lease(run_lease(run.id), ledger.owner(), LEASE_TTL_S)
        except LeaseHeldError:
            continue
        sealed = RunSealed(
            run=run.id, status="lost", sealed_at=record.now(), error="its process died"
        )
        conditions = (
            RunIsOpen(run=run.id),
            LeaseIs(key=lease.key, token=lease.token, release=True),
        )
        try:
            ledger.commit(Batch(facts=(sealed,), conditions=conditions, at=record.now()))
        except ConflictError:
            ledger.release(lease)
        else:
            lost += 1
    return lost
