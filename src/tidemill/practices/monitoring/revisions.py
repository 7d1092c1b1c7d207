"""Revisions of told predictions: which run brought the value that counts, and what it corrects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.practices.monitoring.predictions import came_from, revisions_of
from tidemill.practices.monitoring.seals import PREDICTIONS, known_seals

if TYPE_CHECKING:
    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.predictions import Prediction


def brought_by(record: Record, prediction: Prediction) -> tuple[tuple[str, str], ...]:
    """Return what `why` goes on with: of a told value the window that brought it comes first."""
    made = came_from(record, prediction)
    told = {
        f"{PREDICTIONS}:{prediction.name}@{seal.number}"
        for seal in known_seals(record, prediction.name)
        if seal.is_told
    }
    return ((PREDICTIONS, prediction.sealed), *made) if prediction.sealed in told else made


def revision_lines(record: Record, prediction: Prediction) -> tuple[str, ...]:
    """Return the run and source of a told value, and the values that it corrects, newest first."""
    runs = {
        f"{PREDICTIONS}:{prediction.name}@{seal.number}": seal.run
        for seal in known_seals(record, prediction.name)
        if seal.is_told
    }
    if prediction.sealed not in runs:
        return ()
    earlier = [one for one in revisions_of(record, prediction) if one.sealed in runs]
    earlier.sort(key=lambda one: one.received_at, reverse=True)
    lines = [f"told by {_spelled(record, runs[prediction.sealed])}"]
    for one in earlier:
        values = ", ".join(f"{v.name} = {v.value}" for v in one.logged if v.role == "output")
        lines.append(f"corrects {values}, told by {_spelled(record, runs[one.sealed])}")
    return tuple(lines)


def _spelled(record: Record, run: str) -> str:
    found = record.ports.ledger.find(Query(Run, where=(Where("id", "=", run),), limit=1))
    source = str(found[0].params.get("source", "")) if found else ""
    return f"run:{run[-8:]}" + (f" from {source}" if source else "")
