"""A difference names every changed row and cell, and is empty exactly where digests are equal."""

import struct
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.table_diff import ChangedCell, ChangedCells, Retyped, table_diff
from tidemill.kernels.table_digest import table_digest

NAN = float("nan")
FLOATS = st.sampled_from([None, 0.0, -0.0, NAN, 1.5])
SCHEMA = {
    "k": pl.Float64(),
    "text": pl.String(),
    "list": pl.List(pl.Float64()),
    "fields": pl.Struct({"x": pl.Float32(), "n": pl.Null()}),
    "pair": pl.Array(pl.Float64(), 2),
}
VALUES = st.tuples(
    st.sampled_from([None, "", "a"]),
    st.one_of(st.none(), st.lists(FLOATS, max_size=2)),
    st.one_of(st.none(), FLOATS.map(lambda x: {"x": x, "n": None})),
    st.one_of(st.none(), st.lists(FLOATS, min_size=2, max_size=2)),
)
ROWS = st.tuples(FLOATS, VALUES).map(lambda row: (row[0], *row[1]))


def _table(rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _meaning(value):
    """A value as bytes and tuples that Python compares as td1 does."""
    if isinstance(value, float):
        return "NaN" if value != value else struct.pack("<d", value)  # noqa: PLR0124 - is NaN
    if isinstance(value, dict):
        return tuple(_meaning(item) for item in value.values())
    if isinstance(value, list | tuple):
        return tuple(_meaning(item) for item in value)
    return value


@given(st.lists(ROWS, max_size=6), st.lists(ROWS, max_size=6), st.data())
@settings(max_examples=200, deadline=None)
def test_without_keys_rows_are_counted_as_a_multiset(one, two, data) -> None:
    two = data.draw(st.sampled_from([two, one, one[::-1], one + two, two + one]))
    old, new = _table(one), _table(two)
    diff = table_diff(old, new.lazy())
    before, after = Counter(map(_meaning, one)), Counter(map(_meaning, two))
    assert (diff.added, diff.removed) == ((after - before).total(), (before - after).total())
    assert diff.is_empty == (table_digest(old) == table_digest(new))
    same_rows = before == after
    assert diff.is_reordered == (same_rows and [*map(_meaning, one)] != [*map(_meaning, two)])
    assert len(diff.added_examples) == diff.added
    assert len(diff.removed_examples) == diff.removed


BY_KEY = st.dictionaries(FLOATS.map(_meaning), VALUES, max_size=5)


def _rows_of(by_key):
    keys = {_meaning(k): k for k in (None, 0.0, -0.0, NAN, 1.5)}
    return [(keys[key], *values) for key, values in by_key.items()]


@given(BY_KEY, BY_KEY, st.data())
@settings(max_examples=200, deadline=None)
def test_with_keys_every_cell_is_compared_by_exact_value(one, two, data) -> None:
    two = data.draw(st.sampled_from([two, one, one | two, dict(reversed(one.items()))]))
    old, new = _table(_rows_of(one)), _table(_rows_of(two))
    diff = table_diff(old, new, ["k"])
    both = [key for key in one if key in two]
    cells = Counter(
        name
        for key in both
        for name, a, b in zip(list(SCHEMA)[1:], one[key], two[key], strict=True)
        if _meaning(a) != _meaning(b)
    )
    changed = [key for key in both if _meaning(one[key]) != _meaning(two[key])]
    assert (diff.added, diff.removed) == (len(two.keys() - one), len(one.keys() - two))
    assert diff.changed == len(changed) == len(diff.changed_examples)
    assert {column.name: column.cells for column in diff.columns} == cells
    assert diff.is_reordered == (both != [key for key in two if key in one])
    assert diff.is_empty == (table_digest(old) == table_digest(new))


def test_a_difference_shows_the_first_rows_of_each_kind() -> None:
    old = pl.DataFrame({"id": [1, 2, 3, 4], "v": [0.0, 1.0, None, 9.0], "w": ["a", "b", "c", "d"]})
    new = pl.DataFrame({"id": [5, 1, 2, 3], "v": [5.0, -0.0, 1.0, NAN], "w": ["e", "a", "B", "C"]})
    diff = table_diff(old, new, ["id"], examples=2)
    assert (diff.old_rows, diff.new_rows) == (4, 4)
    assert (diff.added, diff.removed, diff.changed) == (1, 1, 3)
    assert diff.added_examples == ((5, 5.0, "e"),)
    assert diff.removed_examples == ((4, 9.0, "d"),)
    assert diff.columns == (ChangedCells(name="v", cells=2), ChangedCells(name="w", cells=2))
    assert [row.key for row in diff.changed_examples] == [(1,), (2,)]
    assert diff.changed_examples[1].cells == (ChangedCell(name="w", old="b", new="B"),)
    assert "-0.0" in str(diff.changed_examples[0])
    assert msgspec.json.decode(msgspec.json.encode(diff), type=type(diff)) == diff


def test_schema_differences_are_named_and_rows_compared_over_what_is_common() -> None:
    old = pl.DataFrame({"id": [1], "a": [1], "b": [2], "gone": [3]})
    new = pl.DataFrame({"id": [1], "b": [2.0], "a": [1], "new": ["x"]})
    for diff in (table_diff(old, new, ["id"]), table_diff(old, new)):
        assert diff.schema.added == (("new", "utf8"),)
        assert diff.schema.removed == (("gone", "int64"),)
        assert diff.schema.retyped == (Retyped(name="b", old="int64", new="double"),)
        assert diff.schema.is_reordered
        assert not diff.is_empty
        assert (diff.added, diff.removed, diff.changed) == (0, 0, 0)


def test_columns_in_another_order_are_a_difference() -> None:
    frame = pl.DataFrame({"a": [1], "b": [2]})
    assert not table_diff(frame, frame.select("b", "a")).is_empty


def test_a_key_of_another_type_matches_no_row() -> None:
    diff = table_diff(pl.DataFrame({"id": [1, 2]}), pl.DataFrame({"id": ["1"]}), ["id"])
    assert (diff.added, diff.removed, diff.is_empty) == (1, 2, False)


@pytest.mark.parametrize(
    "dtype", [pl.Datetime("ns"), pl.Datetime("ms"), pl.List(pl.Datetime("ns"))]
)
def test_how_a_value_is_stored_is_no_difference(dtype) -> None:
    micro = pl.List(pl.Datetime("us")) if isinstance(dtype, pl.List) else pl.Datetime("us")
    moments = [datetime(2013, 1, 1, 6), None]  # noqa: DTZ001 - a column without a zone
    values = [[moment] for moment in moments] if isinstance(dtype, pl.List) else moments
    old = pl.DataFrame({"t": values, "c": ["a", None]}, schema={"t": micro, "c": pl.String})
    new = pl.DataFrame({"t": values, "c": ["a", None]}, schema={"t": dtype, "c": pl.Categorical})
    assert table_diff(old, new).is_empty
    assert table_diff(old, new, ["c"]).is_empty
    assert table_diff(old, new, ["t"]).is_empty


def test_the_first_duplicate_key_is_named() -> None:
    twice = pl.DataFrame({"id": [1, 2, 3, 2, 1], "at": [date(2013, 1, d) for d in (1, 2, 3, 2, 2)]})
    with pytest.raises(
        InvalidInputError, match=r"id=2, at='2013-01-02' is in the new table.*row 2"
    ):
        table_diff(twice.head(3), twice, ["id", "at"])
    with pytest.raises(InvalidInputError, match="the old table has no key column 'key'"):
        table_diff(twice, twice, ["key"])


def test_examples_of_every_type_are_plain_scalars() -> None:
    old = pl.DataFrame(
        {
            "at": [datetime(2013, 1, 1, 6, tzinfo=UTC)],
            "span": [timedelta(minutes=90)],
            "price": [Decimal("1.50")],
            "raw": [b"\x00\xff"],
            "level": pl.Series(["x"], dtype=pl.Enum(["x"])),
            "items": [[1.5, NAN]],
            "fields": [{"d": date(2013, 1, 1)}],
            "far": [float("-inf")],
            "flag": [True],
        }
    )
    (row,) = table_diff(old, old.clear()).removed_examples
    assert row == (
        "2013-01-01T06:00:00.000000+00:00", "PT1H30M", "1.50", "00ff", "x", '[1.5,"NaN"]',
        '{"d":"2013-01-01"}', "-Infinity", True,
    )  # fmt: skip


EDGES = [
    (pl.DataFrame(), pl.DataFrame(), 0, 0),
    (pl.DataFrame(height=3), pl.DataFrame(height=1), 0, 2),
    (pl.DataFrame(), pl.DataFrame({"a": [1]}), 1, 0),
    (pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"b": [1]}), 1, 2),
    (pl.DataFrame({"a": [None]}), pl.DataFrame({"a": [None, None]}), 1, 0),
    (pl.DataFrame({"a": [1]}).clear(), pl.DataFrame({"a": [1]}).clear(), 0, 0),
]


@pytest.mark.parametrize(("old", "new", "added", "removed"), EDGES)
def test_tables_without_columns_or_rows_have_differences_too(old, new, added, removed) -> None:
    diff = table_diff(old, new)
    assert (diff.added, diff.removed) == (added, removed)
    assert diff.is_empty == (table_digest(old) == table_digest(new))


def test_an_append_to_many_rows_and_their_reversal_are_found() -> None:
    old = pl.DataFrame({"n": range(200_000)})
    diff = table_diff(old, pl.concat([old, pl.DataFrame({"n": [7, 7]})]))
    assert (diff.added, diff.removed, diff.added_examples) == (2, 0, ((7,), (7,)))
    assert not table_diff(old, old.reverse()).is_empty
