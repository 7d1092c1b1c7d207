"""Missing: what a trigger's rule names and the record does not have, perhaps not yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Ref
from tidemill.lineage.paging import every
from tidemill.lineage.suggestions import closest
from tidemill.practices.monitoring.deployments import SCORING, WATCHED

if TYPE_CHECKING:
    from tidemill.lineage.record import Record
    from tidemill.practices.training.trigger import Trigger


def missing_notes(record: Record, trigger: Trigger) -> tuple[str, ...]:
    """Return a sentence for each ref of a rule that is not there; it may be misspelt, or to come.

    The data of a data trigger, the deployment of one on alerts, and the model that is trained.
    """
    notes = []
    if trigger.kind == "data":
        notes += _missing(record, ("data",), trigger.ref.removeprefix("data:"))
    if trigger.kind in {"drift", "performance"}:
        kinds = ("deployment", "predictions", WATCHED, SCORING)
        notes += _missing(record, kinds, trigger.served_as)
    notes += _missing(record, ("model",), trigger.model)
    return tuple(notes)


def _missing(record: Record, kinds: tuple[str, ...], name: str) -> list[str]:
    where = (Where("ref.kind", "in", kinds), Where("ref.project", "=", record.project))
    query = Query(Ref, where=where, order=(Order("ref.name"),))
    names = list(dict.fromkeys(ref.ref.name for ref in every(record.ports.ledger, query)))
    if name in names or "/" in name:
        return []
    near = closest(name, names)
    meant = f"; did you mean {near}?" if near else ""
    return [f"{kinds[0]}:{name} is not in the record (yet){meant}"]
