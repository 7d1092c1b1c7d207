"""Alerts whose training gave the champion itself: not answered, asked again once rows are new.

A training from the rows that the champion knows cannot better it. It can be another one as soon as
the parameters let in other rows, data have come, or code, environment or rule changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.query import Query, Where
from tidemill.core.ref import Version
from tidemill.core.times import parse_window
from tidemill.lineage.artifacts import find_artifacts, read_value
from tidemill.practices.training.calendar import filled, latest_window, period_start
from tidemill.practices.training.outcome import Decision

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tidemill.core.run import Run, RunId
    from tidemill.lineage.record import Record
    from tidemill.practices.training.trigger import Trigger


def left_open(record: Record, runs: Sequence[RunId]) -> frozenset[RunId]:
    """Return those trainings that answered no alert: they gave the champion, or no model."""
    edges = record.ports.ledger.edges(list(runs), "down", 1) if runs else []
    made = {edge.artifact: edge.run for edge in edges if edge.role == "made"}
    kept = find_artifacts(record, list(made)) if made else {}
    return frozenset(
        made[one.id]
        for one in kept.values()
        if one.kind == "decision" and read_value(record, one, Decision).is_same_model
    )


def lets_in_new_rows(record: Record, trigger: Trigger, training: Run, at: datetime) -> bool:
    """Return whether a training at `at` can see other rows than an earlier one did.

    A parameter with `{at}` counts as another one on another day.
    """
    if _params(trigger, at) != _params(trigger, training.at, str(training.params["window"])):
        return True
    where = (
        Where("ref.kind", "=", "data"),
        Where("ref.project", "=", record.project),
        Where("at", "<=", at),
        Where("recorded_at", ">", training.sealed_at or training.opened_at),
    )
    return bool(record.ports.ledger.find(Query(Version, where=where, limit=1)))


def _params(trigger: Trigger, at: datetime, window: str = "") -> dict[str, object]:
    span = parse_window(window) if window else latest_window(trigger.window, at)
    return dict(filled(trigger.params, span, period_start("day", at)))
