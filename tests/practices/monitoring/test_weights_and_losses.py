"""Weights, entities and losses of one's own in reports, gates and daily losses."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.core.task import Task
from tidemill.practices.integration.bounds import Bounds
from tidemill.practices.integration.report_gates import report_findings
from tidemill.practices.monitoring.business import business_figure
from tidemill.practices.monitoring.evaluation import evaluate, report_of
from tidemill.practices.monitoring.own_losses import Loss, loss
from tidemill.practices.monitoring.own_metrics import metric

NUMBERS = Task(kind="regression", label="y")


@loss
def twice_if_low(rows):
    """Telling too little costs twice as much as telling too much."""
    error = rows["label"] - rows["prediction"]
    return pl.select(pl.when(error > 0).then(2 * error).otherwise(-error)).to_series()


@metric(higher_is_better=False)
def weighted_bias(rows):
    error = rows["prediction"] - rows["label"]
    return (error * rows["sample_weight"]).sum() / rows["sample_weight"].sum()


@business_figure(unit="euro", summary="sum")
def worth(rows):
    return rows["label"]


def answered(rows=600, *, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.normal(size=rows)
    days = pl.datetime_range(
        pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 20), interval="1d", eager=True
    )
    return pl.DataFrame(
        {"label": label, "score": label + rng.normal(0.3, 1, rows), "w": rng.exponential(size=rows),
         "store": rng.integers(0, 40, rows), "part": rng.choice(["a", "b"], rows),
         "when": days.sample(rows, with_replacement=True, seed=seed)}
    )  # fmt: skip


def test_metrics_slices_business_figures_and_days_are_weighted():
    rows = answered()
    report = report_of(
        NUMBERS, rows, weight="w", time="when", slices=["part"], business=[worth],
        metrics=[weighted_bias],
    )  # fmt: skip
    error = (rows["score"] - rows["label"]).abs().to_numpy()
    weights = rows["w"].to_numpy()
    mean = np.average(error, weights=weights)
    figure = report.figure("mean_absolute_error")
    assert figure.value == pytest.approx(mean)
    assert figure.low < mean < figure.high
    part = next(one for one in report.slices if one.level == "a")
    is_a = (rows["part"] == "a").to_numpy()
    assert part.figures[0].value == pytest.approx(np.average(error[is_a], weights=weights[is_a]))
    label = rows["label"].to_numpy()
    assert part.figures[1].value == pytest.approx(np.average(label[is_a], weights=weights[is_a]))
    assert report.figure("worth").value == pytest.approx(weights @ label)
    bias = np.average((rows["score"] - rows["label"]).to_numpy(), weights=weights)
    assert report.figure("weighted_bias").value == pytest.approx(bias)
    first = report.days[0]
    own = (rows["when"].cast(pl.String).str.starts_with(first.day)).to_numpy()
    assert first.loss == pytest.approx(np.average(error[own], weights=weights[own]))
    assert first.labels[0] == pytest.approx(np.average(label[own], weights=weights[own]))
    assert report.weight == "w"
    assert "weighted by w" in str(report)
    assert any("sample_weight" in note for note in report.notes)


def test_gates_say_by_what_they_are_weighted():
    rows = answered()
    weighted = report_of(NUMBERS, rows, weight="w", slices=["part"])
    told = report_findings(weighted, Bounds(metrics={"max_mean_absolute_error": 9.0}))
    assert [f.rule for f in told if "weighted by w" in f.what] == [f.rule for f in told]
    plain = report_findings(report_of(NUMBERS, rows), Bounds())
    assert not any("weighted" in finding.what for finding in plain)


def test_days_and_entities_at_once_widen_the_interval_and_are_told():
    rng = np.random.default_rng(2)
    rows = answered(900).with_columns(day=pl.col("when").dt.ordinal_day())
    of_day, of_store = rng.normal(size=40), rng.normal(size=40)
    error = of_day[rows["day"].to_numpy()] + of_store[rows["store"].to_numpy()]
    rows = rows.with_columns(score=rows["label"] + pl.Series(error))
    widths = {}
    for given in ({"time": "when"}, {"group": "store"}, {"time": "when", "group": "store"}):
        figure = report_of(NUMBERS, rows, **given).figure("mean_absolute_error")
        widths[len(given), "time" in given] = figure.high - figure.low
    assert widths[2, True] >= max(widths[1, True], widths[1, False])
    both = report_of(NUMBERS, rows, time="when", group="store")
    assert both.figure("r2").method == "crossed blocks"
    assert "rows of one day and of one store hang together" in str(both)


def test_a_loss_of_ones_own_judges_the_days():
    rows = answered()
    task = Task(kind="regression", label="y", loss="twice_if_low")
    report = report_of(task, rows, time="when", loss=twice_if_low)
    assert report.loss == "twice_if_low"
    whole = np.average([d.loss for d in report.days], weights=[d.rows for d in report.days])
    lost = twice_if_low.row_values(rows.rename({"score": "prediction"}))
    assert whole == pytest.approx(lost.mean())
    assert report_of(NUMBERS, rows, loss=loss(name="x")(lambda r: r["label"] * 0)).loss == "x"


def test_a_loss_that_the_task_names_must_be_given_and_ours_need_not():
    rows = answered()
    with pytest.raises(InvalidInputError, match=r"loss=twice_if_low"):
        report_of(Task(kind="regression", label="y", loss="twice_if_low"), rows)
    ours = report_of(Task(kind="regression", label="y", loss="squared_error"), rows)
    assert ours.loss == "squared_error"
    squares = ((rows["score"] - rows["label"]) ** 2).mean()
    told = np.average([d.loss for d in ours.days], weights=[d.rows for d in ours.days])
    assert told == pytest.approx(squares)


@pytest.mark.parametrize(
    ("function", "match"),
    [(lambda rows: rows["nothing"], r"the loss bad \(.*\) failed"),
     (lambda rows: rows["label"].sum(), r"values of shape \(\)"),
     (lambda rows: rows["label"] * float("nan"), "or NaN")],
)  # fmt: skip
def test_a_loss_that_does_not_fit_is_named(function, match):
    with pytest.raises(InvalidInputError, match=match):
        report_of(NUMBERS, answered(), loss=Loss(function, name="bad"))


@pytest.mark.parametrize(
    ("given", "match"),
    [({"weight": "wi"}, "did you mean 'w'"), ({"weight": "part"}, "it is no weight"),
     ({"group": "stor"}, "did you mean 'store'")],
)  # fmt: skip
def test_a_column_that_is_no_weight_or_group_is_named(given, match):
    with pytest.raises(InvalidInputError, match=match):
        report_of(NUMBERS, answered(), **given)


def test_evaluate_takes_functions_by_name_and_the_report_keeps_where_they_are(world, days_of_rows):
    rows = days_of_rows(datetime(2013, 1, 1, tzinfo=UTC), 12).with_columns(w=pl.lit(2.0))
    world.train(rows)
    report = evaluate(
        world.model, rows, time="when", weight="w", group="carrier", loss=brier_like,
        metrics=weighted_bias,
    )  # fmt: skip
    assert [(one.what, one.name) for one in report.own] == [
        ("metric", "weighted_bias"), ("loss", "brier_like"),
    ]  # fmt: skip
    assert report.own[1].path.endswith(":brier_like")
    assert (report.weight, report.group, report.loss) == ("w", "carrier", "brier_like")


@loss
def brier_like(rows):
    return (rows["label"] - rows["prediction"]) ** 2
