"""A view that looks ahead is caught by replaying it; so is a feature that tells the label."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tidemill.core.signature import Field
from tidemill.core.task import Task
from tidemill.practices.features.declare import average, count, feature_view, latest
from tidemill.practices.integration.leakage import future_finding, label_findings

START = datetime(2013, 1, 1, tzinfo=UTC)


def landings(rows=2000) -> pl.LazyFrame:
    random = np.random.default_rng(0)
    times = [START + timedelta(minutes=int(m)) for m in random.integers(0, 60 * 24 * 60, rows)]
    return pl.DataFrame(
        {"plane": random.choice(["a", "b", "c", "d"], rows), "landed": times,
         "delay": random.normal(10, 20, rows)},
        schema_overrides={"landed": pl.Datetime("us", "UTC")},
    ).lazy()  # fmt: skip


FEATURES = {"delay_1d": average("delay", "1d"), "landings_1d": count("1d"),
            "delay_last": latest("delay")}  # fmt: skip


@feature_view(source="landings", entity="plane", time="landed", features=FEATURES)
def honest(rows):
    return rows.with_columns(late=pl.col("delay") > 15)


@feature_view(source="landings", entity="plane", time="landed", features=FEATURES)
def peeks_at_the_mean(rows):
    return rows.with_columns(delay=pl.col("delay") - pl.col("delay").mean().over("plane"))


@feature_view(source="landings", entity="plane", time="landed", features=FEATURES)
def peeks_at_the_next(rows):
    ordered = rows.sort("landed")
    return ordered.with_columns(delay=pl.col("delay").shift(-1).over("plane"))


@feature_view(source="landings", entity="plane", features={"delay_last": latest("delay")})
def always_held(rows):
    return rows


@feature_view(source="landings", entity="plane", time="landed", features=FEATURES)
def not_rows(rows):
    return rows.select("plane", "landed", "delay")


@pytest.mark.parametrize("view", [honest, always_held])
def test_a_view_that_looks_back_passes(view) -> None:
    assert future_finding(view, landings(), moments=4).state == "pass"


@pytest.mark.parametrize("view", [peeks_at_the_mean, peeks_at_the_next])
def test_a_view_that_looks_ahead_is_caught_with_feature_row_and_time(view) -> None:
    found = future_finding(view, landings(), moments=4)
    assert found.state == "fail"
    assert view.name in found.what
    assert "plane = " in found.what
    assert "2013-" in found.what
    assert any(feature in found.what for feature in FEATURES)


def test_a_view_that_hides_its_rows_cannot_be_replayed_and_says_so() -> None:
    assert future_finding(not_rows, landings(), moments=4).state == "warn"


def told(sample: pl.DataFrame, kind="binary", bound=0.99):
    fields = [Field(name=name, datatype="FP64") for name in sample.columns]
    task = Task(kind=kind, label="y")
    return {f.rule: f for f in label_findings(sample, fields, task, bound=bound)}


def test_a_single_feature_that_tells_the_label_is_named() -> None:
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 600)
    sample = pl.DataFrame(
        {"y": label, "noise": random.normal(size=600), "arrived_at": label * 2.0 + 1,
         "cause": np.where(label == 1, "late", "none"),
         "weather_delay": [None if one == 0 else 3.0 for one in label]}
    )  # fmt: skip
    found = told(sample)
    assert set(found) == {"leak:arrived_at", "leak:cause", "leak:weather_delay"}
    assert all(f.state == "fail" for f in found.values())


def test_levels_that_occur_once_tell_nothing_of_other_rows() -> None:
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 600)
    found = told(pl.DataFrame({"y": label, "id": [f"row {n}" for n in range(600)]}))
    assert found["leak:label"].state == "pass"
    assert found["leak:label"].measured < 0.6


def test_the_label_of_a_regression_is_told_by_ranks() -> None:
    random = np.random.default_rng(0)
    label = random.normal(size=500)
    sample = pl.DataFrame({"y": label, "copy": label**3, "noise": random.normal(size=500)})
    assert set(told(sample, "regression")) == {"leak:copy"}


def test_it_is_the_task_that_says_whether_labels_are_numbers() -> None:
    random = np.random.default_rng(0)
    stars = random.integers(1, 6, 600)  # few numbers, but numbers
    sample = pl.DataFrame({"y": stars, "copy": stars * 2, "noise": random.normal(size=600)})
    assert told(sample, "regression")["leak:copy"].measured == 1.0
    codes = random.integers(0, 30, 3000)  # many codes of classes
    sample = pl.DataFrame({"y": codes, "noise": random.normal(size=3000), "is_7": codes == 7})
    assert set(told(sample, "multiclass")) == {"leak:is_7"}


def test_a_sample_without_the_label_is_told() -> None:
    assert told(pl.DataFrame({"x": [1.0]}))["leak:label"].state == "warn"


def test_an_array_a_row_is_no_single_feature() -> None:
    picture = pl.Series("picture", np.zeros((30, 2, 2), np.float32))
    sample = pl.DataFrame([picture, pl.Series("kind", ["a", "b", "c"] * 10)])
    field = Field(name="picture", datatype="FP32", shape=(2, 2))
    task = Task(kind="multiclass", label="kind", classes=("a", "b", "c"))
    (told,) = label_findings(sample, [field], task, bound=0.99)
    assert (told.rule, told.state) == ("leak:label", "pass")
    assert "no feature is one number or text" in told.what
