"""What the online store answered, and as known when: an empty value alone does not tell why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tidemill.core.text import counted, table
from tidemill.core.times import spelled_time


class ViewState(msgspec.Struct, frozen=True, kw_only=True):
    """How one view answered: as known when, and of how many of the asked rows it knows nothing.

    `unknown`: rows whose entity the store does not have. `too_old`: rows whose entity it has, but
    nothing of it that still counts at the asked time.
    """

    view: str
    known_at: datetime | None
    asked: int
    unknown: int
    too_old: int
    missing_since: datetime | None = None
    """Where values were asked for later than this: rows since then are not in the store."""

    def __str__(self) -> str:
        known = (
            spelled_time(self.known_at) if self.known_at else "not recorded, materialize it again"
        )
        lines = [f"{self.view}, as known at {known}"]
        if self.unknown:
            lines.append(f"note: {self.view} knows no such entity{self._share(self.unknown)}")
        if self.too_old:
            lines.append(
                f"note: {self.view} has nothing of this entity that counts at the asked time: all "
                f"is too old, or comes later{self._share(self.too_old)}"
            )
        if self.missing_since is not None:
            lines.append(
                f"note: asked about a later time, but rows since {known} are not in the store:\n"
                f"  tidemill view materialize {self.view}, or tidemill view push {self.view} FILE"
            )
        return "\n".join(lines)

    __repr__ = __str__

    def _share(self, count: int) -> str:
        return "" if self.asked == 1 else f" ({count:,} of {counted(self.asked, 'asked row')})"


class Vectors(msgspec.Struct, frozen=True, kw_only=True):
    """Features of asked rows: `frame` is a Polars frame of one row each, one column a feature.

    `sources` say of each view as of when the store knows it, and how many rows it cannot answer.
    """

    frame: Any
    sources: tuple[ViewState, ...] = ()

    def __repr__(self) -> str:
        return "\n".join([repr(self.frame), *(str(one) for one in self.sources)])


class FeatureAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The features of one entity at one time, by name, and as known when."""

    at: datetime
    values: dict[str, float | int | bool | str | None]
    sources: tuple[ViewState, ...] = ()

    def __str__(self) -> str:
        shown = table(["feature", "value"], [[k, _plain(v)] for k, v in self.values.items()])
        return "\n".join([shown, *(str(one) for one in self.sources)])

    __repr__ = __str__


def _plain(value: object) -> object:
    """Return a value of the data as it is shown: a year has no comma."""
    return str(value) if type(value) is int else value
