"""Points of a sweep: from a grid, at random, or from anything that yields parameters."""

from __future__ import annotations

import itertools
import math
import random as random_numbers
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tidemill.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

Point = Mapping[str, object]
"""Parameters of one run of the pipeline; texts are read as on the command line."""

MOST_POINTS = 100_000
"""Points that a grid may have, or that may be drawn."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"(log:)?({_NUMBER})\.\.({_NUMBER})")


class Points(Protocol):
    """Where points come from: asked for the next one, told how each went."""

    def ask(self) -> Point | None:
        """Return the next point; None: there are no more."""
        ...

    def tell(self, point: Point, score: float | None) -> None:
        """Learn how a point went: larger is better, whatever the figure; None: it failed."""
        ...


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers from `low` to `high`, whole ones or not, evenly or evenly in their logarithm."""

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False

    def at(self, share: float) -> float | int:
        """Return the number at a share of the way, from 0 to under 1; whole ones are alike likely.

        >>> Range(low=1, high=4, is_whole=True).at(0.99)
        4
        """
        low, high = self.low, self.high + self.is_whole
        if self.is_log:
            found = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            found = low + share * (high - low)
        if self.is_whole:
            return min(max(math.floor(found), int(self.low)), int(self.high))
        return min(max(found, self.low), self.high)


class Listed:
    """Points that are known beforehand, or that an iterable yields; it learns nothing."""

    def __init__(self, points: Iterable[Point], count: int | None = None) -> None:
        """`count`: how many there are, where that is known; repeated ones count too."""
        self._points = iter(points)
        self.count = count

    def ask(self) -> Point | None:
        """Return the next one."""
        return next(self._points, None)

    def tell(self, point: Point, score: float | None) -> None:
        """Learn nothing."""


class Generated:
    """Points of a user's generator; `score = yield point` learns how the last point went."""

    def __init__(self, points: Generator[Point, float | None, object]) -> None:
        self._points = points
        self._is_begun = False
        self._score: float | None = None

    def ask(self) -> Point | None:
        """Go on with the generator, and return what it yields."""
        score, self._score = self._score, None
        try:
            point = self._points.send(score if self._is_begun else None)
        except StopIteration:
            return None
        self._is_begun = True
        return point

    def tell(self, point: Point, score: float | None) -> None:  # noqa: ARG002 - of the port
        """Keep the score for the `yield` that waits."""
        self._score = score


def points_of(
    points: object, grid: Sequence[str], ranges: Sequence[str], count: int, seed: int
) -> Points:
    """Return the points that were asked for: given ones, a grid, or drawn at random.

    Raises:
        UsageError: none or two of these, or one that cannot be read.
    """
    given = [points is not None, bool(grid), bool(ranges or count)]
    if sum(given) != 1:
        raise UsageError(
            "a sweep takes its points from one place" if any(given) else "a sweep needs points",
            fix="--grid trees=50,100 --grid depth=4,8, or --random 20 rate=log:0.001..0.3"
            " (in Python also points=...)",
        )
    if grid:
        return _grid(grid_of(grid))
    if points is None:
        return Listed(random_points(ranges_of(ranges), count, seed), count)
    return _given(points)


def _given(points: Any) -> Points:  # noqa: ANN401 - whatever the caller has
    if hasattr(points, "ask") and hasattr(points, "tell"):
        found: Points = points
        return found
    if isinstance(points, Mapping):
        return _grid({name: _values(name, given) for name, given in points.items()})
    if isinstance(points, Generator):
        return Generated(points)
    if isinstance(points, Iterable) and not isinstance(points, str | bytes):
        return Listed(points)
    raise UsageError(
        f"points are a {type(points).__name__}, which yields no parameters",
        fix='points={"trees": [50, 100]} is a grid; a list or generator of such dictionaries, or'
        " an object with ask() and tell(), gives them one by one",
    )


def _grid(grid: Mapping[str, Sequence[object]]) -> Listed:
    points = grid_points(grid)
    return Listed(points, len(points))


def _values(name: str, given: object) -> Sequence[object]:
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        values = list(given)
        if values:
            return values
    raise UsageError(
        f"{name} of the grid is {given!r}, not the values to try",
        fix=f'give a list: points={{"{name}": [1, 2]}}',
    )


def grid_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """Return the values of each parameter of a grid as it is typed.

    >>> grid_of(["trees=50,100", "depth=4"])
    {'trees': ['50', '100'], 'depth': ['4']}
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        name, values = _named(text, found, "--grid trees=50,100")
        found[name] = list(dict.fromkeys(part.strip() for part in values.split(",")))
    return found


def grid_points(grid: Mapping[str, Sequence[object]]) -> list[Point]:
    """Return every combination of the values of a grid; the last parameter changes fastest.

    Raises:
        UsageError: there are too many.
    """
    count = math.prod(len(values) for values in grid.values())
    _check_count(count)
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def ranges_of(texts: Sequence[str]) -> dict[str, Range | list[str]]:
    """Return where each parameter is drawn from: a range, or one of some values.

    >>> ranges_of(["rate=log:0.001..0.3", "depth=4,8"])["depth"]
    ['4', '8']
    """
    found: dict[str, Range | list[str]] = {}
    for text in texts:
        name, values = _named(text, found, "rate=log:0.001..0.3, depth=2..8 or kind=a,b")
        found[name] = range_of(name, values) if ".." in values else [
            part.strip() for part in values.split(",")
        ]  # fmt: skip
    return found


def range_of(name: str, text: str) -> Range:
    """Return a range as it is typed: `2..8` (whole), `0.1..0.5`, `log:0.001..0.3`.

    Raises:
        UsageError: it is none.
    """
    match = _RANGE.fullmatch(text.strip())
    low, high = (float(match[2]), float(match[3])) if match else (0.0, 0.0)
    if match is None or not low < high or (match[1] and low <= 0):
        raise UsageError(
            f"{name}={text} is no range",
            fix=f"write {name}=2..8, {name}=0.1..0.5, or above 0 {name}=log:0.001..0.3",
        )
    is_whole = match[2].lstrip("+-").isdigit() and match[3].lstrip("+-").isdigit()
    return Range(low=low, high=high, is_log=bool(match[1]), is_whole=is_whole)


def random_points(
    ranges: Mapping[str, Range | Sequence[object]], count: int, seed: int
) -> Iterator[Point]:
    """Yield points drawn at random: the same seed gives the same ones, whatever their number.

    Raises:
        UsageError: there is nothing to draw, or from nothing.
    """
    if not ranges or count < 1:
        raise UsageError(
            "points at random need a number and ranges",
            fix="--random 20 rate=log:0.001..0.3 depth=2..8",
        )
    _check_count(count)
    return _drawn(ranges, count, seed)


def _drawn(
    ranges: Mapping[str, Range | Sequence[object]], count: int, seed: int
) -> Iterator[Point]:
    # Only `random()` is promised to be the same in every version of Python.
    source = random_numbers.Random(seed)  # noqa: S311 - not for secrets
    for _ in range(count):
        yield {
            name: given.at(source.random())
            if isinstance(given, Range)
            else given[int(source.random() * len(given))]
            for name, given in ranges.items()
        }


def _named(text: str, found: Mapping[str, object], example: str) -> tuple[str, str]:
    name, equals, values = text.partition("=")
    plain = name.strip().lstrip("-").replace("-", "_")
    if not equals or not plain or not values.strip():
        raise UsageError(f"{text!r} names no values of a parameter", fix=f"write {example}")
    if plain in found:
        raise UsageError(
            f"{plain} is given twice", fix=f"give all its values together: {plain}=1,2,3"
        )
    return plain, values


def _check_count(count: int) -> None:
    if count > MOST_POINTS:
        raise UsageError(
            f"{count:,} points are more than {MOST_POINTS:,}",
            fix="draw some of them: --random 100 ...",
        )
