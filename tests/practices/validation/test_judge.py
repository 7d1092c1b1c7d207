"""The judge: streamed validation says what plain Python says, however rows are cut into batches."""

import math
import re
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given

from tidemill.practices.validation.contract import Contract, column, rule, spec_of
from tidemill.practices.validation.findings import quarantine_finding
from tidemill.practices.validation.judge import Judge
from tidemill.practices.validation.profile import Profiler
from tidemill.practices.validation.seen_keys import SeenKeys
from tidemill.practices.validation.spec import ContractSpec


class Rows(Contract):
    key = ("k",)
    unique = (("a", "t"),)

    k: str
    a: int | None = column(between=(0, 3))
    f: float | None
    t: str | None = column(one_of=["x", "ä"], pattern=".")
    b: bool
    both = rule("a is None or f is None or a < f")


SCHEMA = {"k": pl.String, "a": pl.Int64, "f": pl.Float64, "t": pl.String, "b": pl.Boolean}
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "k": st.sampled_from([None, "1", "2", "3", "4"]),
            "a": st.none() | st.integers(-1, 4),
            "f": st.sampled_from([None, math.nan, 0.0, 2.0, math.inf]),
            "t": st.sampled_from([None, "x", "ä", "zz"]),
            "b": st.sampled_from([None, True, False]),
        }
    ),
    max_size=25,
)


def naive(row):
    """The names of the row rules that a row breaks, in plain Python."""
    k, a, f, t, b = (row[name] for name in SCHEMA)
    broken = {
        "k.not_null": k is None,
        "a.between": a is not None and not 0 <= a <= 3,
        "f.not_nan": f is not None and math.isnan(f),
        "t.one_of": t is not None and t not in ("x", "ä"),
        "t.pattern": t is not None and not re.fullmatch(".", t),
        "b.not_null": b is None,
        "both": (f is not None and math.isnan(f)) or (None not in (a, f) and not a < f),
    }
    return {name for name, is_broken in broken.items() if is_broken}


def naive_split(rows):
    seen = {"k.unique": set(), "a+t.unique": set()}
    kept, bad = [], []
    for number, row in enumerate(rows, 1):
        broken = naive(row)
        if not broken:
            for name, key in (("k.unique", (row["k"],)), ("a+t.unique", (row["a"], row["t"]))):
                if None not in key:
                    if key in seen[name]:
                        broken.add(name)
                    seen[name].add(key)
        (bad if broken else kept).append((number, broken))
    return kept, bad


@given(ROWS, st.integers(1, 7))
def test_streamed_validation_is_what_plain_python_says(rows, size) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    judge = Judge(spec_of(Rows))
    parts = [judge.judge(frame.slice(s, size), s) for s in range(0, len(rows), size)]
    judge.close()
    kept, bad = naive_split(rows)
    told = [
        (number, set(names.split(",")))
        for part in parts
        for number, names in part.bad.select("_row", "_rules").iter_rows()
    ]
    assert told == bad
    whole = pl.concat([part.kept for part in parts]) if parts else frame
    expected = frame[[number - 1 for number, _ in kept]] if kept else frame.clear()
    assert whole.equals(expected)
    for name, count in judge.counts.items():
        numbers = [number for number, names in bad if name in names]
        assert (count.rows_failed, count.first_rows) == (len(numbers), numbers[:20])
    assert judge.rows_failed == len(bad)


@given(ROWS, st.integers(1, 7))
def test_kept_and_put_aside_rows_are_all_the_rows(rows, size) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    judge = Judge(spec_of(Rows))
    again = []
    for start in range(0, len(rows), size):
        part = judge.judge(frame.slice(start, size), start)
        aside = set(part.bad["_row"])
        places = range(start + 1, start + 1 + min(size, len(rows) - start))
        kept = part.kept.with_columns(
            pl.Series("_row", [p for p in places if p not in aside], dtype=pl.Int64)
        )
        again.append(pl.concat([kept, part.bad.drop("_rules", "_text")]))
    judge.close()
    if again:
        assert pl.concat(again).sort("_row").drop("_row").equals(frame)


@given(st.lists(st.lists(st.none() | st.integers(0, 30), max_size=12), max_size=6))
def test_keys_are_remembered_exactly_also_where_they_are_spilled(parts) -> None:
    seen_keys, seen = SeenKeys(["k"], spill_rows=4), set()
    for part in parts:
        frame = pl.DataFrame({"k": part}, schema={"k": pl.Int64})
        expected = []
        for value in part:
            expected.append(value is not None and value in seen)
            seen |= {value}
        assert seen_keys.repeated(frame).tolist() == expected
    seen_keys.close()


@given(ROWS, st.integers(1, 7))
def test_a_profile_does_not_depend_on_how_rows_are_cut(rows, size) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA).select("k", "a", "t", "b")
    whole, cut = Profiler(), Profiler()
    whole.update(frame)
    cut.update(frame.clear())
    for start in range(0, len(rows), size):
        cut.update(frame.slice(start, size))
    for one, other in zip(whole.result().columns, cut.result().columns, strict=True):
        assert (one.rows, one.nulls, one.levels) == (other.rows, other.nulls, other.levels)
        if one.numbers is not None:  # sums are exact up to the rounding inside one part
            assert one.numbers.histogram == other.numbers.histogram
            assert one.numbers.mean == pytest.approx(other.numbers.mean)


def test_keys_in_millions_stay_in_files_and_are_gone_at_the_end() -> None:
    seen = SeenKeys(["k"], spill_rows=50_000)
    numbers = np.arange(200_000)
    for start in range(0, 200_000, 20_000):
        part = pl.DataFrame({"k": numbers[start : start + 20_000]})
        assert not seen.repeated(part).any()
    assert seen.repeated(pl.DataFrame({"k": numbers[::1000]})).all()
    folder = seen._folder.name
    seen.close()
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("rows", "bad", "share", "state"),
    [(4, 1, 0.01, "pass"), (4, 2, 0.01, "fail"), (1, 1, 0.01, "fail"), (4, 1, 0.0, "fail"),
     (1000, 10, 0.01, "pass"), (1000, 11, 0.01, "fail")],
)  # fmt: skip
def test_one_row_of_few_may_be_put_aside_and_the_bound_is_named(rows, bad, share, state) -> None:
    judge = Judge(ContractSpec(name="X", data="x", columns=(), max_quarantined_share=share))
    judge.rows, judge.rows_failed = rows, bad
    finding = quarantine_finding(judge)
    assert finding.state == state
    assert f"max_quarantined_share = {share:g}" in finding.what
