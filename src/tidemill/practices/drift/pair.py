"""Two windows of rows, compared column by column: no reference, model or deployment is needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.day_scores import NumericBins, category_bins, numeric_bins
from tidemill.kernels.two_samples import (
    ColumnTest,
    blocks_test,
    holm,
    least_p_value,
    level_distance,
    numeric_distance,
    rows_test,
)
from tidemill.lineage.suggestions import closest
from tidemill.practices.drift.pair_results import ColumnDrift, WindowPair
from tidemill.practices.drift.watched import (
    DayCounts,
    Watched,
    effects_of,
    level_counts_of,
    numbers_of,
)
from tidemill.practices.monitoring.judged_rows import day_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tidemill.core.check import State
    from tidemill.kernels.day_scores import FeatureBins

MIN_ROWS = 30
LEAST_DRAWS, MOST_DRAWS = 2_000, 200_000
DRAWS_A_TEST = 10
"""Draws, times tests over alpha: the smallest p-value must be able to pass all of them."""


class Pair:
    """Both windows in one frame, over bins that they fix together, and the blocks of their rows."""

    def __init__(
        self, old: pl.DataFrame, new: pl.DataFrame, *, time: str = "", group: str = ""
    ) -> None:
        for name, frame in (("old", old), ("new", new)):
            if frame.height < MIN_ROWS:
                raise InvalidInputError(
                    f"the {name} window has {frame.height} rows; {MIN_ROWS} are needed",
                    fix="widen it",
                )
        self.old, self.new = old, new
        self.rows = (old.height, new.height)
        self.is_new = np.repeat([False, True], self.rows)
        self.unit, self._codes = self._blocks(time, group)
        self.block_is_new: NDArray[np.bool_] = np.zeros(0, np.bool_)
        if self._codes is not None:
            self.block_is_new = np.zeros(int(self._codes.max()) + 1, np.bool_)
            self.block_is_new[self._codes[self.is_new]] = True

    @property
    def block_counts(self) -> tuple[int, int]:
        """How many blocks each window has."""
        if self._codes is None:
            return self.rows
        new = int(self.block_is_new.sum())
        return len(self.block_is_new) - new, new

    def _blocks(self, time: str, group: str) -> tuple[str, NDArray[np.int64] | None]:
        if not time and not group:
            return "rows", None
        codes = []
        for window, frame in enumerate((self.old, self.new)):
            _require(frame, group or time)
            own = (
                frame[group].cast(pl.String).fill_null("").to_list()
                if group
                else _with_time(frame, time).tolist()
            )
            codes += [(window, one) for one in own]
        places: dict[tuple[int, object], int] = {}
        numbers = [places.setdefault(code, len(places)) for code in codes]
        return group or "days", np.array(numbers, dtype=np.int64)

    def tests_of(
        self, column: _Column, *, draws: int, rng: np.random.Generator
    ) -> list[ColumnTest]:
        """Return the tests of a column: its values, and whether they are missing."""
        return [
            self._tested(places, sizes, distance, draws=draws, rng=rng)
            for places, sizes, distance in column.questions
        ]

    def _tested(
        self, places: NDArray[np.int64], bins: int, distance: Distance, *,
        draws: int, rng: np.random.Generator,
    ) -> ColumnTest:  # fmt: skip
        wanted = places >= 0
        if self._codes is None:
            old, new = (
                np.bincount(places[wanted & (self.is_new == side)], minlength=bins)
                for side in (False, True)
            )
            return rows_test(old, new, distance, draws=draws, rng=rng)
        blocks = len(self.block_is_new)
        cells = self._codes[wanted] * bins + places[wanted]
        counts = np.bincount(cells, minlength=blocks * bins).reshape(blocks, bins)
        return blocks_test(counts, self.block_is_new, distance, draws=draws, rng=rng)


if TYPE_CHECKING:
    Distance = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    Question = tuple[NDArray[np.int64], int, Distance]


class _Column:
    """One column of both windows as places of bins; the last bin holds missing values."""

    def __init__(self, name: str, old: pl.Series, new: pl.Series) -> None:
        self.name = name
        is_number = old.dtype.is_numeric() and new.dtype.is_numeric()
        if is_number or (old.dtype == pl.Boolean and new.dtype == pl.Boolean):
            values = np.concatenate([numbers_of(old), numbers_of(new)])
            self.bins: FeatureBins = numeric_bins(name, values)
            is_missing = np.isnan(values)
            known = np.searchsorted(np.array(self.bins.edges), np.where(is_missing, 0.0, values))
            self.size = len(self.bins.edges) + 2
            distance: Distance = numeric_distance
        else:
            both = pl.concat([old.cast(pl.String), new.cast(pl.String)])
            self.bins = category_bins(name, level_counts_of(both))
            is_missing = both.is_null().to_numpy()
            order = {level: place for place, level in enumerate(self.bins.levels)}
            placed = both.replace_strict(order, default=len(order), return_dtype=pl.Int64)
            known = placed.fill_null(0).to_numpy()
            self.size = len(order) + 2
            distance = level_distance
        self.places = np.where(is_missing, self.size - 1, known).astype(np.int64)
        self.questions: list[Question] = []
        if not is_missing.all():
            self.questions.append((np.where(is_missing, -1, self.places), self.size - 1, distance))
        if is_missing.any():
            self.questions.append((is_missing.astype(np.int64), 2, level_distance))

    def counts(self, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the rows of one window over the bins."""
        return np.bincount(self.places[wanted], minlength=self.size)


def compared_windows(  # noqa: PLR0913 - two windows, their blocks, what to compare, the promise
    old: tuple[str, pl.DataFrame], new: tuple[str, pl.DataFrame], *,
    time: str = "", group: str = "", columns: Sequence[str] = (), without: Sequence[str] = (),
    alpha: float = 0.01, least: float = 0.0,
) -> WindowPair:  # fmt: skip
    """Return what differs between two windows beyond chance. Pure; the same rows, the same answer.

    Args:
        old: name and rows of the earlier window.
        new: name and rows of the later one.
        time: column of times: days are dealt as a whole, and it is not compared.
        group: column of entities, dealt as a whole.
        columns: those to compare; left out, all that both have.
        without: columns to leave out.
        alpha: how often at most a pair without a change is told to have one.
        least: a smaller population stability index is no drift, however sure it is.

    Raises:
        InvalidInputError: a window has too few rows, or a named column is missing.
    """
    pair = Pair(old[1], new[1], time=time, group=group)
    names, notes = _compared_columns(pair, columns, {time, group, *without})
    asked = [_Column(name, pair.old[name], pair.new[name]) for name in names]
    tests = sum(len(column.questions) for column in asked)
    draws = min(MOST_DRAWS, max(LEAST_DRAWS, math.ceil(DRAWS_A_TEST * tests / alpha)))
    base = WindowPair(
        old=old[0], new=new[0], state="not_run", rows=pair.rows, blocks=pair.unit,
        block_counts=pair.block_counts, alpha=alpha, columns=(), notes=tuple(notes),
    )  # fmt: skip
    if not asked:
        return _because(base, "the windows have no column in common that can be compared")
    if least_p_value(pair.block_counts) > alpha / tests:
        a, b = pair.block_counts
        return _because(
            base, f"{a} and {b} {pair.unit} are too few for {tests} tests at {alpha:g}: give "
            "longer windows, fewer --columns, or no --time where rows are independent",
        )  # fmt: skip
    rng = np.random.default_rng(0)
    found = [pair.tests_of(column, draws=draws, rng=rng) for column in asked]
    adjusted = iter(holm([test.p_value for one in found for test in one]))
    told = [
        _told(pair, column, [next(adjusted) for _ in tests], alpha=alpha, least=least)
        for column, tests in zip(asked, found, strict=True)
    ]
    ordered = sorted(told, key=lambda one: (one.state != "fail", -_size(one), one.column))
    state = "fail" if any(one.state == "fail" for one in told) else "pass"
    return msgspec.structs.replace(base, state=state, columns=tuple(ordered))


def _told(
    pair: Pair, column: _Column, p_values: list[float], *, alpha: float, least: float
) -> ColumnDrift:
    old, new = column.counts(~pair.is_new), column.counts(pair.is_new)
    bins = msgspec.structs.replace(column.bins, counts=tuple(old.tolist()))
    watched = Watched(features=(bins,), has_rules=False)
    day = DayCounts(day="", rows=int(new.sum()), counts=(new,))
    suspect = f"{column.name}.location" if isinstance(bins, NumericBins) else f"{column.name}="
    effects = effects_of(watched, [suspect], [day])
    sizes = effects[0].sizes if effects else ()
    p_value = min(p_values)
    is_large = not sizes or sizes[0].value >= least
    state: State = "fail" if p_value <= alpha and is_large else "pass"
    return ColumnDrift(
        column=column.name, state=state, p_value=p_value, sizes=sizes, what=_what(bins, old, new)
    )  # fmt: skip


def _what(bins: FeatureBins, old: NDArray[np.int64], new: NDArray[np.int64]) -> str:
    """Return the largest change of a level or of the missing share, or where the middle moved."""
    before, after = old / old.sum(), new / new.sum()
    parts = []
    if before[-1] != after[-1]:
        parts.append(f"missing {before[-1]:.1%} -> {after[-1]:.1%}")
    if isinstance(bins, NumericBins):
        if old[:-1].any() and new[:-1].any():
            medians = [_median(bins, counts) for counts in (old, new)]
            parts.insert(0, f"median {medians[0]:.6g} -> {medians[1]:.6g}")
        return ", ".join(parts)
    names = [*bins.levels, "(other)"]
    place = int(np.abs(after - before)[:-1].argmax())
    parts.insert(0, f"{names[place]} {before[place]:.1%} -> {after[place]:.1%}")
    return ", ".join(parts)


def _median(bins: NumericBins, counts: NDArray[np.int64]) -> float:
    known = np.cumsum(counts[:-1])
    place = int(np.searchsorted(known, known[-1] / 2.0))
    return bins.edges[min(place, len(bins.edges) - 1)]


def _compared_columns(
    pair: Pair, columns: Sequence[str], out: set[str]
) -> tuple[list[str], list[str]]:
    """Return which columns are compared, and notes on those that are not, though both have them."""
    for name in columns:
        _require(pair.old, name)
        _require(pair.new, name)
    notes = []
    for one, other, who in ((pair.old, pair.new, "new"), (pair.new, pair.old, "old")):
        missing = [name for name in one.columns if name not in other.columns and name not in out]
        if missing:
            notes.append(f"the {who} window has no {', '.join(missing)}")
    names = []
    for name in columns or [n for n in pair.old.columns if n in pair.new.columns]:
        why = "" if name in columns else _why_not(pair, name)
        if name in out:
            continue
        if why:
            notes.append(f"{name} is not compared: {why}")
        else:
            names.append(name)
    return names, notes


def _why_not(pair: Pair, name: str) -> str:
    old, new = pair.old[name], pair.new[name]
    if old.dtype.is_temporal() or new.dtype.is_temporal():
        return "times always move on (--time takes their days as blocks)"
    if old.dtype.is_nested() or new.dtype.is_nested():
        return "it is nested"
    if old.null_count() == old.len() and new.null_count() == new.len():
        return "it has no value"
    if old.dtype.is_float():
        return ""
    known = [column.drop_nulls() for column in (old, new)]
    if all(column.len() > MIN_ROWS and column.n_unique() == column.len() for column in known):
        return "each row has a value of its own, like a key"
    return ""


def _with_time(frame: pl.DataFrame, time: str) -> NDArray[np.int64]:
    """Return the days of a column of times, or of texts that begin with a date."""
    if frame.schema[time] != pl.String:
        return day_codes(frame, time)
    try:
        parsed = frame.select(pl.col(time).str.slice(0, 10).str.to_date())
    except pl.exceptions.PolarsError:
        raise InvalidInputError(
            f"the column {time!r} has texts that are no times",
            fix="write times like 2013-04-01T06:30:00Z",
        ) from None
    return day_codes(parsed, time)


def _require(frame: pl.DataFrame, name: str) -> None:
    if name not in frame.columns:
        near = closest(name, frame.columns)
        raise InvalidInputError(
            f"a window has no column {name!r}; it has {', '.join(frame.columns)}",
            fix=f"did you mean {near!r}?" if near else "name a column that both have",
        )


def _because(pair: WindowPair, why: str) -> WindowPair:
    return msgspec.structs.replace(pair, notes=(*pair.notes, why))


def _size(column: ColumnDrift) -> float:
    return column.sizes[0].value if column.sizes else 0.0
