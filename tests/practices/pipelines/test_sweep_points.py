"""Points of a sweep: grids, random ones, generators, and what they refuse."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.errors import UsageError
from tidemill.practices.pipelines.sweep_points import (
    Range,
    grid_of,
    grid_points,
    points_of,
    random_points,
    range_of,
    ranges_of,
)

names = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
grids = st.dictionaries(
    names, st.lists(st.integers(), min_size=1, max_size=4, unique=True), min_size=1, max_size=4
)


def asked(points) -> list:
    found = []
    while (point := points.ask()) is not None:
        found.append(point)
        points.tell(point, 0.0)
    return found


@given(grids)
def test_a_grid_has_every_combination_once(grid) -> None:
    points = grid_points(grid)
    assert len(points) == math.prod(map(len, grid.values()))
    assert len({tuple(point.items()) for point in points}) == len(points)
    for point in points:
        assert list(point) == list(grid)
        assert all(point[name] in values for name, values in grid.items())


@given(grids)
def test_a_grid_as_it_is_typed_is_the_grid_of_texts(grid) -> None:
    typed = [f"{name}={','.join(map(str, values))}" for name, values in grid.items()]
    assert grid_of(typed) == {name: list(map(str, values)) for name, values in grid.items()}


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 30))
def test_the_same_seed_draws_the_same_points_however_many(seed, few, more) -> None:
    ranges = ranges_of(["rate=log:0.001..0.3", "depth=2..8", "kind=a,b", "share=0.1..0.9"])
    some = list(random_points(ranges, few, seed))
    many = list(random_points(ranges, few + more, seed))
    assert many[:few] == some
    for point in many:
        assert 0.001 <= point["rate"] <= 0.3
        assert 2 <= point["depth"] <= 8
        assert isinstance(point["depth"], int)
        assert point["kind"] in {"a", "b"}
        assert 0.1 <= point["share"] <= 0.9


@given(
    st.integers(1, 1000), st.integers(1, 1000), st.booleans(),
    st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_a_whole_range_reaches_its_ends_and_nothing_beyond(low, width, is_log, share) -> None:
    drawn = Range(low=low, high=low + width, is_log=is_log, is_whole=True)
    assert drawn.at(0.0) == low
    assert drawn.at(math.nextafter(1.0, 0.0)) == low + width
    assert low <= drawn.at(share) <= low + width


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "needs points"),
        ({"grid": ["a=1"], "ranges": ["a=1..2"], "count": 3}, "from one place"),
        ({"grid": ["a"]}, "names no values"),
        ({"grid": ["a=1", "a=2"]}, "given twice"),
        ({"ranges": ["a=1..2"]}, "need a number"),
        ({"count": 3}, "need a number"),
        ({"ranges": ["a=5..2"], "count": 3}, "is no range"),
        ({"ranges": ["a=log:0..2"], "count": 3}, "is no range"),
        ({"points": "abc"}, "yields no parameters"),
        ({"points": {"a": 3}}, "not the values to try"),
        ({"grid": [f"{name}={','.join(map(str, range(100)))}" for name in "abc"]}, "more than"),
    ],
)
def test_points_that_cannot_be_read_are_refused_with_an_example(given, told) -> None:
    wish = {"points": None, "grid": (), "ranges": (), "count": 0, "seed": 0} | given
    with pytest.raises(UsageError, match=told):
        points_of(**wish)


def test_a_generator_learns_how_its_last_point_went() -> None:
    heard = []

    def climbing():
        for depth in (1, 2, 3):
            score = yield {"depth": depth}
            heard.append(score)

    points = points_of(climbing(), (), (), 0, 0)
    while (point := points.ask()) is not None:
        points.tell(point, point["depth"] / 10)
    assert heard == [0.1, 0.2, 0.3]


def test_a_dictionary_of_lists_is_a_grid_and_a_list_gives_points_one_by_one() -> None:
    grid = points_of({"a": [1, 2], "b": (3,)}, (), (), 0, 0)
    assert asked(grid) == [{"a": 1, "b": 3}, {"a": 2, "b": 3}]
    assert asked(points_of([{"a": 1}, {"b": 2}], (), (), 0, 0)) == [{"a": 1}, {"b": 2}]


def test_ranges_of_whole_numbers_draw_whole_numbers() -> None:
    assert range_of("a", "2..8").is_whole
    assert not range_of("a", "2.0..8").is_whole
    assert range_of("a", "log:1e-3..1").is_log
