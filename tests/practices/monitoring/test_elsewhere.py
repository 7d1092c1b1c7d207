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
        ({"at": pl.lit("soon")}, "no date or time"),
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


def csv(folder, name, *lines):
    (folder / name).write_text("\n".join(lines) + "\n")
    return name


def test_rows_that_cannot_be_taken_are_told_with_their_reason_and_the_counts_add_up(
    tidemill, project
):
    rows = ["id,at,score", "z1,2024-01-01,0.2", "z2,2024-01-01T05:00:00Z,0.2abc", ",2024-01-02,0.3"]
    csv(project, "p.csv", *rows, "z4,,0.4", "z5,2024-01-02 07:30:00,")
    line = "predictions add churn p.csv --key id --time at --task binary --at 2024-02-01"
    first = tidemill(*line.split())
    assert first.returncode == 0, first.stderr
    assert "1 prediction of churn added" in first.stdout
    assert "score is no number (row 2 'z2': '0.2abc')" in first.stdout
    for told in ("no key (row 3)", "no time (row 4 'z4')", "no score (row 5 'z5')"):
        assert told in first.stdout
    again = tidemill(*line.split())
    assert (again.returncode, "1 was there already" in again.stdout) == (0, True), again.stdout
    assert "1 row was left out: no key" in again.stdout
    csv(project, "p.csv", rows[0], *rows[2:])
    none = tidemill(*line.split())
    assert none.returncode == 5
    assert "none of the 2 predictions could be taken" in none.stderr
    assert "'0.2abc'" in none.stderr


def test_dates_and_times_may_stand_in_one_column_and_what_is_neither_is_named(record):
    rows = told("binary").head(3)
    mixed = rows.with_columns(
        at=pl.Series(["2024-01-01", "2024-01-02T06:30:00Z", "2024-01-03 06:30:00+02:00"])
    )
    add(record, mixed)
    sealed = scan_seals(record, known_seals(record, "shop")).sort("id").collect()
    assert [f"{at:%d %H:%M}" for at in sealed["at"]] == ["01 00:00", "02 06:30", "03 04:30"]
    bad = mixed.with_columns(at=pl.Series(["2024-01-01", "2024-13-01", None]))
    with pytest.raises(InvalidInputError, match="'2024-13-01' in row 2 of column 'at' is no date"):
        add(record, bad)


def test_a_decided_class_that_is_unknown_is_left_out_by_its_key(record):
    rows = told("multiclass").select("id", "at", score="label").head(3)
    odd = rows.with_columns(score=pl.Series(["a", "b", "x"]))
    found = add(record, odd, task="multiclass", classes=CLASSES)
    assert (found.rows, found.rows_added, found.dropped) == (3, 2, 1)
    assert "score is no class of a, b, c (row 3 '01-2': 'x')" in str(found)


def test_labels_of_an_unknown_class_are_left_out_and_a_report_tells_of_those_before(record):
    rows = told("multiclass")
    add(record, rows)
    odd = rows.head(3).with_columns(label=pl.Series(["a", "x", "b"]))
    found = labelled(record, odd)
    assert (found.rows, found.rows_added, found.dropped) == (3, 2, 1)
    assert "label is no class of a, b, c (row 2 '01-1': 'x')" in str(found)
    with pytest.raises(InvalidInputError, match="none of the 1 label could be taken"):
        labelled(record, odd[1:2])


def test_a_report_leaves_out_a_label_of_no_class_that_was_there_before(record):
    rows = told("multiclass")
    labels = rows.with_columns(
        label=pl.when(pl.col("id") == "01-7").then(pl.lit("x")).otherwise("label")
    )
    add(record, rows.select("id", "at", score=labels["label"]), task="multiclass")
    assert labelled(record, labels).rows_added == rows.height  # x was a class then
    add(record, rows, at=MARCH, classes=CLASSES, score=tuple(f"score.{one}" for one in CLASSES))
    report = report_window(record, "shop", window="2024-01", at=MARCH + timedelta(days=1))
    assert report.labelled == rows.height - 1
    assert "1 label left out, being no class of a, b, c: first 'x' of '01-7'" in str(report)
    drift_of_window(record, "shop", window="2024-01-20..2024-02-01", at=MARCH + timedelta(days=1))


def test_why_names_the_run_and_file_of_the_value_shown_and_what_it_corrects(tidemill, project):
    csv(project, "m1.csv", "id,at,score", "z1,2024-01-01,0.3", "z2,2024-01-01,0.4")
    csv(project, "m2.csv", "id,at,score", "z1,2024-01-01,0.8")
    for name, at in (("m1.csv", "2024-02-01"), ("m2.csv", "2024-02-02")):
        line = f"predictions add churn {name} --key id --time at --task binary --at {at}"
        assert tidemill(*line.split()).returncode == 0
    why = tidemill("why", "prediction:churn/z1").stdout
    told = [line for line in why.splitlines() if "told by" in line]
    assert ["m2.csv" in told[0], "corrects" in told[0]] == [True, False], why
    assert ["corrects score = 0.3" in told[1], "m1.csv" in told[1]] == [True, True], why
    assert "score = 0.8" in why
    assert "predictions:churn@2" in why
    plain = tidemill("why", "prediction:churn/z2").stdout
    assert ("m1.csv" in plain, "corrects" in plain) == (True, False)


def test_counts_of_labels_add_up(record):
    rows = told("binary").head(3)
    add(record, rows)
    labelled(record, rows)
    given = pl.DataFrame(
        {
            "id": ["01-0", "01-1", "zz", None],
            "label": [1 - rows["label"][0], rows["label"][1], 1, 0],
        }
    )
    found = labelled(record, given, at=MARCH + timedelta(days=1))
    assert found.rows == found.rows_added + found.repeated + found.dropped
    assert str(found).splitlines() == [
        "2 labels added to labels:shop@2", "  of them 1 correct earlier ones",
        "  of them 1 belong to no logged prediction", "  1 was there already",
        "  1 row was left out: no key (row 4)",
    ]  # fmt: skip
