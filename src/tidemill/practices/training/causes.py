"""Causes as the record shows them: planned times, new rows, open alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.errors import NotFoundError
from tidemill.core.pointer import Pointer
from tidemill.core.query import EdgeRow, Query, Where
from tidemill.core.ref import RefName, Version
from tidemill.lineage.policies import VERDICT
from tidemill.lineage.refs import resolve
from tidemill.lineage.writing import find_ref, newest_version
from tidemill.practices.drift.alerts import open_alerts
from tidemill.practices.training.calendar import spelled
from tidemill.practices.training.decision import Cause
from tidemill.practices.versioning.evidence import data_behind

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.digest import ArtifactId
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record
    from tidemill.practices.drift.alerts import Alert
    from tidemill.practices.training.trigger import Trigger

_CHECKS = {"drift": "drift.data", "performance": "drift.performance"}


def causes_of(record: Record, trigger: Trigger, since: datetime, at: datetime) -> list[Cause]:
    """Return everything that asks for a training at a time, answered before or not.

    `since` is when the rule came: a schedule does not fire what was planned before.
    """
    if trigger.kind == "schedule":
        return _planned(trigger, since, at)
    if trigger.kind == "data":
        return _new_rows(record, trigger, at)
    if trigger.kind == "manual":
        return []
    return _alerts(record, trigger, at)


def _planned(trigger: Trigger, since: datetime, at: datetime) -> list[Cause]:
    """Only the newest planned time counts: a scheduler that was off does not catch up."""
    planned = trigger.planned(at)
    if planned <= since:
        return []
    return [Cause(key=planned.isoformat(), what=f"planned for {spelled(planned)}")]


def _new_rows(record: Record, trigger: Trigger, at: datetime) -> list[Cause]:
    ref = RefName(kind="data", project=record.project, name=trigger.ref.removeprefix("data:"))
    try:
        newest = resolve(record, Pointer(kind=ref.kind, project=ref.project, name=ref.name, at=at))
    except NotFoundError:  # nothing was known by then
        return []
    known = _learned(record, trigger, ref)
    if known is not None and known.number >= newest.number:
        return []
    rows, before = _rows(newest), _rows(known)
    added = rows - before
    least = max(trigger.min_rows, int(trigger.min_share * before))
    lacking = f"{newest} has {added:,} new rows, {least:,} are needed" if added < least else ""
    return [
        Cause(
            key=str(newest), what=f"{added:,} rows of {newest} are new to the model",
            lacking=lacking, used=((newest.artifact, newest.run),),
        )
    ]  # fmt: skip


def _learned(record: Record, trigger: Trigger, ref: RefName) -> Version | None:
    """Return the version of the data that the newest model was made from."""
    name = RefName(kind="model", project=record.project, name=trigger.model)
    model = newest_version(record, name) if find_ref(record, name) else 0
    return data_behind(record, model, ref) if isinstance(model, Version) else None


def _rows(version: Version | None) -> int:
    rows = version.summary.get("rows", 0) if version else 0
    return int(rows) if isinstance(rows, int | float) else 0


def _alerts(record: Record, trigger: Trigger, at: datetime) -> list[Cause]:
    """An alert is one cause from its beginning to its end, however often it is seen."""
    found = open_alerts(record, trigger.served_as, _CHECKS[trigger.kind])
    return [
        Cause(
            key=alert.run, what=f"alert run:{alert.run[-8:]}: {alert.because}",
            lacking=_not_worse(trigger, alert), used=_verdict_of(record, alert.run),
        )
        for alert in reversed(found)
        if alert.at <= at
    ]  # fmt: skip


def _not_worse(trigger: Trigger, alert: Alert) -> str:
    """Losses that fell are drift, but no reason to train again unless the rule says so."""
    if trigger.kind != "performance" or trigger.on == "any" or alert.turned != "better":
        return ""
    return f'alert run:{alert.run[-8:]} is of losses that fell; on = "any" would fire'


def _verdict_of(record: Record, alert: RunId) -> tuple[tuple[ArtifactId, RunId | None], ...]:
    where = (Where("run", "=", alert), Where("name", "=", VERDICT))
    edges = record.ports.ledger.find(Query(EdgeRow, where=where))
    return tuple((edge.artifact, edge.source) for edge in edges)
