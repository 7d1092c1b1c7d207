"""The history of one view as arrays: what training reads from a version and serving from the store.

Both sides make a `History` and ask it the same questions, so their values are the same bits.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_time, probable_unit
from tidemill.kernels.float_sums import ONES, digits, exact_sums
from tidemill.kernels.timeline import Timeline
from tidemill.kernels.windows import Ticks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tidemill.kernels.windows import Window
    from tidemill.practices.features.declare import Feature, FeatureView, ViewSpec

ROW = "_row"
"""Column that numbers the source's rows from 0, as a view function gets them."""

ALWAYS_US = -(2**60)
"""Event time of rows that always held."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """One value column: 8-byte values, which of them are not null, and what they were."""

    values: NDArray[np.float64] | NDArray[np.int64]
    is_valid: NDArray[np.bool_]
    dtype: str
    """`float`, `int` or `bool`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class History:
    """Event rows with entity codes. `rows` are row numbers of the source, -1 where not known."""

    entities: NDArray[np.int64]
    event_us: NDArray[np.int64]
    arrival_us: NDArray[np.int64]
    ties: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: Mapping[str, Column]

    @property
    def known_us(self) -> NDArray[np.int64]:
        """From when on each row counts, shape (rows,)."""
        return np.maximum(self.event_us, self.arrival_us)

    def take(self, wanted: NDArray[np.bool_] | NDArray[np.int64]) -> History:
        """Return some of the rows."""
        columns = {
            name: Column(values=c.values[wanted], is_valid=c.is_valid[wanted], dtype=c.dtype)
            for name, c in self.columns.items()
        }
        return History(
            entities=self.entities[wanted], event_us=self.event_us[wanted],
            arrival_us=self.arrival_us[wanted], ties=self.ties[wanted], rows=self.rows[wanted],
            columns=columns,
        )  # fmt: skip

    def timeline(self) -> Timeline:
        """Return the timeline kernel over these rows."""
        return Timeline.build(self.entities, self.event_us, self.arrival_us, self.ties)


def event_rows(view: FeatureView, source: pl.LazyFrame) -> pl.DataFrame:
    """Return the view's event rows of a source: keys, times, value columns, and source row numbers.

    Raises as `event_plan`.
    """
    return event_plan(view, source).collect(engine="streaming")


def event_plan(view: FeatureView, source: pl.LazyFrame) -> pl.LazyFrame:
    """Return the event rows that `event_rows` gives, read when collected.

    Raises:
        InvalidInputError: the function lacks a column that the view names; lists what it gives.
    """
    spec = view.spec
    given = view(source.with_row_index(ROW))
    names = given.collect_schema().names()
    wanted = [*spec.entity, *filter(None, (spec.time, spec.known)), *spec.columns]
    missing = [name for name in dict.fromkeys(wanted) if name not in names]
    if missing:
        raise InvalidInputError(
            f"feature view {spec.name} needs column {missing[0]!r}, which its rows do not have",
            fix=f"make it in the view's function; it gives {', '.join(names)}",
        )
    row = [ROW] if ROW in names else []
    needed = pl.all_horizontal(*(pl.col(name).is_not_null() for name in spec.entity))
    if spec.time:
        needed = needed & pl.col(spec.time).is_not_null()
    return given.filter(needed).select(*row, *dict.fromkeys(wanted))


def history_of(view: FeatureView, events: pl.DataFrame, codes: NDArray[np.int64]) -> History:
    """Return event rows as a history; `codes` are their entities as numbers, shape (rows,)."""
    spec = view.spec
    event = _times(spec, events, spec.time)
    arrival = _times(spec, events, spec.known) if spec.known else event
    columns = {name: _column(spec, events[name]) for name in spec.columns}
    rows = (
        events[ROW].cast(pl.Int64).to_numpy()
        if ROW in events.columns
        else np.full(events.height, -1, dtype=np.int64)
    )
    return History(
        entities=codes, event_us=event, arrival_us=arrival + spec.delay_us,
        ties=_ties(columns, codes), rows=rows, columns=columns,
    )  # fmt: skip


def values_at(
    spec: ViewSpec, history: History, codes: NDArray[np.int64], at_us: NDArray[np.int64]
) -> pl.DataFrame:
    """Return the view's features of entities at times: one row each, one column a feature."""
    timeline = history.timeline()
    columns = [
        _feature(name, feature, history, timeline, (codes, at_us))
        for name, feature in spec.features
    ]
    return pl.DataFrame(columns)


def entity_codes(
    spec: ViewSpec, *frames: pl.DataFrame
) -> tuple[list[NDArray[np.int64]], pl.DataFrame]:
    """Return each frame's rows as entity numbers (-1: a key is null), and the numbered keys."""
    try:
        keys = pl.concat([frame.select(spec.entity) for frame in frames], how="vertical_relaxed")
    except pl.exceptions.PolarsError as error:
        raise InvalidInputError(
            f"the entity {', '.join(spec.entity)} of view {spec.name} has other types in the "
            f"source than where values are asked for: {error}",
            fix="cast the key columns to one type",
        ) from None
    distinct = keys.unique(maintain_order=True).drop_nulls().with_row_index("code")
    dtypes = distinct.schema
    coded = []
    for frame in frames:
        typed = frame.select(pl.col(name).cast(dtypes[name]) for name in spec.entity)
        joined = typed.join(distinct, on=list(spec.entity), how="left", maintain_order="left")
        coded.append(joined["code"].cast(pl.Int64).fill_null(-1).to_numpy())
    return coded, distinct


def _feature(
    name: str,
    feature: Feature,
    history: History,
    timeline: Timeline,
    query: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> pl.Series:
    if feature.kind == "latest":
        column = history.columns[feature.column]
        rows = timeline.latest(*query, ttl_us=feature.window_us)
        found = rows >= 0
        found[found] = column.is_valid[rows[found]]
        values: NDArray[Any] = np.zeros_like(column.values, shape=len(rows))
        values[found] = column.values[rows[found]]
        return _series(name, values, found, column.dtype)
    window = timeline.window(feature.window_us)
    if feature.kind == "count":
        return pl.Series(name, window.counts(*query), dtype=pl.Int64)
    column = history.columns[feature.column]
    return _summed(name, feature, column, window, query)


def _series(
    name: str, values: NDArray[np.float64] | NDArray[np.int64], found: NDArray[np.bool_], dtype: str
) -> pl.Series:
    series = pl.Series(name, values).set(pl.Series(~found), None)
    return series.cast(pl.Boolean) if dtype == "bool" else series


def _summed(
    name: str,
    feature: Feature,
    column: Column,
    window: Window,
    query: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> pl.Series:
    """Return exact sums, or means of them, of one column; each is rounded once at the end."""
    is_float, valid = column.dtype == "float", column.is_valid
    if is_float:
        valid = valid & ~np.isnan(column.values)
        by_place = digits(_finite(feature.column, column, valid))
    else:
        by_place = {ONES: column.values.astype(np.int64)}
    ticks = [Ticks(values=values, is_valid=valid) for values in by_place.values()]
    try:
        sums = window.sums(*query, ticks)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"column {feature.column!r}, feature {name}: {error.what}",
            fix="make it a float in the view's function: its sums reach further",
        ) from None
    counted = sums.non_null[0]
    if feature.kind == "total" and not is_float:
        return _series(name, sums.sums[0], counted > 0, "int")
    exact = exact_sums(dict(zip(by_place, sums.sums, strict=True)))
    if feature.kind != "total":
        return _series(name, exact.means(np.maximum(counted, 1)), counted > 0, "float")
    totals = exact.totals()
    if np.isinf(totals).any():
        raise InvalidInputError(
            f"a sum of column {feature.column!r}, feature {name}, is larger than any double",
            fix="scale the column in the view's function",
        )
    return _series(name, totals, counted > 0, "float")


def _finite(name: str, column: Column, valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return a float column with 0 where nothing is; raises where a value is infinite."""
    values: NDArray[np.float64] = np.where(valid, column.values, 0.0)
    if np.isinf(values).any():
        raise InvalidInputError(
            f"column {name!r} has an infinite value, which cannot be summed",
            fix="make it null in the view's function",
        )
    return values


def _times(spec: ViewSpec, events: pl.DataFrame, name: str) -> NDArray[np.int64]:
    if not name:
        return np.full(events.height, ALWAYS_US, dtype=np.int64)
    series = events[name]
    if series.dtype == pl.String:
        series = text_times(series)
    if series.dtype in {pl.Date, pl.Null}:
        series = series.cast(pl.Datetime("us", "UTC"))
    if not isinstance(series.dtype, pl.Datetime):
        raise no_time(f"{name} of view {spec.name}", series)
    # A row whose second time is not known yet cannot be seen yet.
    return series.dt.timestamp("us").fill_null(2**60).to_numpy()


def text_times(series: pl.Series) -> pl.Series:
    """Return ISO dates and times as UTC times; those without a zone are UTC.

    Raises:
        InvalidInputError: a text is neither.
    """
    texts = series.unique()  # once: asked again, it may come in another order
    try:
        times = [None if text is None else parse_time(text) for text in texts]
    except InvalidInputError as error:
        raise InvalidInputError(f"column {series.name!r}: {error.what}", fix=error.fix) from None
    parsed = pl.Series(series.name, times, dtype=pl.Datetime("us", "UTC"))
    if not times:
        return parsed
    return series.replace_strict(texts, parsed, return_dtype=parsed.dtype)


def no_time(name: str, series: pl.Series) -> InvalidInputError:
    """Return the error that a column is no time; of counts since 1970 it names the unit."""
    first = series.drop_nulls().head(1).to_list()
    what = f"column {name!r} holds no times"
    fix = "parse it, e.g. with .str.to_datetime(time_zone='UTC')"
    if first and series.dtype.is_integer():
        unit = probable_unit(first[0]) or "microseconds"
        short = {"seconds": "s", "milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}
        what += f" but whole numbers; {first[0]} is probably {unit} since 1970"
        fix = f"pl.from_epoch(column, time_unit={short[unit]!r}), or give ISO text"
    elif first:
        what += f": {first[0]!r}"
    return InvalidInputError(what, fix=fix)


def _column(spec: ViewSpec, series: pl.Series) -> Column:
    valid = series.is_not_null().to_numpy()
    if series.dtype == pl.Boolean:
        values = series.fill_null(value=False).cast(pl.Int64).to_numpy()
        return Column(values=values, is_valid=valid, dtype="bool")
    if series.dtype.is_integer():
        return Column(
            values=series.cast(pl.Int64).fill_null(0).to_numpy(), is_valid=valid, dtype="int"
        )
    if series.dtype.is_float() or series.dtype == pl.Null:
        values = series.cast(pl.Float64).fill_null(0.0).to_numpy()
        return Column(values=values, is_valid=valid, dtype="float")
    raise InvalidInputError(
        f"column {series.name!r} of view {spec.name} is {series.dtype}; features are numbers",
        fix="make it a number or a truth value in the view's function",
    )


def _ties(columns: Mapping[str, Column], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number a row from its values alone, so that ties have one answer on every side.

    Source: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
    """
    mixed = np.zeros(len(codes), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for name in sorted(columns):
            column = columns[name]
            bits = column.values.view(np.uint64) * column.is_valid + ~column.is_valid
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + bits
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(1)).astype(np.int64)
