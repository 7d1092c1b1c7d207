"""Intervals of rows in few groups cover the truth about as often as they say."""

import math

import numpy as np
import pytest

from tidemill.core.task import Task
from tidemill.kernels.regression_metrics import regression_metrics
from tidemill.kernels.task_metrics import task_estimates

RUNS = 300
SLACK = 2.6 * math.sqrt(0.95 * 0.05 / RUNS)
"""So far from 95 % a simulation of so many runs may be by chance."""


def _groups(groups: int, rows: int = 10) -> np.ndarray:
    return np.repeat(np.arange(groups), rows)


@pytest.mark.parametrize("groups", [12, 40])
@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_of_losses_cover_at_few_groups(groups: int, weighted: bool) -> None:
    rng = np.random.default_rng(11)
    blocks, spread = _groups(groups), 0.8
    rows = len(blocks)
    total = math.sqrt(spread**2 + 1.0)
    truth = {
        "mean_absolute_error": total * math.sqrt(2 / math.pi), "root_mean_squared_error": total
    }  # fmt: skip
    task = Task(kind="regression", label="y")
    covered = dict.fromkeys(truth, 0)
    for _ in range(RUNS):
        error = rng.normal(size=groups)[blocks] * spread + rng.normal(size=rows)
        label = rng.normal(size=rows)
        found = (
            task_estimates(task, label, label + error, blocks, window="w", weights=np.ones(rows))
            if weighted
            else regression_metrics(label, label + error, blocks=blocks)
        )
        for one in found:
            if one.metric in truth:
                covered[one.metric] += one.low <= truth[one.metric] <= one.high
    for metric, count in covered.items():
        assert 0.93 <= count / RUNS <= 0.99, (metric, count / RUNS)


@pytest.mark.parametrize("groups", [12, 40])
def test_intervals_of_ranking_and_probabilities_stay_near_95_percent(groups: int) -> None:
    rng = np.random.default_rng(6)
    blocks = _groups(groups, 20)
    task = Task(kind="binary", label="y")

    def sample(blocks: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        z = 0.5 * rng.normal(size=count)[blocks] + rng.normal(size=len(blocks))
        score = 1.0 / (1.0 + np.exp(-rng.normal(size=len(blocks)) - 0.7 * z))
        return (rng.random(len(blocks)) < 1.0 / (1.0 + np.exp(-z))).astype(float), score

    many = np.repeat(np.arange(5000), 20)
    label, score = sample(many, 5000)
    truth = {
        one.metric: one.value
        for one in task_estimates(task, label, score, np.zeros(len(many)), window="w")
    }
    covered = dict.fromkeys(["auc", "brier"], 0)
    for _ in range(RUNS):
        label, score = sample(blocks, groups)
        for one in task_estimates(task, label, score, blocks, window="w"):
            if one.metric in covered:
                covered[one.metric] += one.low <= truth[one.metric] <= one.high
    for metric, count in covered.items():
        assert 0.95 - SLACK <= count / RUNS <= 0.95 + SLACK, (metric, count / RUNS)


def test_intervals_of_losses_are_finite_where_groups_are_alike_or_errors_are_none() -> None:
    blocks = _groups(9, 2)
    label = np.arange(18.0)
    for error in (0.0, 1.0):
        for one in regression_metrics(label, label + error, blocks=blocks)[:2]:
            assert one.value == pytest.approx(error)
            assert one.low == pytest.approx(error)
            assert one.high == pytest.approx(error)
