"""Which rows made a feature value: found by evaluating the view again on a named version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.core.times import microseconds
from tidemill.practices.features.history import entity_codes, event_rows, history_of, values_at

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.practices.features.declare import FeatureView

MOST_ROWS = 10


class FeatureValue(msgspec.Struct, frozen=True, kw_only=True):
    """One feature of one entity at one time, and the rows of the source that it is made of.

    `rows` are row numbers from 1 in the version, newest first, at most ten that are
    known; `row_count` is of all.
    """

    view: str
    feature: str
    value: float | int | bool | None
    source: str
    row_count: int
    rows: tuple[int, ...]


def explain_view(
    view: FeatureView, source: pl.LazyFrame, entity: pl.DataFrame, at: datetime, source_name: str
) -> tuple[FeatureValue, ...]:
    """Return the features of one entity (a frame of one row) at a time, with their rows."""
    at_us = microseconds(at)
    keyed = [pl.col(key) == entity[key][0] for key in view.spec.entity]
    events = event_rows(view, source)
    events = events.filter(*keyed)
    (codes, asked), _ = entity_codes(view.spec, events, entity)
    history = history_of(view, events, codes)
    values = values_at(view.spec, history, asked, pl.Series([at_us]).to_numpy())
    timeline = history.timeline()
    found = []
    for name, feature in view.spec.features:
        if feature.kind == "latest":
            rows = timeline.latest(asked, [at_us], ttl_us=feature.window_us)
            rows = rows[rows >= 0]
        else:
            rows = timeline.rows_in_window(int(asked[0]), at_us, feature.window_us)
        numbers = history.rows[rows][::-1]
        found.append(
            FeatureValue(
                view=view.name, feature=name, value=values[name][0], source=source_name,
                row_count=len(rows),
                rows=tuple(int(row) + 1 for row in numbers[:MOST_ROWS] if row >= 0),
            )
        )  # fmt: skip
    return tuple(found)
