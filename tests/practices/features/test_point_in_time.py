"""Values are what was known at each row's own time: compared with a brute-force oracle."""

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.core.errors import InvalidInputError
from tidemill.practices.features.declare import (
    average,
    count,
    feature_view,
    latest,
    share,
    total,
)
from tidemill.practices.features.point_in_time import view_values

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

FEATURES = {
    "newest": latest("amount", ttl="5h"),
    "newest_ever": latest("units"),
    "seen": count("4h"),
    "units_sum": total("units", "4h"),
    "amount_mean": average("amount", "6h"),
    "amount_sum": total("amount", "3h"),
    "flag_share": share("flag", "6h"),
}


@feature_view(source="events", entity="who", time="at", known="seen_at", features=FEATURES)
def activity(events: pl.LazyFrame) -> pl.LazyFrame:
    return events


hours = st.integers(0, 12)
rows_of = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.one_of(st.none(), hours),
        hours,
        st.one_of(st.none(), st.floats(-1000, 1000), st.just(math.nan)),
        st.one_of(st.none(), st.integers(-5, 5)),
        st.one_of(st.none(), st.booleans()),
    ),
    max_size=25,
)
asked_of = st.lists(
    st.tuples(st.sampled_from(["a", "b", "z", None]), hours), min_size=1, max_size=8
)
SCHEMA = {
    "who": pl.String, "at": pl.Datetime("us", "UTC"), "seen_at": pl.Datetime("us", "UTC"),
    "amount": pl.Float64, "units": pl.Int64, "flag": pl.Boolean,
}  # fmt: skip


def frame(rows) -> pl.DataFrame:
    built = [
        (who, None if at is None else START + at * HOUR,
         START + max(at or 0, late) * HOUR, amount, units, flag)
        for who, at, late, amount, units, flag in rows
    ]  # fmt: skip
    return pl.DataFrame(built, schema=SCHEMA, orient="row")


def asking(rows) -> pl.DataFrame:
    return pl.DataFrame(
        [(who, START + at * HOUR) for who, at in rows],
        schema={"who": pl.String, "at": pl.Datetime("us", "UTC")},
        orient="row",
    )


def in_window(events, who, at, width):
    return [
        e for e in events
        if e["who"] == who and who is not None and e["at"] is not None
        and e["at"] <= at and e["seen_at"] <= at and e["at"] > at - width
    ]  # fmt: skip


def oracle(events, who, at) -> dict[str, object]:
    def values(column, span):
        found = [e[column] for e in in_window(events, who, at, span * HOUR)]
        return [v for v in found if v is not None and not (isinstance(v, float) and math.isnan(v))]

    def exactly(span):
        found = [Fraction(v) for v in values("amount", span)]
        return sum(found), len(found)

    (in_6, rows_6), (in_3, rows_3) = exactly(6), exactly(3)
    flags = values("flag", 6)
    units = values("units", 4)
    return {
        "seen": len(in_window(events, who, at, 4 * HOUR)),
        "units_sum": sum(units) if units else None,
        "amount_mean": float(in_6 / rows_6) if rows_6 else None,
        "amount_sum": float(in_3) if rows_3 else None,
        "flag_share": sum(flags) / len(flags) if flags else None,
    }


@settings(max_examples=150, deadline=None)
@given(rows_of, asked_of)
def test_every_window_equals_a_brute_force_oracle(rows, asked) -> None:
    events, queries = frame(rows), asking(asked)
    got = view_values(activity, events.lazy(), queries, "at")
    listed = events.to_dicts()
    for answer, query in zip(got.to_dicts(), queries.to_dicts(), strict=True):
        expected = oracle(listed, query["who"], query["at"])
        mean, wanted = answer["amount_mean"], expected.pop("amount_mean")
        assert mean == wanted or abs(mean - wanted) <= math.ulp(wanted)
        assert {name: answer[name] for name in expected} == expected


@settings(max_examples=150, deadline=None)
@given(rows_of, asked_of)
def test_the_newest_value_is_of_the_greatest_event_then_arrival_among_known_rows(
    rows, asked
) -> None:
    events, queries = frame(rows), asking(asked)
    got = view_values(activity, events.lazy(), queries, "at")["newest"].to_list()
    for answer, (who, at) in zip(got, queries.iter_rows(), strict=True):
        known = in_window(events.to_dicts(), who, at, 10_000 * HOUR)
        best = max(((e["at"], e["seen_at"]) for e in known), default=None)
        if best is None or best[0] <= at - 5 * HOUR:
            assert answer is None
        else:
            tied = [e["amount"] for e in known if (e["at"], e["seen_at"]) == best]
            assert repr(answer) in map(repr, tied)


@settings(max_examples=60, deadline=None)
@given(rows_of, asked_of, st.randoms())
def test_the_order_of_rows_never_changes_a_value(rows, asked, random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    queries = asking(asked)
    first = view_values(activity, frame(rows).lazy(), queries, "at")
    assert first.equals(view_values(activity, frame(shuffled).lazy(), queries, "at"))


def test_a_million_rows_agree_with_an_independent_engine() -> None:
    """Polars' own as-of join on rows sorted by (event, arrival) is the second opinion."""
    random = np.random.default_rng(7)
    size, queries = 200_000, 1_000_000
    events = pl.DataFrame(
        {
            "who": random.integers(0, 5_000, size),
            "at": random.integers(0, 10**9, size),
            "amount": random.normal(size=size),
        }
    ).with_columns(pl.from_epoch("at", "us").dt.replace_time_zone("UTC"), units=1, flag=True)
    events = events.with_columns(seen_at=pl.col("at")).unique(["who", "at"], maintain_order=True)
    asked = pl.DataFrame(
        {"who": random.integers(0, 5_100, queries), "at": random.integers(0, 10**9, queries)}
    ).with_columns(pl.from_epoch("at", "us").dt.replace_time_zone("UTC"))
    got = view_values(activity, events.lazy(), asked, "at")["newest"]
    expected = asked.with_row_index().sort("at").join_asof(
        events.sort("at"), on="at", by="who", check_sortedness=False
    ).sort("index")["amount"]  # fmt: skip
    assert got.equals(expected.rename("newest"), null_equal=True)


def test_a_row_asked_in_another_time_zone_gets_the_value_of_the_same_instant() -> None:
    events = frame([("a", 1, 1, 5.0, 1, True)])
    asked = asking([("a", 2)])
    local = asked.with_columns(pl.col("at").dt.convert_time_zone("America/New_York"))
    assert view_values(activity, events.lazy(), asked, "at").equals(
        view_values(activity, events.lazy(), local, "at")
    )


def test_a_view_whose_function_lacks_a_column_says_which_and_what_there_is() -> None:
    with pytest.raises(InvalidInputError, match=r"'amount'[^_]*gives _row, who"):
        view_values(activity, frame([]).drop("amount").lazy(), asking([("a", 1)]), "at")


def test_an_asked_row_without_a_time_is_refused() -> None:
    asked = pl.DataFrame({"who": ["a"], "at": pl.Series([None], dtype=pl.Datetime("us", "UTC"))})
    with pytest.raises(InvalidInputError, match="empty in 1 rows"):
        view_values(activity, frame([]).lazy(), asked, "at")


@pytest.mark.parametrize("step", [1.5e-9, 0.000123, 1e-300, 5e-324, 1e15])
def test_a_column_of_any_size_is_summed_exactly(step) -> None:
    values = [step * place for place in range(1, 11)]
    events = frame([("a", 0, 0, value, None, None) for value in values])
    got = view_values(activity, events.lazy(), asking([("a", 1)]), "at").row(0, named=True)
    exact = sum(map(Fraction, values))
    assert got["amount_sum"] == float(exact)
    assert got["amount_mean"] == float(exact / 10)


@pytest.mark.parametrize("values", [[math.inf], [1.7e308, 1.7e308]])
def test_a_sum_that_no_double_can_be_names_the_column(values) -> None:
    events = frame([("a", 0, 0, value, None, None) for value in values])
    with pytest.raises(InvalidInputError, match="'amount'"):
        view_values(activity, events.lazy(), asking([("a", 1)]), "at")
