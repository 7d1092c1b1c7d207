"""Values of more rows than memory holds: split by entity, they are those of the whole."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.core.errors import InvalidInputError
from tidemill.practices.features.declare import average, count, feature_view, latest, total
from tidemill.practices.features.partitions import aligned, view_batches
from tidemill.practices.features.point_in_time import view_values

FEATURES = {
    "newest": latest("amount", ttl="5h"), "newest_ever": latest("units"), "seen": count("4h"),
    "units_sum": total("units", "4h"), "amount_mean": average("amount", "6h"),
}  # fmt: skip


@feature_view(source="events", entity=("who", "shop"), time="at", features=FEATURES)
def activity(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.filter(pl.col("units") != 0)


WHO = st.sampled_from(["a", "b", "c", "d", None])
HOURS = st.integers(0, 12)
events_of = st.lists(
    st.tuples(WHO, st.integers(0, 2), st.one_of(st.none(), HOURS), st.floats(-9, 9),
              st.integers(-5, 5)),
    max_size=40,
)  # fmt: skip
asked_of = st.lists(st.tuples(WHO, st.integers(0, 3), HOURS), min_size=1, max_size=30)


def at(hours):
    return [None if hour is None else f"2024-01-01T{hour:02}:00:00Z" for hour in hours]


@settings(max_examples=80, deadline=None)
@given(events=events_of, asked=asked_of, parts=st.integers(1, 6), as_text=st.booleans())
def test_split_by_entity_the_values_are_those_of_the_whole(events, asked, parts, as_text) -> None:
    who, shop, hours, amount, units = zip(*events, strict=True) if events else ((),) * 5
    source = pl.DataFrame(
        {"who": who, "shop": shop, "at": at(hours), "amount": amount, "units": units},
        schema={"who": pl.String, "shop": pl.Int32, "at": pl.String, "amount": pl.Float64,
                "units": pl.Int64},
    )  # fmt: skip
    wanted = pl.DataFrame(
        {"who": [row[0] for row in asked], "shop": [row[1] for row in asked],
         "at": at([row[2] for row in asked])},
        schema={"who": pl.String, "shop": pl.Int64, "at": pl.String},
    )  # fmt: skip
    if not as_text:
        wanted = wanted.with_columns(pl.col("at").str.to_datetime(time_zone="UTC"))
    rows = max((source.height + wanted.height) // parts, 1)
    found = pl.concat(
        view_batches(
            activity, source.lazy(), wanted.lazy(), "at", in_memory_rows=-1, part_rows=rows
        )
    )
    assert found.equals(view_values(activity, source.lazy(), wanted, "at"))


def test_many_rows_come_back_in_the_order_in_which_they_asked() -> None:
    rows = 600_000
    asked = pl.DataFrame({"who": pl.int_range(rows, eager=True) % 1000}).with_columns(
        pl.datetime(2024, 1, 1, time_zone="UTC").alias("at"), shop=pl.lit(1)
    )
    source = asked.head(1000).with_columns(
        (pl.col("who") / 2).alias("amount"), pl.col("who").alias("units")
    )
    found = pl.concat(view_batches(activity, source.lazy(), asked.lazy(), "at", in_memory_rows=-1))
    assert found.equals(view_values(activity, source.lazy(), asked, "at"))


def test_rows_that_lack_what_a_view_asks_for_are_told_also_when_they_are_many() -> None:
    rows = pl.LazyFrame(
        {"who": ["a"], "shop": [1], "amount": [1.0], "units": [1], "at": ["2024-01-01"]}
    )
    soon = rows.with_columns(at=pl.lit("soon"))
    for asked, told in ((soon, "'at'"), (soon.drop("at"), "'at'"), (rows.drop("shop"), "'shop'")):
        with pytest.raises(InvalidInputError, match=told):
            list(view_batches(activity, rows, asked, "at", in_memory_rows=-1))


def test_tables_of_other_heights_do_not_stand_side_by_side() -> None:
    left = pl.LazyFrame({"a": range(5)})
    assert [part.height for part in aligned([left, left.rename({"a": "b"})], 2)] == [2, 2, 1]
    with pytest.raises(InvalidInputError, match="5 and 4"):
        list(aligned([left, left.head(4)]))
