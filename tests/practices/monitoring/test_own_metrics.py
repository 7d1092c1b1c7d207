"""Metrics of one's own, and rows of entities that hang together."""

import numpy as np
import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.core.task import Task
from tidemill.practices.integration.bounds import Bounds
from tidemill.practices.integration.report_gates import report_findings
from tidemill.practices.monitoring.evaluation import report_of
from tidemill.practices.monitoring.own_metrics import Metric, metric

REGRESSION = Task(kind="regression", label="y", metric="within_one")


@metric(higher_is_better=True)
def within_one(rows):
    return ((rows["label"] - rows["prediction"]).abs() < 1).mean()


def answered(people, visits, *, seed, hang=1.0):
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), visits)
    error = hang * rng.normal(size=people)[who] + 0.3 * rng.normal(size=len(who))
    label = rng.normal(size=len(who)) * 3
    return pl.DataFrame({"who": who, "label": label, "score": label + error})


def test_a_metric_of_ones_own_decides_and_is_gated_by_its_worse_bound():
    report = report_of(REGRESSION, answered(500, 1, seed=0), metrics=[within_one])
    assert report.primary.name == "within_one"
    assert report.primary.low < report.primary.value < report.primary.high
    findings = report_findings(report, Bounds(metrics={"min_within_one": report.primary.value}))
    assert {f.rule: f.state for f in findings}["min_within_one"] == "fail"
    low = report_findings(report, Bounds(metrics={"min_within_one": report.primary.low}))
    assert {f.rule: f.state for f in low}["min_within_one"] == "pass"


def test_intervals_of_groups_hold_where_those_of_rows_do_not():
    truth = float(np.sqrt(2 / np.pi) * np.sqrt(1.09))  # mean absolute error of N(0, 1 + 0.09)
    held = {"who": 0, "": 0}
    for seed in range(120):
        rows = answered(40, 25, seed=seed)
        for group in held:
            task = Task(kind="regression", label="y")
            figure = report_of(task, rows, group=group).figure("mean_absolute_error")
            held[group] += figure.low <= truth <= figure.high
    assert held["who"] >= 104  # 114 are promised; 104 is four standard errors below
    assert held[""] < 60


def test_many_groups_are_dealt_into_blocks_as_a_whole():
    rows = answered(3000, 2, seed=1)
    figure = report_of(Task(kind="regression", label="y"), rows, group="who").figure("r2")
    assert figure.method == "block-bootstrap"


def test_a_metric_that_fails_is_named():
    broken = Metric(lambda rows: rows["nothing"].sum(), name="broken", higher_is_better=True)
    with pytest.raises(InvalidInputError, match=r"the metric broken \(.*\) failed"):
        report_of(REGRESSION, answered(50, 1, seed=0), metrics=[broken])


def test_rows_without_times_tell_days_of_random_parts():
    days = report_of(Task(kind="regression", label="y"), answered(300, 1, seed=0)).days
    assert len(days) == 15
    assert {day.rows for day in days} == {20}


def test_a_metric_finds_the_label_by_its_own_name_also_where_rows_are_sealed_without_it():
    by_name = Metric(lambda rows: rows["y"].mean(), name="mean_y", higher_is_better=True)
    report = report_of(REGRESSION, answered(50, 1, seed=0), metrics=[within_one, by_name])
    assert report.figure("mean_y").value is not None
