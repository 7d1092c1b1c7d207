"""Evaluations of every kind of task, as a plain function and on any frame."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served_world import START, days_of_rows
from sklearn import metrics

from tidemill.core.errors import InvalidInputError
from tidemill.core.task import Task
from tidemill.kernels.task_metrics import UnknownLabelError, task_estimates
from tidemill.practices.monitoring.business import business_figure
from tidemill.practices.monitoring.evaluation import evaluate, report_of
from tidemill.practices.monitoring.outputs import flat_outputs, output_array, output_names

DAYS = 12


def frame_of(task: Task, rows: int = 600, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    at = [datetime(2013, 1, 1 + int(d), 6, tzinfo=UTC) for d in rng.integers(0, DAYS, rows)]
    time = pl.Series("at", at, dtype=pl.Datetime("us", "UTC"))
    if task.kind == "multiclass":
        raw = rng.random((rows, len(task.classes)))
        score = raw / raw.sum(axis=1, keepdims=True)
        labels = [task.classes[rng.choice(len(task.classes), p=p)] for p in score]
        columns = {f"score.{name}": score[:, k] for k, name in enumerate(task.classes)}
        return pl.DataFrame({"at": time, "label": labels, **columns})
    score = rng.random(rows)
    label = rng.random(rows) < score if task.kind == "binary" else score + rng.normal(0, 0.1, rows)
    group = rng.choice(["a", "b"], rows)
    return pl.DataFrame({"at": time, "label": label, "score": score, "group": group})


TASKS = [
    Task(kind="binary", label="y"),
    Task(kind="multiclass", label="y", classes=("red", "green", "blue")),
    Task(kind="regression", label="y"),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_every_kind_of_task_has_figures_with_intervals_days_and_losses(task) -> None:
    report = report_of(task, frame_of(task), time="at")
    assert report.primary is not None
    for figure in report.figures:
        if figure.low is not None:
            assert figure.low <= figure.value <= figure.high
    assert len(report.days) == DAYS
    assert sum(day.rows for day in report.days) == report.rows == 600
    assert report.window == "2013-01-01..2013-01-13"
    assert str(report)


def test_figures_are_those_of_scikit_learn() -> None:
    frame = frame_of(TASKS[0])
    report = report_of(TASKS[0], frame, time="at")
    label, score = frame["label"].to_numpy(), frame["score"].to_numpy()
    assert report.figure("auc").value == pytest.approx(metrics.roc_auc_score(label, score))
    assert report.figure("log_loss").value == pytest.approx(metrics.log_loss(label, score))
    assert report.figure("f1").value == pytest.approx(metrics.f1_score(label, score >= 0.5))


def test_an_interval_of_days_that_move_together_is_wider_than_that_of_rows() -> None:
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(20), 200)
    level = rng.normal(0, 1.5, 20)[day]
    label = (rng.random(4000) < 1 / (1 + np.exp(-level))).astype(float)
    score = np.full(4000, 0.5) + rng.normal(0, 0.01, 4000)
    task = TASKS[0]
    blocks = {e.metric: e for e in task_estimates(task, label, score, day, window="w")}
    alone = {e.metric: e for e in task_estimates(task, label, score, np.zeros(4000), window="w")}
    assert blocks["base_rate"].value == alone["base_rate"].value
    wide = blocks["base_rate"].high - blocks["base_rate"].low
    assert wide > 4 * (alone["base_rate"].high - alone["base_rate"].low)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=40))
def test_any_labelled_rows_have_a_report(rows) -> None:
    frame = pl.DataFrame({"label": [r[0] for r in rows], "score": [r[1] for r in rows]})
    report = report_of(TASKS[0], frame)
    assert report.labelled == len(rows)
    assert report.figure("brier").value >= 0


def test_a_label_that_is_no_class_is_named() -> None:
    frame = frame_of(TASKS[1]).with_columns(label=pl.lit("pink"))
    with pytest.raises(UnknownLabelError, match="pink"):
        report_of(TASKS[1], frame)


def test_outside_a_pipeline_evaluate_is_a_plain_function(world) -> None:
    rows = days_of_rows(START, 10)
    world.train(rows)
    report = evaluate(world.model, rows, time="when", slices=("carrier",), business=worth)
    assert report.primary.value > 0.7
    assert report.figure("worth").value == pytest.approx(1.0)
    assert {part.level for part in report.slices} == {"AA", "UA", "DL"}


def test_small_levels_are_told_by_themselves_from_the_given_number_of_rows_on(world) -> None:
    rows = days_of_rows(START, 1, rows=100)  # about 33 rows a level
    world.train(days_of_rows(START, 10))
    usual = evaluate(world.model, rows, slices=("carrier",))
    assert [part.level for part in usual.slices] == ["(other)"]
    report = evaluate(world.model, rows, slices=("carrier",), min_slice_rows=10)
    assert {part.level for part in report.slices} == {"AA", "UA", "DL"}
    assert (usual.min_slice_rows, report.min_slice_rows) == (50, 10)
    with pytest.raises(InvalidInputError, match="min_slice_rows is 0"):
        evaluate(world.model, rows, slices=("carrier",), min_slice_rows=0)


@pytest.mark.parametrize("task", TASKS, ids=[task.kind for task in TASKS])
def test_levels_of_slices_tell_the_mean_label_where_labels_have_one(task) -> None:
    frame = frame_of(task).with_columns(place=pl.lit("here"))
    (part,) = report_of(task, frame, slices=("place",)).slices
    named = {"binary": ["base_rate"], "multiclass": [], "regression": ["mean_label"]}[task.kind]
    assert [figure.name for figure in part.figures] == [task.metric, *named]


def test_rows_without_the_label_are_refused_with_the_columns_that_there_are(world) -> None:
    rows = days_of_rows(START, 10)
    world.train(rows)
    with pytest.raises(InvalidInputError, match="no label column 'late'"):
        evaluate(world.model, rows.drop("late"), time="when")


@business_figure(unit="euro")
def worth(rows):
    return pl.Series([1.0] * rows.height)


def test_one_output_of_all_classes_is_judged_as_one_output_a_class() -> None:
    task = TASKS[1]
    frame = frame_of(task)
    score = frame.select(f"score.{name}" for name in task.classes).to_numpy()
    flat = flat_outputs(task, {"score": score})
    assert list(flat) == ["score.red", "score.green", "score.blue"]
    assert (output_array(task, {"score": score}) == score).all()
    assert output_names(task, ["score"]) == tuple(flat)


@pytest.mark.parametrize("empty", ["no rows", "no labels"])
def test_rows_that_say_nothing_are_refused(world, empty) -> None:
    world.train(days_of_rows(START, 10))
    rows = days_of_rows(START, 3)
    rows = rows.clear() if empty == "no rows" else rows.with_columns(late=pl.lit(None, pl.Boolean))
    with pytest.raises(InvalidInputError, match="nothing to evaluate the model on") as told:
        evaluate(world.model, rows, time="when")
    assert "how the rows are split" in told.value.fix


@pytest.mark.parametrize(
    ("named", "told", "fix"),
    [
        ({"slices": ("grup",)}, "no column 'grup' for slices=; they have at, label,", "'group'"),
        ({"time": "att"}, "no column 'att' for time=", "did you mean 'at'"),
        ({"group": "grop"}, "no column 'grop' for group=", "'group'"),
        ({"weight": "x"}, "no column 'x' for weight=", "name a column of the rows with weight="),
    ],
)
def test_a_column_that_the_rows_lack_is_named_with_those_that_there_are(named, told, fix) -> None:
    with pytest.raises(InvalidInputError, match=told) as refused:
        report_of(TASKS[0], frame_of(TASKS[0]), **named)
    assert fix in refused.value.fix


def test_a_text_is_one_column_to_slice_by(world) -> None:
    rows = days_of_rows(START, 10)
    world.train(rows)
    report = evaluate(world.model, rows, slices="carrier")
    assert {part.column for part in report.slices} == {"carrier"}
    with pytest.raises(InvalidInputError, match="no column 'carier' for slices="):
        evaluate(world.model, rows, slices="carier")
