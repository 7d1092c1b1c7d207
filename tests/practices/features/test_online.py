"""What serving reads is what training computes, bit for bit, while rows arrive in any order."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.core.errors import NotFoundError
from tidemill.practices.features.declare import average, count, feature_view, latest, share, total
from tidemill.practices.features.online import add_rows, read_vectors, replace_rows
from tidemill.practices.features.point_in_time import view_values

START = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@feature_view(
    source="events",
    entity=("who", "where"),
    time="at",
    known="seen_at",
    features={
        "newest": latest("amount", ttl="12h"),
        "seen": count("12h"),
        "units_sum": total("units", "24h"),
        "amount_mean": average("amount", "24h"),
        "flag_share": share("flag", "6h"),
    },
)
def activity(events: pl.LazyFrame) -> pl.LazyFrame:
    return events


def random_events(seed: int, size: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    at = random.integers(0, 96, size)
    late = random.choice([0, 0, 0, 1, 5, 30], size)
    return pl.DataFrame(
        {
            "who": random.choice(["a", "b", "ü"], size),
            "where": random.integers(0, 2, size),
            "at": [START + int(h) * HOUR for h in at],
            "seen_at": [START + int(h) * HOUR for h in at + late],
            "amount": random.normal(size=size),
            "units": random.integers(-3, 9, size),
            "flag": random.random(size) < 0.3,
        }
    ).with_columns(
        amount=pl.when(pl.col("units") == 0).then(None).otherwise(pl.col("amount")),
    )


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000), size=st.integers(0, 80), step=st.integers(1, 30))
def test_a_replayed_stream_serves_exactly_what_training_computes(record, seed, size, step) -> None:
    events = random_events(seed, size)
    begin = START + 24 * HOUR
    replace_rows(record, activity, events.lazy(), begin)
    arrived = pl.max_horizontal("at", "seen_at")
    for hour in range(24, 130, step):
        now, before = START + hour * HOUR, START + max(hour - step, 24) * HOUR
        new = events.filter(arrived > before, arrived <= now).sample(fraction=1.0, shuffle=True)
        add_rows(record, activity, new, now, batch=f"{seed}-{hour}")
        asked = pl.DataFrame(
            {"who": ["a", "b", "ü", "z", None], "where": [0, 1, 1, 0, 0], "time": [now] * 5}
        )
        online = read_vectors(record, [activity], asked, "time")
        assert online.equals(view_values(activity, events.lazy(), asked, "time"), null_equal=True)


def test_a_batch_that_arrives_twice_counts_once(record) -> None:
    events = random_events(1, 30)
    now = START + 100 * HOUR
    replace_rows(record, activity, events.clear().lazy(), START)
    assert add_rows(record, activity, events, now, batch="b1") == 30
    assert add_rows(record, activity, events, now, batch="b1") == 0
    asked = events.select("who", "where").unique().with_columns(time=pl.lit(now))
    expected = view_values(activity, events.lazy(), asked, "time")
    assert read_vectors(record, [activity], asked, "time").equals(expected)


def test_reading_a_little_behind_the_newest_write_is_still_exact(record) -> None:
    events = random_events(2, 60)
    replace_rows(record, activity, events.clear().lazy(), START)
    add_rows(record, activity, events, START + 130 * HOUR, batch="all")
    asked = pl.DataFrame({"who": ["a"], "where": [1], "time": [START + 90 * HOUR]})
    expected = view_values(activity, events.lazy(), asked, "time")
    assert read_vectors(record, [activity], asked, "time").equals(expected)


def test_a_view_that_is_not_in_the_store_names_the_command_that_puts_it_there(record) -> None:
    asked = pl.DataFrame({"who": ["a"], "where": [1], "time": [START]})
    with pytest.raises(NotFoundError, match="tidemill view materialize activity"):
        read_vectors(record, [activity], asked, "time")
