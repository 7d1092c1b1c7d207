"""Missing: what a trigger's rule names and the record does not have, perhaps not yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Ref, RefName, Version
from tidemill.lineage.paging import every
from tidemill.lineage.suggestions import closest
from tidemill.lineage.writing import newest_version
from tidemill.practices.monitoring.deployments import SCORING, WATCHED
from tidemill.practices.versioning.evidence import evidence_of

UNTIL = "until"
"""The parameter that says up to when a pipeline takes labels."""

if TYPE_CHECKING:
    from tidemill.lineage.record import Record
    from tidemill.practices.training.trigger import Trigger


def missing_notes(record: Record, trigger: Trigger) -> tuple[str, ...]:
    """Return a sentence for each ref of a rule that is not there; it may be misspelt, or to come.

    The data of a data trigger, the deployment of one on alerts, the data to compare on, and the
    model that is trained; and one more where no window can be compared on.
    """
    notes = []
    if trigger.kind == "data":
        notes += _missing(record, ("data",), trigger.ref.removeprefix("data:"))
    if trigger.kind in {"drift", "performance"}:
        kinds = ("deployment", "predictions", WATCHED, SCORING)
        notes += _missing(record, kinds, trigger.served_as)
    if trigger.compare:
        notes += _missing(record, ("data",), trigger.compare.removeprefix("data:"))
    notes += _missing(record, ("model",), trigger.model)
    return (*notes, *window_notes(record, trigger))


def window_notes(record: Record, trigger: Trigger) -> tuple[str, ...]:
    """Return a sentence where a rule promotes, but its model knows no times to tell windows by."""
    if not trigger.promote or trigger.compare or UNTIL in trigger.params:
        return ()
    from tidemill.practices.monitoring.report import read_report  # noqa: PLC0415 - brings NumPy

    ref = RefName(kind="model", project=record.project, name=trigger.model)
    newest = newest_version(record, ref)
    report = evidence_of(record, newest).report if isinstance(newest, Version) else None
    if report is None or read_report(record, report).time:
        return ()
    what = f"the evaluation of model:{trigger.model} has no time, so that no window is known to be"
    return (f'{what} new to it: name held-out rows to compare on, compare = "data:NAME"',)


def _missing(record: Record, kinds: tuple[str, ...], name: str) -> list[str]:
    where = (Where("ref.kind", "in", kinds), Where("ref.project", "=", record.project))
    query = Query(Ref, where=where, order=(Order("ref.name"),))
    names = list(dict.fromkeys(ref.ref.name for ref in every(record.ports.ledger, query)))
    if name in names or "/" in name:
        return []
    near = closest(name, names)
    meant = f"; did you mean {near}?" if near else ""
    return [f"{kinds[0]}:{name} is not in the record (yet){meant}"]
