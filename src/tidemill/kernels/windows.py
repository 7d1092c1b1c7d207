"""Exact counts and sums over a sliding window of a timeline, as known at each time asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

    from tidemill.kernels.segments import Segments

    Ordered = tuple[NDArray[np.int64], Segments]
    """Rows in the order of a time, and that time by entity."""

_LOW_WORD = 2**32 - 1


class Ticks(msgspec.Struct, frozen=True, kw_only=True):
    """A column to be summed: whole ticks, so that sums are exact and free of their order.

    `values` has shape (rows,), int64; `is_valid` tells which are not null, None: all of them.
    """

    values: NDArray[np.int64]
    is_valid: NDArray[np.bool_] | None = None


class WindowSums(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of each window: of every tick column its sum and how many values were not null.

    All have shape (queries,). A mean is sum / non_null where that is not 0.
    """

    rows: NDArray[np.int64]
    sums: tuple[NDArray[np.int64], ...]
    non_null: tuple[NDArray[np.int64], ...]


class Window:
    """A sliding window of one width over a timeline. Made by `Timeline.window`."""

    def __init__(
        self,
        *,
        query: Callable[[ArrayLike, ArrayLike], tuple[NDArray[np.int64], NDArray[np.int64]]],
        width_us: int,
        arrivals: Ordered,
        expiries: Ordered,
        rows: int,
    ) -> None:
        self._query, self._width, self._rows = query, width_us, rows
        self._arrivals, self._expiries = arrivals, expiries

    def counts(self, entity_codes: ArrayLike, at_us: ArrayLike) -> NDArray[np.int64]:
        """Return the rows in each query's window, shape (queries,). O(q log n).

        Raises:
            InvalidInputError: lengths differ, or a time is out of range.
        """
        codes, at = self._query(entity_codes, at_us)
        arrived = self._arrivals[1].counts_at_most(codes, at)
        return arrived - self._expiries[1].counts_at_most(codes, at - self._width)

    def sums(self, entity_codes: ArrayLike, at_us: ArrayLike, ticks: Sequence[Ticks]) -> WindowSums:
        """Return count, sums and non-null counts of each query's window. O(columns * n + q log n).

        Raises:
            InvalidInputError: lengths differ, a time is out of range, or a sum exceeds 64 bits.
        """
        codes, at = self._query(entity_codes, at_us)
        arrived = self._arrivals[1].counts_at_most(codes, at)
        expired = self._expiries[1].counts_at_most(codes, at - self._width)
        rows = arrived - expired
        spans = (
            _Spans(self._arrivals, codes, arrived),
            _Spans(self._expiries, codes, expired),
        )
        most = int(rows.max(initial=0))
        columns = [self._column(column) for column in ticks]
        return WindowSums(
            rows=rows,
            sums=tuple(_exact_sums(spans, values, most) for values, _ in columns),
            non_null=tuple(
                rows if valid is None else _difference(spans, valid) for _, valid in columns
            ),
        )

    def _column(self, ticks: Ticks) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        for column in (ticks.values, ticks.is_valid):
            if column is not None and column.shape != (self._rows,):
                raise InvalidInputError(
                    f"a tick column has shape {column.shape}, the history {self._rows} rows",
                    fix="give one value a row of the history",
                )
        if ticks.values.dtype != np.int64:
            raise InvalidInputError(
                f"ticks are {ticks.values.dtype}, but sums are exact over int64 only",
                fix="convert the column to whole ticks first",
            )
        if ticks.is_valid is None:
            return ticks.values, None
        return np.where(ticks.is_valid, ticks.values, 0), ticks.is_valid.astype(np.int64)


class _Spans:
    """For each query, the first so many rows of its entity in one order, to be summed."""

    def __init__(
        self, ordered: Ordered, codes: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> None:
        self._order = ordered[0]
        self._starts = np.where(codes >= 0, ordered[1].starts(codes), 0)
        self._ends = self._starts + counts

    def sums(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each query's sum modulo 2**64: prefix sums may wrap, their difference is right."""
        prefix = np.zeros(len(self._order) + 1, dtype=np.int64)
        np.cumsum(values[self._order], out=prefix[1:])
        return prefix[self._ends] - prefix[self._starts]


def _difference(spans: tuple[_Spans, _Spans], values: NDArray[np.int64]) -> NDArray[np.int64]:
    return spans[0].sums(values) - spans[1].sums(values)


def _exact_sums(
    spans: tuple[_Spans, _Spans], values: NDArray[np.int64], most_rows: int
) -> NDArray[np.int64]:
    sums = _difference(spans, values)
    largest = max(-int(values.min(initial=0)), int(values.max(initial=0)))
    if largest * most_rows >= 2**63:
        # Rare: prove with two half words, whose own sums cannot overflow.
        low = _difference(spans, values & _LOW_WORD)
        high = _difference(spans, values >> 32) + (low >> 32)
        if ((high < -(2**31)) | (high >= 2**31)).any():
            raise InvalidInputError(
                f"the sum of a window exceeds 64 bits (largest value {largest} ticks)",
                fix="use a coarser tick for this column (fewer decimals)",
            )
    return sums
