"""Rows that a caller brought and that could not be taken: how many, why, the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    Reason = tuple[str, pl.Series, pl.Series | None]
    """In words, the rows that it holds for, and what stands there, to be shown."""

_FIRST = 3


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """Rows left out for one reason. `first` are some of them: number from 1, key, what is there."""

    why: str
    rows: int
    first: tuple[str, ...]

    def __str__(self) -> str:
        more = ", ..." if self.rows > len(self.first) else ""
        what = "row was" if self.rows == 1 else "rows were"
        return f"{self.rows:,} {what} left out: {self.why} ({', '.join(self.first)}{more})"

    __repr__ = __str__


def left_out(reasons: Sequence[Reason], keys: pl.Series) -> tuple[pl.Series, tuple[LeftOut, ...]]:
    """Return which rows can be taken, and why each other one cannot: the first reason counts.

    Args:
        reasons: in the order in which they count.
        keys: the key of each row, as text.
    """
    taken = keys.is_null() | keys.is_not_null()
    found: list[LeftOut] = []
    for why, holds, shown in reasons:
        wanted = taken & holds
        places = wanted.arg_true().to_list()
        taken = taken & ~wanted
        if places:
            first = tuple(
                _named(place, keys, None if shown is None else shown[place])
                for place in places[:_FIRST]
            )
            found.append(LeftOut(why=why, rows=len(places), first=first))
    return taken, tuple(found)


def told_rest(repeated: int, left: Sequence[LeftOut]) -> list[str]:
    """Return the lines on the rows that were not added."""
    were = "was" if repeated == 1 else "were"
    lines = [f"  {repeated:,} {were} there already"] if repeated else []
    return [*lines, *(f"  {one}" for one in left)]


def require_some(rows: int, left: Sequence[LeftOut], what: str) -> None:
    """Raise InvalidInputError where every row was left out; it says why."""
    if left and rows == sum(one.rows for one in left):
        raise InvalidInputError(
            f"none of the {counted(rows, what)} could be taken\n"
            + "\n".join(f"  {one}" for one in left),
            fix="correct these rows, or name other columns",
        )


def _named(place: int, keys: pl.Series, shown: object) -> str:
    key = "" if keys[place] is None else f" {keys[place]!r}"
    value = "" if shown is None else f": {shown!r}"
    return f"row {place + 1:,}{key}{value}"
