"""What was known when: point-in-time answers over the history of one feature group.

A row has an event time, an arrival time (when serving could see it) and a sequence number; it is
known from `av = max(event, arrival)` on. At a time t the newest value is that of the greatest
(event, arrival, seq) among rows with av <= t, and a window of a width holds the rows with av <= t
and event in (t - width, t]. Training and serving ask this one kernel, so their answers are equal.

Two observations make it fast. Rows that do not beat every earlier one in the order of av are never
the newest, and what remains grows in both times: one bisection answers. And a row is in the window
for t in [av, event + width), so a count is a difference of two ranks, a sum one of two prefix sums.

Source: the as-of join of temporal databases (Snodgrass, Developing Time-Oriented Database
Applications in SQL, 1999, ch. 8: valid time and transaction time); prefix sums for ranges (Ho,
Agrawal, Megiddo, Srikant, Range Queries in OLAP Data Cubes, SIGMOD 1997).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.segments import Segments
from tidemill.kernels.windows import Window

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

TIME_LIMIT_US = 2**61
"""Times and widths lie strictly within this many microseconds of 1970 (some 73,000 years)."""


class Timeline:
    """The history of one feature group, sorted by entity and time. Build it with `build`.

    Answers are row numbers as the caller counted them when building, or figures over such rows.

    >>> history = Timeline.build([7, 7], event_us=[10, 20], arrival_us=[10, 35])
    >>> history.latest([7, 7, 8], [30, 40, 40]).tolist()
    [0, 1, -1]
    >>> history.window(width_us=25).counts([7, 7], [30, 40]).tolist()
    [1, 1]
    """

    def __init__(
        self,
        columns: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
        entities: NDArray[np.int64],
        seq: NDArray[np.int64],
    ) -> None:
        codes, self._event, arrival = columns
        self._entities = entities
        self._av = np.maximum(self._event, arrival)
        by_value = np.lexsort((seq, arrival, self._event, codes))
        rank = np.empty(len(codes), dtype=np.int64)
        rank[by_value] = np.arange(len(codes), dtype=np.int64)
        by_av = np.lexsort((rank, self._av, codes))
        # Ranks grow with the entity, so one running maximum serves all entities at once.
        ranks = rank[by_av]
        newest = by_av[ranks == np.maximum.accumulate(ranks)] if len(ranks) else by_av
        self._by_av, self._by_event, self._newest = by_av, by_value, newest
        self._codes = codes
        self._newest_av = Segments(codes[newest], self._av[newest], len(entities))
        self._rows_of = Segments(codes[by_value], self._event[by_value], len(entities))

    @classmethod
    def build(
        cls,
        entity_codes: ArrayLike,
        event_us: ArrayLike,
        arrival_us: ArrayLike,
        seq: ArrayLike | None = None,
    ) -> Timeline:
        """Return the timeline of a history, in O(n log n).

        Args:
            entity_codes: any int64 numbers of entities, shape (rows,).
            event_us: when it happened, microseconds since 1970 UTC, shape (rows,).
            arrival_us: when serving could see it, microseconds since 1970 UTC, shape (rows,).
            seq: breaks ties of both times, the greater wins; default: the later row wins.

        Raises:
            InvalidInputError: lengths differ, or a time is out of range.
        """
        codes = _whole("entity_codes", entity_codes)
        event, arrival = _times("event_us", event_us), _times("arrival_us", arrival_us)
        order = np.arange(len(codes), dtype=np.int64) if seq is None else _whole("seq", seq)
        _check_lengths(entity_codes=codes, event_us=event, arrival_us=arrival, seq=order)
        entities, dense = np.unique(codes, return_inverse=True)
        return cls((dense.astype(np.int64, copy=False), event, arrival), entities, order)

    @property
    def rows(self) -> int:
        """Rows of the history."""
        return len(self._codes)

    def latest(
        self, entity_codes: ArrayLike, at_us: ArrayLike, ttl_us: int | None = None
    ) -> NDArray[np.int64]:
        """Return the newest row known at each time, -1 where there is none. O(q log n).

        With `ttl_us` a newest row whose event is not in (at - ttl, at] gives -1.

        Args:
            entity_codes: entities asked for, known or not, shape (queries,).
            at_us: times asked for, microseconds since 1970 UTC, shape (queries,).
            ttl_us: how long a value holds after its event, microseconds.

        Raises:
            InvalidInputError: lengths differ, or a time is out of range.
        """
        codes, at = self._queries(entity_codes, at_us)
        known = self._newest_av.counts_at_most(codes, at)
        rows = np.full(len(at), -1, dtype=np.int64)
        is_found = known > 0
        places = self._newest_av.starts(codes[is_found]) + known[is_found] - 1
        rows[is_found] = self._newest[places]
        if ttl_us is not None:
            is_found[is_found] = self._event[rows[is_found]] > at[is_found] - _width(ttl_us)
            rows[~is_found] = -1
        return rows

    def window(self, width_us: int) -> Window:
        """Return the sliding window of this width, in O(n); ask it for counts and sums.

        Raises:
            InvalidInputError: the width is not positive, or out of range.
        """
        width = _width(width_us)
        counts = self._av < self._event + width
        return Window(
            query=self._queries,
            width_us=width,
            arrivals=self._ordered(self._by_av, self._av, counts),
            expiries=self._ordered(self._by_event, self._event, counts),
            rows=self.rows,
        )

    def rows_in_window(self, entity_code: int, at_us: int, width_us: int) -> NDArray[np.int64]:
        """Return the rows of one window, oldest (event, arrival, seq) first. O(log n + answer).

        Raises:
            InvalidInputError: the time or the width is out of range.
        """
        codes, at = self._queries([entity_code], [at_us])
        edges = self._rows_of.counts_at_most(
            np.repeat(codes, 2), np.array([at[0] - _width(width_us), at[0]])
        )
        start = self._rows_of.starts(codes)[0] if codes[0] >= 0 else 0
        rows: NDArray[np.int64] = self._by_event[start + edges[0] : start + edges[1]]
        is_known = self._av[rows] <= at[0]
        return np.compress(is_known, rows)

    def _ordered(
        self, order: NDArray[np.int64], times: NDArray[np.int64], counts: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], Segments]:
        rows = order[counts[order]]
        return rows, Segments(self._codes[rows], times[rows], len(self._entities))

    def _queries(
        self, entity_codes: ArrayLike, at_us: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        asked, at = _whole("entity_codes", entity_codes), _times("at_us", at_us)
        _check_lengths(entity_codes=asked, at_us=at)
        if not len(self._entities):
            return np.full(len(asked), -1, dtype=np.int64), at
        places = np.searchsorted(self._entities, asked)
        places = np.minimum(places, len(self._entities) - 1)
        return np.where(self._entities[places] == asked, places, -1), at


def _whole(name: str, values: ArrayLike) -> NDArray[np.int64]:
    given = np.asarray(values)
    if not given.size:
        given = given.astype(np.int64)
    if given.ndim != 1 or not np.can_cast(given.dtype, np.int64):
        raise InvalidInputError(
            f"{name} is {given.ndim}-dimensional of type {given.dtype}",
            fix="give one whole number a row (int64)",
        )
    return given.astype(np.int64, copy=False)


def _times(name: str, values: ArrayLike) -> NDArray[np.int64]:
    times = _whole(name, values)
    if times.size and max(-int(times.min()), int(times.max())) >= TIME_LIMIT_US:
        raise InvalidInputError(
            f"{name} holds a time beyond the range of {TIME_LIMIT_US} microseconds around 1970",
            fix="give times in microseconds, and drop rows without a time",
        )
    return times


def _width(width_us: int) -> int:
    if not 0 < width_us < TIME_LIMIT_US:
        raise InvalidInputError(
            f"a window of {width_us} microseconds is not possible",
            fix="give a positive length of time, such as 30d",
        )
    return width_us


def _check_lengths(**columns: NDArray[np.int64]) -> None:
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise InvalidInputError(f"the rows differ: {lengths}", fix="give one value a row to each")
