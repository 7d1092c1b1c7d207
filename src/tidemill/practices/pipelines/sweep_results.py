"""Results of a sweep: its points by rank, the best one, and what the best of many is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tidemill.core.run import RunId, Scalar
from tidemill.core.text import counted, folded, spell, table

Direction = Literal["higher", "lower"]

LISTED = 40
"""Points that are drawn; the value holds all."""


class SweepPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One point. `number` counts from 1 as they were asked for; `rank` 0: it told no figure."""

    number: int
    params: Mapping[str, Scalar]
    rank: int = 0
    figure: float | None = None
    low: float | None = None
    high: float | None = None
    """Its interval, where the report of the model has one."""
    run: RunId | None = None
    versions: tuple[str, ...] = ()
    """What it registered, as pointers."""
    held_out: float | None = None
    error: str = ""


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline over many points, best first, those without a figure last."""

    pipeline: str
    by: str
    better: Direction
    points: tuple[SweepPoint, ...]
    held_out: str = ""
    """The figure of rows that chose nothing, where there is one."""
    run: RunId | None = None
    reused: int = 0
    """Points that were known already: nothing was computed for them."""
    seconds: float = 0.0

    @property
    def best(self) -> SweepPoint | None:
        """The point with the best figure; of equal ones the first."""
        return self.points[0] if self.points and self.points[0].rank == 1 else None

    @property
    def ranked(self) -> int:
        """How many points told a figure."""
        return sum(point.rank > 0 for point in self.points)

    def __str__(self) -> str:
        return "\n\n".join([self._head(), self._table(), *self._told()])

    __repr__ = __str__

    def _head(self) -> str:
        name = f" run:{self.run[-8:]}" if self.run else ""
        failed = len(self.points) - self.ranked
        parts = [f"{self.reused} known already"] if self.reused else []
        parts += [f"{failed} without a figure"] if failed else []
        more = f" ({', '.join(parts)})" if parts else ""
        took = f" in {self.seconds:.1f} s" if self.run else ""
        points = counted(len(self.points), "point")
        return f"sweep {self.pipeline}{name}: {points}{took}{more}, by {self.by}, {self.better} is better"  # noqa: E501

    def _table(self) -> str:
        names = list(dict.fromkeys(name for point in self.points for name in point.params))
        has_interval = any(point.low is not None for point in self.points)
        head = [
            "rank",
            *names,
            self.by,
            *(["95 % interval"] if has_interval else []),
            "run",
            "made",
        ]
        rows = [
            [
                point.rank or None, *(point.params.get(name) for name in names), point.figure,
                *([_interval(point)] if has_interval else []),
                f"run:{point.run[-8:]}" if point.run else "",
                point.error.partition("\n")[0] or ", ".join(point.versions),
            ]
            for point in self.points[:LISTED]
        ]  # fmt: skip
        if not any(row[-1] for row in rows):
            head, rows = head[:-1], [row[:-1] for row in rows]
        left = len(self.points) - LISTED
        more = f"\n… and {left:,} more (--json has all)" if left > 0 else ""
        return table(head, rows) + more

    def _told(self) -> list[str]:
        best = self.best
        if best is None:
            return [f"no point told {self.by}"]
        params = " ".join(f"{name}={_plain(value)}" for name, value in best.params.items())
        made = ", ".join(best.versions) or (f"run:{best.run[-8:]}" if best.run else "")
        lines = [f"best: {params}, {self.by} {spell(best.figure)} ({made})"]
        if self.ranked > 1:
            lines.append(_caveat(self.ranked, self.by, self.held_out, best.held_out))
        return [folded("\n".join(lines))]


class SweepChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is different in another sweep of a pipeline: how it was judged, and its best point."""

    before: Sweep
    after: Sweep

    def __str__(self) -> str:
        pairs = [(name, _told(self.before, name), _told(self.after, name)) for name in _SAID]
        rows = [[name, old, new] for name, old, new in pairs if old != new]
        return table(["what", "before", "after"], rows) if rows else "nothing that ranks them"

    __repr__ = __str__


_SAID = ("by", "points", "without a figure", "best", "figure", "made")


def _told(sweep: Sweep, name: str) -> str:
    best = sweep.best
    params = [f"{key}={_plain(one)}" for key, one in best.params.items()] if best else []
    said = {
        "by": f"{sweep.by}, {sweep.better} is better", "points": str(len(sweep.points)),
        "without a figure": str(len(sweep.points) - sweep.ranked),
        "best": " ".join(params),
        "figure": spell(best.figure) if best else "",
        "made": ", ".join(best.versions) if best else "",
    }  # fmt: skip
    return said[name]


def _caveat(points: int, by: str, held_out: str, figure: float | None) -> str:
    said = f"note: the best of {points:,} points looks better than it is, since {by} chose it"
    if figure is not None:
        return f"{said}; on rows that chose nothing, {held_out} is {spell(figure)}"
    return (
        f"{said}; judge it on rows that chose nothing: a figure test_{by} of the pipeline, or"
        " --held-out FIGURE, is told here"
    )


def _interval(point: SweepPoint) -> str:
    if point.low is None or point.high is None:
        return ""
    return f"{point.low:z.4g} to {point.high:z.4g}"


def _plain(value: Scalar) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def ranked(points: list[SweepPoint], better: Direction) -> tuple[SweepPoint, ...]:
    """Return points with their ranks, best first; equal figures keep the order of asking."""
    sign = -1.0 if better == "higher" else 1.0
    told = sorted(
        (point for point in points if point.figure is not None),
        key=lambda point: (sign * (point.figure or 0.0), point.number),
    )
    placed = [msgspec.structs.replace(point, rank=at) for at, point in enumerate(told, start=1)]
    rest = sorted((p for p in points if p.figure is None), key=lambda point: point.number)
    return (*placed, *rest)
