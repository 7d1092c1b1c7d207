"""Undeclared: what the newest run of each step read or did besides what it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.query import Note, Order, Query, Where
from tidemill.core.run import Run
from tidemill.practices.pipelines.memo import UNDECLARED

if TYPE_CHECKING:
    from tidemill.lineage.record import Record

NEWEST = 300
"""Runs of steps that are looked at, the newest first."""


def undeclared_by_steps(record: Record) -> dict[str, str]:
    """Return what each step did undeclared when it last ran, by its name; O(`NEWEST`)."""
    where = (
        Where("kind", "=", "step"), Where("project", "=", record.project),
        Where("status", "=", "done"),
    )  # fmt: skip
    query = Query(Run, where=where, order=(Order("id", descending=True),), limit=NEWEST)
    newest: dict[str, str] = {}
    for run in record.ports.ledger.find(query):
        newest.setdefault(run.name, run.id)
    if not newest:
        return {}
    noted = (Where("subject", "in", tuple(newest.values())), Where("key", "=", UNDECLARED))
    texts = {
        note.subject: note.text
        for note in record.ports.ledger.find(Query(Note, where=noted, limit=NEWEST))
    }
    return {name: texts[run] for name, run in sorted(newest.items()) if run in texts}
