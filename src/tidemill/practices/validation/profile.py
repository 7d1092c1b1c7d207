"""Profile: statistics of every column of the rows that were added, gathered while they pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.core.text import table
from tidemill.core.times import from_microseconds
from tidemill.kernels.category_counts import (
    CategoryCounts,
    category_counts,
    merged_categories,
    top_levels,
)
from tidemill.kernels.histograms import (
    NumberStatistics,
    merged_statistics,
    number_statistics,
    quantile,
)
from tidemill.kernels.table_types import type_text

if TYPE_CHECKING:
    from collections.abc import Iterable


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One column: numbers (also of times, in microseconds since 1970), or levels of a text."""

    name: str
    type: str
    rows: int = 0
    nulls: int = 0
    numbers: NumberStatistics | None = None
    levels: CategoryCounts | None = None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of all columns; sums are exact up to the rounding inside one batch."""

    rows: int
    columns: tuple[ColumnProfile, ...]

    def __str__(self) -> str:
        return table(
            ["column", "type", "missing", "lowest", "middle", "highest", "most frequent"],
            [_row(column) for column in self.columns],
        )

    __repr__ = __str__


class Profiler:
    """Gathers a profile batch by batch; `without_levels` are columns whose texts all differ."""

    def __init__(self, without_levels: Iterable[str] = ()) -> None:
        self._without_levels = frozenset(without_levels)
        self._columns: dict[str, ColumnProfile] = {}
        self._rows = 0

    def update(self, batch: pl.DataFrame) -> None:
        """Add rows."""
        self._rows += batch.height
        for series in batch:
            part = _part(series, has_levels=series.name not in self._without_levels)
            known = self._columns.get(series.name)
            self._columns[series.name] = part if known is None else _merged(known, part)

    def result(self) -> Profile:
        """Return the profile of the rows so far."""
        return Profile(rows=self._rows, columns=tuple(self._columns.values()))


def _part(series: pl.Series, *, has_levels: bool) -> ColumnProfile:
    dtype, nulls = series.dtype, series.null_count()
    numbers = levels = None
    if dtype.is_numeric() or dtype == pl.Boolean:
        numbers = number_statistics(series.drop_nulls().cast(pl.Float64).to_numpy(), nulls=nulls)
    elif isinstance(dtype, pl.Datetime | pl.Date):
        times = series.drop_nulls().cast(pl.Datetime("us")).to_physical()
        numbers = number_statistics(times.cast(pl.Float64).to_numpy(), nulls=nulls)
    elif has_levels and dtype in (pl.String, pl.Categorical, pl.Enum):
        counts = series.drop_nulls().cast(pl.String).rename("level").value_counts(name="rows")
        levels = category_counts(dict(counts.iter_rows()), nulls=nulls)
    return ColumnProfile(
        name=series.name, type=type_text(dtype), rows=len(series), nulls=nulls,
        numbers=numbers, levels=levels,
    )  # fmt: skip


def _merged(left: ColumnProfile, right: ColumnProfile) -> ColumnProfile:
    numbers = levels = None
    if left.numbers is not None and right.numbers is not None:
        numbers = merged_statistics(left.numbers, right.numbers)
    if left.levels is not None and right.levels is not None:
        levels = merged_categories(left.levels, right.levels)
    return ColumnProfile(
        name=left.name, type=left.type, rows=left.rows + right.rows,
        nulls=left.nulls + right.nulls, numbers=numbers, levels=levels,
    )  # fmt: skip


def _row(column: ColumnProfile) -> list[object]:
    share = f"{column.nulls / column.rows:.2%}" if column.nulls else "-"
    head: list[object] = [column.name, column.type, share]
    if column.numbers is not None:
        found = column.numbers
        marks = (found.minimum, quantile(found, 0.5), found.maximum)
        is_time = column.type in ("instant", "datetime", "date")
        return [*head, *(_mark(mark, is_time=is_time) for mark in marks), "-"]
    frequent = ", ".join(top_levels(column.levels, 3)) if column.levels is not None else "-"
    return [*head, "-", "-", "-", frequent or "-"]


def _mark(value: float | None, *, is_time: bool) -> str:
    if value is None:
        return "-"
    return f"{from_microseconds(int(value)):%Y-%m-%d %H:%M}" if is_time else f"{value:,.6g}"
