"""Counts of the levels of a text column that merge in any order, in bounded memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_LEVELS = 4096


class CategoryCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by level. `levels` are sorted; the counts of those that are kept are exact.

    Over 4,096 levels, those with the smallest digests stay: a sample of the levels that does not
    depend on the order of rows or merges, which also tells how many there are. Such a column is a
    key, not a category. Source: k minimum values (Beyer et al., SIGMOD 2007).
    """

    rows: int = 0
    nulls: int = 0
    levels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    is_complete: bool = True

    @property
    def other(self) -> int:
        """Rows whose level was not kept."""
        return self.rows - self.nulls - sum(self.counts)

    @property
    def distinct(self) -> float:
        """How many levels there are: exact while `is_complete`, else to about 1.6 %."""
        if self.is_complete:
            return float(len(self.levels))
        return (len(self.levels) - 1) * 2.0**64 / max(map(_place, self.levels))


def category_counts(counts: Mapping[str, int], *, nulls: int = 0) -> CategoryCounts:
    """Return the counts of one chunk from its rows per level, and its nulls."""
    return _fitted(counts.items(), rows=sum(counts.values()) + nulls, nulls=nulls, is_complete=True)


def merged_categories(left: CategoryCounts, right: CategoryCounts) -> CategoryCounts:
    """Return the counts of both parts together; the order of merging changes no bit."""
    totals: dict[str, int] = {}
    for part in (left, right):
        for level, count in zip(part.levels, part.counts, strict=True):
            totals[level] = totals.get(level, 0) + count
    return _fitted(
        totals.items(),
        rows=left.rows + right.rows,
        nulls=left.nulls + right.nulls,
        is_complete=left.is_complete and right.is_complete,
    )


def top_levels(counts: CategoryCounts, limit: int = 24) -> tuple[str, ...]:
    """Return the most frequent kept levels, ties by name."""
    ranked = sorted(zip(counts.counts, counts.levels, strict=True), key=lambda p: (-p[0], p[1]))
    return tuple(level for _, level in ranked[:limit])


def _fitted(
    items: Iterable[tuple[str, int]], *, rows: int, nulls: int, is_complete: bool
) -> CategoryCounts:
    kept = sorted(items)
    if len(kept) > MAX_LEVELS:
        smallest = sorted(kept, key=lambda item: _place(item[0]))[:MAX_LEVELS]
        kept, is_complete = sorted(smallest), False
    return CategoryCounts(
        rows=rows,
        nulls=nulls,
        levels=tuple(level for level, _ in kept),
        counts=tuple(count for _, count in kept),
        is_complete=is_complete,
    )


def _place(level: str) -> int:
    return int.from_bytes(hashlib.blake2b(level.encode(), digest_size=8).digest()) + 1
