"""A model that is served elsewhere: told predictions are sealed, reported, tested and explained."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import Window
from tidemill.practices.drift.testing import drift_of_window
from tidemill.practices.monitoring.elsewhere import add_predictions
from tidemill.practices.monitoring.figures import report_window
from tidemill.practices.monitoring.labels import add_labels
from tidemill.practices.monitoring.predictions import find_prediction
from tidemill.practices.monitoring.seals import known_seals, scan_seals

START = datetime(2024, 1, 1, tzinfo=UTC)
FEBRUARY, MARCH = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
CLASSES = ("a", "b", "c")


def told(kind, first=START, days=31, per_day=40, *, shift=0.0, seed=0):
    """Rows of a day-by-day model of a kind, with their labels."""
    rng = np.random.default_rng([seed, days])
    count = days * per_day
    at = [first + timedelta(days=i // per_day, minutes=i % per_day) for i in range(count)]
    x = rng.normal(shift, 1.0, count)
    rows = {"id": [f"{first:%m}-{i}" for i in range(count)], "at": at, "x": x}
    if kind == "binary":
        score = 1 / (1 + np.exp(-x))
        return pl.DataFrame({**rows, "score": score, "label": (rng.random(count) < score) * 1})
    if kind == "regression":
        return pl.DataFrame({**rows, "score": 10 * x, "label": 10 * x + rng.normal(0, 1, count)})
    shares = rng.dirichlet([2, 2, 2], count)
    labels = [CLASSES[rng.choice(3, p=row)] for row in shares]
    scores = {f"score.{name}": shares[:, place] for place, name in enumerate(CLASSES)}
    return pl.DataFrame({**rows, **scores, "label": labels})


def add(record, rows, *, at=FEBRUARY, **more):
    return add_predictions(
        record, "shop", rows.drop("label", strict=False), key="id", time="at", at=at, **more
    )


def labelled(record, rows, at=MARCH):
    return add_labels(record, "shop", rows.select("id", "label"), key="id", at=at)


def answers(record, at):
    rows = scan_seals(record, known_seals(record, "shop"), known_by=at).collect()
    return dict(rows.select("id", "score").iter_rows())


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_told_predictions_are_reported_for_every_kind_of_task(record, kind):
    rows = told(kind)
    assert add(record, rows).rows_added == rows.height
    assert labelled(record, rows).unknown == 0
    report = report_window(record, "shop", window="2024-01", at=MARCH)
    assert (report.task.kind, report.rows, report.labelled) == (kind, rows.height, rows.height)
    assert report.primary is not None
    assert report.primary.value is not None
    assert report.operational == ()


def test_the_same_rows_again_add_nothing_and_a_late_row_joins_its_window(record):
    rows = told("binary")
    late, rest = rows.head(3), rows.tail(-3)
    add(record, rest)
    again = add(record, rest, at=MARCH)
    assert (again.rows_added, again.repeated, again.version) == (0, rest.height, "")
    assert add(record, rows, at=MARCH).rows_added == late.height
    assert report_window(record, "shop", window="2024-01", at=MARCH).rows == rows.height


def test_the_newest_revision_counts_and_the_one_before_is_what_was_known_before(record):
    rows = told("binary").head(50)
    add(record, rows)
    fixed = add(record, rows.head(2).with_columns(score=pl.lit(0.25)), at=MARCH)
    assert (fixed.rows_added, fixed.corrected) == (2, 2)
    assert answers(record, MARCH)["01-0"] == 0.25
    assert answers(record, FEBRUARY)["01-0"] == pytest.approx(rows["score"][0])
    assert len(answers(record, MARCH)) == rows.height


def test_a_correction_moves_a_row_to_another_day(record):
    rows = told("binary").head(40)
    add(record, rows)
    moved = rows.head(1).with_columns(at=pl.lit(START + timedelta(days=5)))
    add(record, moved, at=MARCH)
    seals = known_seals(record, "shop")
    first = Window(start=START, end=START + timedelta(days=1))
    assert scan_seals(record, seals, first, known_by=MARCH).collect().height == rows.height - 1


def test_a_row_that_comes_twice_in_one_source_counts_once(record):
    rows = told("binary").head(10)
    twice = add(record, pl.concat([rows, rows.head(4)]))
    assert (twice.rows_added, twice.repeated) == (10, 4)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_drift_is_tested_against_the_days_before(record, kind):
    quiet, moved = told(kind), told(kind, FEBRUARY, 29, shift=2.0, seed=1)
    if kind == "multiclass":
        moved = moved.with_columns(x=pl.col("x") + 1.0)
    add(record, quiet)
    add(record, moved, at=MARCH)
    labelled(record, pl.concat([quiet, moved]))
    found = drift_of_window(record, "shop", window="2024-02", at=MARCH + timedelta(days=1))
    data, performance = found.checks
    assert data.state == "fail"
    assert data.reference_days == 31
    assert performance.days == 29


def test_without_enough_days_before_a_drift_test_says_what_it_needs(record):
    add(record, told("binary"))
    found = drift_of_window(record, "shop", window="2024-01", at=MARCH)
    assert {check.state for check in found.checks} == {"not_run"}
    assert "10 are needed" in found.checks[0].notes[0]
    assert found.has_failed  # there is nothing at all before
    whole = drift_of_window(record, "shop", window="2024-01-06..2024-02-01", at=MARCH)
    assert all(check.waits for check in whole.checks)  # five days are there, and more will come
    assert not whole.has_failed
    named = {"window": "2024-01-06..2024-02-01", "reference": "2024-01-01..2024-01-06"}
    assert drift_of_window(record, "shop", **named, at=MARCH).has_failed


def test_a_prediction_is_explained_by_the_callers_own_key(record, tidemill, project):
    rows = told("binary").head(5)
    add(record, rows)
    found = find_prediction(record, "shop/01-3")
    assert found.values("context") == {"id": "01-3"}
    assert found.values("input") == {"x": pytest.approx(rows["x"][3])}
    done = tidemill("why", "prediction:shop/01-3")
    assert done.returncode == 0, done.stderr
    assert "watched:shop@1" in done.stdout
    got = tidemill("data", "get", "predictions:shop@1", "--out", "p.parquet")
    assert got.returncode == 0, got.stderr
    assert "5 rows of predictions:shop@1" in got.stdout


def test_a_key_with_a_slash_and_a_space_is_whole(record, tidemill, project):
    rows = told("binary").head(2).with_columns(id=pl.Series(["a/b c.png", "x@1"]))
    add(record, rows)
    for key in rows["id"]:
        done = tidemill("why", f"prediction:shop/{key}")
        assert done.returncode == 0, done.stderr


def test_a_decided_class_without_probabilities_is_judged_by_accuracy(record):
    rows = told("multiclass").select("id", "at", "label", score="label")
    add(record, rows, task="multiclass")
    labelled(record, rows)
    assert report_window(record, "shop", window="2024-01", at=MARCH).primary.value == 1.0


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"score": pl.lit(1.5)}, "no probability"),
        ({"at": pl.lit("soon")}, "no times"),
    ],
)
def test_what_is_no_score_or_time_is_refused_and_nothing_is_added(record, change, what):
    rows = told("binary").head(5).with_columns(**change)
    with pytest.raises(InvalidInputError, match=what):
        add(record, rows, task="binary")
    assert known_seals(record, "shop") == []


def test_in_a_folder_a_watched_model_needs_three_commands(tidemill, project):
    rows = told("binary")
    rows.drop("label").write_csv(project / "answers.csv")
    rows.select("id", "label").write_csv(project / "labels.csv")
    for line in (
        "predictions add shop answers.csv --key id --time at --score score --at 2024-02-01",
        "labels add shop labels.csv --key id --at 2024-02-01",
        "monitor report shop --window 2024-01 --at 2024-02-01",
    ):
        done = tidemill(*line.split())
        assert done.returncode == 0, done.stderr
    assert "auc" in done.stdout
