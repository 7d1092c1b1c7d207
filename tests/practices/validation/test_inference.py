"""contract infer: a proposal that can be pasted, and that the data it came from satisfy."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.practices.validation.contract import Contract, spec_of
from tidemill.practices.validation.inference import proposed_code
from tidemill.practices.validation.judge import Judge

ROWS = 3000
FRAME = pl.DataFrame(
    {
        "flight id": [f"f{i}" for i in range(ROWS)],
        "class": ["a", 'b"\n', "ü"] * (ROWS // 3),
        "delay": [None if i % 100 == 0 else i % 60 - 10 for i in range(ROWS)],
        "temp": [20.0 + (i % 7) / 3 for i in range(ROWS)],
        "word": [f"w{i % 500}" for i in range(ROWS)],
        "at": [dt.datetime(2013, 1, 1, tzinfo=dt.UTC)] * ROWS,
        "parts": [[1, 2]] * ROWS,
    }
)


def declared(name: str, frame: pl.DataFrame) -> type[Contract]:
    code = proposed_code(name, frame.lazy())
    known: dict[str, object] = {"__name__": "proposed"}
    exec(code.replace("import tidemill as tm", _IMPORTS), known)
    return next(
        value
        for value in known.values()
        if isinstance(value, type) and issubclass(value, Contract) and value is not Contract
    )


_IMPORTS = (
    "from tidemill.practices.validation import contract as tm\nfrom tidemill.practices.validation."
    "contract import Contract"
)


def test_the_proposal_runs_and_its_own_data_satisfy_it() -> None:
    spec = spec_of(declared("late_flights", FRAME))
    assert spec.data == "late_flights"
    assert spec.key == ("flight id",)
    judge = Judge(spec)
    judged = judge.judge(FRAME, 0)
    judge.close()
    assert judged.bad.height == 0


def test_it_proposes_types_sets_ranges_and_shares_that_the_data_bear_out() -> None:
    spec = spec_of(declared("late_flights", FRAME))
    by_name = {column.name: column for column in spec.columns}
    assert by_name["class"].one_of == ("a", 'b"\n', "ü")
    assert by_name["word"].one_of is None
    assert by_name["delay"].type == "int"
    low, high = by_name["delay"].between
    assert low <= -10 < 49 <= high
    assert 0.01 < by_name["delay"].max_null_share < 0.05
    assert by_name["temp"].between[0] >= 0
    assert by_name["at"].type == "datetime"
    assert "parts" not in by_name


def test_few_rows_prove_neither_a_key_nor_a_closed_set() -> None:
    spec = spec_of(declared("few", FRAME.head(30)))
    assert spec.key == ()
    assert all(column.one_of is None for column in spec.columns)


def test_no_rows_at_all_still_give_the_columns() -> None:
    spec = spec_of(declared("none", FRAME.clear()))
    assert next(iter(spec.types)) == "flight id"


@pytest.mark.parametrize(
    ("values", "between", "one_of"),
    [
        ([0, 1], None, (0, 1)),
        ([-1, 1], None, (-1, 1)),
        ([0, 5, 10, 20], None, (0, 5, 10, 20)),
        ([1, 2, 3], (0, 5), None),
        ([2013], None, None),
    ],
)
def test_a_few_whole_numbers_are_a_set_and_a_run_of_them_a_range(values, between, one_of) -> None:
    frame = pl.DataFrame({"n": values * 1200})
    (column,) = spec_of(declared("small", frame)).columns
    assert column.one_of == one_of
    assert (column.between is None) == (between is None)
    if between:
        assert column.between[0] <= between[0] < between[1] <= column.between[1]


@given(st.lists(st.one_of(st.none(), st.integers(-(2**62), 2**62), st.integers(-3, 3)), min_size=1))
def test_whatever_the_numbers_are_they_keep_the_proposal(few) -> None:
    values = few * 120
    frame = pl.DataFrame(
        {"n": values, "x": values, "k": values},
        schema={"n": pl.Int64, "x": pl.Float64, "k": pl.Int64},
    )
    spec = spec_of(declared("any", frame))
    judge = Judge(spec)
    judged = judge.judge(frame, 0)
    judge.close()
    assert judged.bad.height == 0
    assert all(column.is_nullable == (None in few) for column in spec.columns)


def test_few_rows_say_neither_where_a_range_ends_nor_that_nothing_is_missing() -> None:
    (column,) = spec_of(declared("few", pl.DataFrame({"n": [3, 9, 4]}))).columns
    assert (column.between, column.is_nullable) == (None, True)


def test_a_column_without_gaps_in_many_rows_may_have_none_and_nan_is_told() -> None:
    frame = pl.DataFrame({"n": [n * 7 % 31 for n in range(200)], "x": [1.0, float("nan")] * 100})
    code = proposed_code("gaps", frame.lazy())
    assert "n: int =" in code
    assert '# "x" is float with 100 NaN' in code


def test_few_levels_that_are_each_seen_often_are_a_set_in_a_small_file_too() -> None:
    rows = 600
    frame = pl.DataFrame(
        {
            "plan": ["basic", "plus", "pro"] * (rows // 3),
            "stars": [1, 5] * (rows // 2),
            "town": [f"t{i % 90}" for i in range(rows)],
            "rare": ["usual"] * (rows - 3) + ["rare"] * 3,
        }
    )
    code = proposed_code("small", frame.lazy())
    by_name = {c.name: c for c in spec_of(declared("small", frame)).columns}
    assert by_name["plan"].one_of == ("basic", "plus", "pro")
    assert by_name["stars"].one_of == (1, 5)
    assert (by_name["town"].one_of, by_name["rare"].one_of) == (None, None)
    assert '# any value of its type passes: "town", "rare"' in code


@pytest.mark.parametrize("rows", [30, 600, 3000])
def test_a_number_that_runs_on_has_no_range(rows) -> None:
    sold = [n * 37 % 101 for n in range(rows)]
    frame = pl.DataFrame({"id": range(1000, 1000 + rows), "sold": sold})
    by_name = {c.name: c for c in spec_of(declared("orders", frame)).columns}
    assert by_name["id"].between is None
    assert (by_name["sold"].between is None) == (rows < 100)
    code = proposed_code("orders", frame.lazy())
    assert ('"id" (a running number)' in code) == (rows < 1000)  # then it is the key
