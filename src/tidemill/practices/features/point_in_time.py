"""Training values: the features of labelled rows, each as it was known at the row's own time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.practices.features.history import (
    entity_codes,
    event_rows,
    history_of,
    no_time,
    text_times,
    values_at,
)

if TYPE_CHECKING:
    from tidemill.practices.features.declare import FeatureView


def view_values(
    view: FeatureView, source: pl.LazyFrame, asked: pl.DataFrame, time: str
) -> pl.DataFrame:
    """Return the view's features of each asked row at its own time, one column a feature.

    A value counts rows whose event and arrival are not after the row's time, within the window
    (time - width, time]; ties of both times have one answer whatever the order of rows.

    Args:
        view: the definition.
        source: rows of a version of the view's source.
        asked: entity columns and the time, shape (rows, at least these).
        time: name of the time column of `asked`.

    Raises:
        InvalidInputError: a column is missing or no time; names it.
    """
    check_asked(view, with_times(asked, time), time)
    return values_of(view, event_rows(view, source), asked, time)


def values_of(
    view: FeatureView, events: pl.DataFrame, asked: pl.DataFrame, time: str
) -> pl.DataFrame:
    """Return what `view_values` does, of event rows. Raises so too."""
    asked = with_times(asked, time)
    check_asked(view, asked, time)
    (event_codes, codes), _ = entity_codes(view.spec, events, asked)
    at_us = asked[time].cast(pl.Datetime("us", "UTC")).dt.timestamp("us").to_numpy()
    return values_at(view.spec, history_of(view, events, event_codes), codes, at_us)


def with_times(asked: pl.DataFrame, time: str) -> pl.DataFrame:
    """Return rows whose time, where it is ISO text, is a time."""
    if time not in asked.columns or asked.schema[time] != pl.String:
        return asked
    return asked.with_columns(text_times(asked[time]))


def check_asked(view: FeatureView, asked: pl.DataFrame, time: str) -> None:
    """Raise where rows that ask for a view lack its keys or their own time.

    Raises:
        InvalidInputError: names the column, the view and what there is.
    """
    for name in (*view.spec.entity, time):
        if name not in asked.columns:
            raise InvalidInputError(
                f"rows that ask for the view {view.name} need a column {name!r}",
                fix=f"add it, or name the time with time=; there are {', '.join(asked.columns)}",
            )
    if not isinstance(asked.schema[time], pl.Datetime | pl.Date):
        raise no_time(time, asked[time])
    if asked[time].null_count():
        raise InvalidInputError(
            f"column {time!r} is empty in {asked[time].null_count()} rows",
            fix="drop rows without a time: nothing can be known at no time",
        )
