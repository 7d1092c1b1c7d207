"""Weighted metrics are those of scikit-learn, and rows that hang together in two ways at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from tidemill.core.task import Task
from tidemill.kernels.calibration import calibration_bins, expected_calibration_error
from tidemill.kernels.comparison import ComparisonPlan, PairedRows, paired_comparison
from tidemill.kernels.crossed_blocks import blockings, crossed_bounds
from tidemill.kernels.metric_sums import row_weights
from tidemill.kernels.sample_checks import MisalignedError, NotFiniteError
from tidemill.kernels.task_metrics import mean_with_interval, task_estimates

BINARY = Task(kind="binary", label="y", threshold=0.4)
CLASSES = Task(kind="multiclass", label="y", classes=("a", "b", "c"))
NUMBERS = Task(kind="regression", label="y")


def values(task, label, output, weight, blocks=None):
    days = np.zeros(len(label)) if blocks is None else blocks
    found = task_estimates(task, label, output, days, window="w", weights=weight)
    return {one.metric: one for one in found}


@given(st.integers(0, 10_000))
def test_weighted_metrics_of_two_classes_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(20, 200))
    label, weight = rng.integers(0, 2, rows).astype(float), rng.exponential(size=rows)
    label[:2], output = (0.0, 1.0), np.round(rng.random(rows), 2)
    decided, w = output >= 0.4, {"sample_weight": weight}
    found = {name: one.value for name, one in values(BINARY, label, output, weight).items()}
    assert found["auc"] == pytest.approx(sk.roc_auc_score(label, output, **w))
    clipped = np.clip(output, np.finfo(float).eps, 1 - np.finfo(float).eps)
    assert found["log_loss"] == pytest.approx(sk.log_loss(label, clipped, labels=[0, 1], **w))
    assert found["brier"] == pytest.approx(sk.brier_score_loss(label, output, **w))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(label, decided, **w))
    assert found["recall"] == pytest.approx(sk.recall_score(label, decided, **w))
    if decided.any():
        assert found["precision"] == pytest.approx(sk.precision_score(label, decided, **w))
    assert found["f1"] == pytest.approx(sk.f1_score(label, decided, **w))
    assert found["base_rate"] == pytest.approx(np.average(label, weights=weight))


@given(st.integers(0, 10_000))
def test_weighted_metrics_of_several_classes_and_of_numbers_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    weight, w = (column := rng.exponential(size=90)), {"sample_weight": column}
    label, output = rng.integers(0, 3, 90).astype(float), rng.dirichlet(np.ones(3), 90)
    found = {name: one.value for name, one in values(CLASSES, label, output, weight).items()}
    decided = output.argmax(axis=1)
    assert found["log_loss"] == pytest.approx(sk.log_loss(label, output, labels=[0, 1, 2], **w))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(label, decided, **w))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(label, decided, average="macro", **w))
    squared = ((output - np.eye(3)[label.astype(int)]) ** 2).sum(axis=1)
    assert found["brier"] == pytest.approx(np.average(squared, weights=weight))
    label = rng.normal(100.0, 1.0, 90)
    output = label + rng.normal(size=90)
    found = {name: one.value for name, one in values(NUMBERS, label, output, weight).items()}
    mae, mse = sk.mean_absolute_error, sk.mean_squared_error
    assert found["mean_absolute_error"] == pytest.approx(mae(label, output, **w))
    assert found["root_mean_squared_error"] == pytest.approx(mse(label, output, **w) ** 0.5)
    assert found["r2"] == pytest.approx(sk.r2_score(label, output, **w))


@pytest.mark.parametrize("task", [BINARY, CLASSES, NUMBERS])
def test_weights_of_one_change_no_figure_and_whole_weights_are_rows_that_come_again(task):
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, 200).astype(float)
    output = rng.dirichlet(np.ones(3), 200) if task is CLASSES else rng.random(200)
    day = np.arange(200) // 10
    plain = task_estimates(task, label, output, day, window="w")
    ones = values(task, label, output, np.ones(200), day)
    for one in plain:
        assert ones[one.metric].value == pytest.approx(one.value)
        assert ones[one.metric].low == pytest.approx(one.low, abs=0.02)
    twice = rng.integers(0, 3, 200)
    again = np.repeat(np.arange(200), twice)
    repeated = task_estimates(task, label[again], output[again], day[again], window="w")
    weighted = values(task, label, output, twice.astype(float), day)
    for one in repeated:
        assert weighted[one.metric].value == pytest.approx(one.value)


def test_intervals_of_weighted_rows_hold_the_truth_as_often_as_they_say():
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        weight = rng.choice([1.0, 9.0], 400)
        error = rng.normal(0.0, np.where(weight == 9.0, 3.0, 1.0))
        one = mean_with_interval("m", np.abs(error), np.zeros(400), weights=weight)
        truth = np.sqrt(2 / np.pi) * (9 * 3 + 1) / 10
        drawn = values(NUMBERS, np.zeros(400), error, weight)["mean_absolute_error"]
        assert drawn.value == pytest.approx(one.value)
        held += drawn.low <= truth <= drawn.high
    assert held >= 178  # 190 are promised; 178 is four standard errors below


def test_calibration_is_weighted():
    label, told = np.array([0.0, 1.0, 0.0, 1.0]), np.full(4, 0.5)
    (one,) = calibration_bins(label, told, weights=[1.0, 3.0, 0.0, 0.0])
    assert (one.share, one.weight, one.rows) == (0.75, 4.0, 2)
    assert one.effective_rows == pytest.approx(1.6)
    rng = np.random.default_rng(0)
    told = np.repeat([0.2, 0.7], 5000)
    came = (rng.random(10_000) < np.repeat([0.2, 0.2], 5000)).astype(float)
    heavy = np.repeat([9.0, 1.0], 5000)
    plain = expected_calibration_error(calibration_bins(came, told))
    weighted = expected_calibration_error(calibration_bins(came, told, weights=heavy))
    assert plain == pytest.approx(0.25, abs=0.02)
    assert weighted == pytest.approx(0.05, abs=0.02)


def test_weights_that_are_none_are_refused():
    with pytest.raises(MisalignedError, match=r"go from -1 to 2"):
        row_weights([-1.0, 2.0], rows=2, window="w")
    with pytest.raises(MisalignedError, match="not all of them 0"):
        row_weights([0.0, 0.0], rows=2, window="w")
    with pytest.raises(NotFiniteError):
        row_weights([np.nan, 1.0], rows=2, window="w")
    with pytest.raises(MisalignedError, match="lengths"):
        row_weights([1.0], rows=2, window="w")


@pytest.mark.parametrize(
    ("metric", "kind"),
    [("precision", 1), ("recall", 1), ("f1", 1), ("macro_f1", 3), ("r2", 0), ("accuracy", 3)],
)
def test_every_metric_of_ours_can_be_compared_and_weighted(metric, kind):
    rng = np.random.default_rng(1)
    rows, day = 1200, np.arange(1200) // 40
    label = rng.integers(0, max(kind, 2), rows).astype(float) if kind else rng.normal(size=rows)
    if kind == 3:
        sharp = np.full((rows, 3), 0.1)
        sharp[np.arange(rows), label.astype(int)] = 0.8
        dull = rng.dirichlet(np.ones(3), rows)
    elif kind:
        sharp, dull = np.where(label == 1, 0.8, 0.2), rng.random(rows)
    else:
        sharp, dull = label + 0.1 * rng.normal(size=rows), label + rng.normal(size=rows)
    found = paired_comparison(
        PairedRows(labels=label, champion=dull, challenger=sharp, blocks=day,
                   weights=rng.exponential(size=rows)),
        ComparisonPlan(metric=metric),
    )  # fmt: skip
    assert (found.state, found.metric) == ("better", metric)


def crossed_rows(seed, *, days=30, people=30):
    """One row of each person on each day: errors of the day, of the person and of the row."""
    rng = np.random.default_rng(seed)
    day, who = np.divmod(np.arange(days * people), people)
    error = rng.normal(size=days)[day] + rng.normal(size=people)[who] + rng.normal(size=len(day))
    return day, who, error


def test_rows_of_one_day_and_of_one_person_at_once_keep_the_promise_of_the_interval():
    held = {"crossed": 0, "days": 0}
    for seed in range(200):
        day, who, value = crossed_rows(seed)
        one = [mean_with_interval("m", value, blocks) for blocks in blockings(day, who)]
        low, high = crossed_bounds(one[0].value, [(e.low, e.high) for e in one])
        held["crossed"] += low <= 0.0 <= high
        held["days"] += one[0].low <= 0.0 <= one[0].high
    assert held["crossed"] >= 178
    assert held["days"] < 178  # days alone would promise too much


def test_an_equal_challenger_wins_in_at_most_alpha_of_the_cases_where_two_things_hang_together():
    won = {True: 0, False: 0}
    for seed in range(200):
        day, who, favour = crossed_rows(seed)
        zero = np.zeros(len(day))
        for groups in (who, None):
            rows = PairedRows(labels=zero, champion=zero, challenger=favour, blocks=day,
                              groups=groups)  # fmt: skip
            found = paired_comparison(rows, ComparisonPlan(metric="mean_loss", draws=400))
            won[groups is not None] += found.state == "better"
            if found.state == "better":
                assert found.p_value < 0.06
    assert won[True] <= 20  # 10 are promised at most; 20 is more than three standard errors above
    assert won[False] > 20
