"""Gates on a report: the worse bound decides, and every gate says measured, interval, bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.task import Task
from tidemill.practices.integration.bounds import Bounds, bounds_of
from tidemill.practices.integration.report_gates import report_findings
from tidemill.practices.monitoring.report import Report, ReportFigure, SliceReport

BINARY = Task(kind="binary", label="y")


def figure(name="auc", value=0.7, half=0.02, **given) -> ReportFigure:
    low, high = (None, None) if half is None else (value - half, value + half)
    return ReportFigure(**({"name": name, "value": value, "low": low, "high": high} | given))


def report(*figures, slices=(), task=BINARY) -> Report:
    return Report(
        task=task, window="held out", rows=1000, labelled=1000, loss="brier", figures=figures,
        slices=slices,
    )  # fmt: skip


def part(level: str, value: float, rows=400, half=0.05) -> SliceReport:
    own = ReportFigure(name="auc", value=value, low=value - half, high=value + half, rows=rows)
    return SliceReport(column="carrier", level=level, rows=rows, figures=(own,))


def findings(made: Report, **bounds):
    return {f.rule: f for f in report_findings(made, Bounds(**bounds))}


@given(st.floats(0.5, 0.9), st.floats(0.0, 0.1), st.floats(0.5, 0.9))
def test_a_bound_is_kept_by_the_whole_interval_not_by_the_estimate(value, half, bound) -> None:
    found = findings(report(figure(value=value, half=half)), metrics={"min_auc": bound})["min_auc"]
    assert (found.state == "pass") == (value - half >= bound)
    assert found.measured == value
    assert found.interval == (value - half, value + half)
    assert found.bound.startswith(">=")
    if value >= bound > value - half:
        assert "few rows" in found.what


def test_losses_are_bounded_from_above() -> None:
    made = report(figure("log_loss", 0.4), figure("calibration_error", 0.02, None))
    assert findings(made, metrics={"max_log_loss": 0.43})["max_log_loss"].state == "pass"
    assert findings(made, metrics={"max_log_loss": 0.41})["max_log_loss"].state == "fail"


def test_a_metric_that_was_not_measured_has_not_passed() -> None:
    found = findings(report(figure("brier")), metrics={"min_auc": 0.6})
    assert found["min_auc"].state == "not_run"
    assert "brier" in found["min_auc"].what
    assert found["calibration"].state == "not_run"


@pytest.mark.parametrize(("error", "state"), [(0.05, "pass"), (0.2, "fail")])
def test_calibration(error: float, state: str) -> None:
    assert findings(report(figure("calibration_error", error, None)))["calibration"].state == state


def test_a_regression_has_no_calibration_and_its_usual_bound() -> None:
    task = Task(kind="regression", label="y")
    found = findings(report(figure("r2", 0.3), task=task))
    assert set(found) == {"min_r2"}
    assert found["min_r2"].state == "pass"


def test_a_bound_that_only_other_kinds_of_tasks_have_is_told_and_the_usual_one_holds() -> None:
    task = Task(kind="multiclass", label="y", classes=("a", "b", "c"))
    made = report(figure("accuracy", 0.4), figure("calibration_error", 0.0, None), task=task)
    found = findings(made, metrics={"min_auc": 0.6})
    assert (found["bounds"].state, found["min_accuracy"].state) == ("warn", "fail")
    both = findings(made, metrics={"min_auc": 0.6, "min_accuracy": 0.3})
    assert both.keys() == {"min_accuracy", "calibration"}
    assert both["min_accuracy"].state == "pass"
    assert findings(made, metrics={"min_acuracy": 0.3})["min_acuracy"].state == "not_run"


@given(st.floats(1e-3, 1e6))
def test_gaps_of_an_error_in_the_units_of_the_label_are_shares_of_the_whole(unit: float) -> None:
    task = Task(kind="regression", label="y")
    whole = figure("mean_absolute_error", 2.0 * unit, 0.01 * unit)
    slices = tuple(part(str(n), value * unit, half=0.05 * unit) for n, value in ((1, 2), (2, 4)))
    found = findings(report(whole, slices=slices, task=task))["slices"]
    assert (found.state, found.measured) == ("fail", pytest.approx(1.0))
    assert found.bound == "gap <= 0.1 of the whole"


@pytest.mark.parametrize(
    ("value", "half", "state"), [(0.65, 0.05, "pass"), (0.55, 0.2, "warn"), (0.4, 0.05, "fail")]
)
def test_the_worst_slice_decides_beyond_doubt(value, half, state) -> None:
    made = report(figure(), slices=(part("UA", 0.7), part("AA", value, half=half)))
    found = findings(made)["slices"]
    assert found.state == state
    assert ("carrier = AA" in found.what) == (state != "x")


def test_slices_of_few_rows_are_not_judged() -> None:
    made = report(figure(), slices=(part("AA", 0.1, rows=10),))
    assert findings(made)["slices"].state == "warn"


@pytest.mark.parametrize(
    ("levels", "bound", "fix"),
    [
        ({"AA": 60, "(other)": 90}, 200, "lower min_slice_rows in [gates], or"),
        ({"(other)": 90}, 200, "lower min_slice_rows in evaluate(...) and in [gates], or"),
        ({"(other)": 90}, 20, "evaluate(..., min_slice_rows=20) tells smaller levels apart, or"),
    ],
)
def test_where_no_slice_is_judged_the_fix_names_the_bound_that_is_in_the_way(
    levels, bound, fix
) -> None:
    slices = tuple(part(level, 0.6, rows=rows) for level, rows in levels.items())
    found = findings(report(figure(), slices=slices), min_slice_rows=bound)["slices"]
    assert (found.state, found.fix.startswith(fix)) == ("warn", True)


def test_levels_that_the_evaluation_put_together_below_the_gates_own_bound_are_told() -> None:
    made = report(figure(), slices=(part("AA", 0.7), part("(other)", 0.7)))
    told = "levels under 50 rows are in (other) and not judged: evaluate(..., min_slice_rows=20)"
    assert told in findings(made, min_slice_rows=20)["slices"].what
    assert "not judged" not in findings(made, min_slice_rows=50)["slices"].what


@pytest.mark.parametrize(
    ("slices", "told"),
    [
        (("AA",), "carrier = AA, the only slice that is large enough, has auc 0.6"),
        (("AA", "(other)"), "carrier = AA, the only slice that is large enough, has auc 0.6"),
        (("AA", "UA"), "the worst of 2 slices, carrier = AA, has auc 0.6"),
        (("(other)",), "no slice of carrier is large enough to be judged; (other) holds its small"),
    ],
)
def test_slices_are_told_by_their_number_and_other_is_none(slices, told) -> None:
    found = findings(report(figure(), slices=tuple(part(level, 0.6) for level in slices)))
    assert told in found["slices"].what
    assert (found["slices"].state == "warn") == ("no slice" in told)


def test_with_more_slices_each_needs_a_clearer_gap() -> None:
    one = report(figure(), slices=(part("bad", 0.53, half=0.08),))
    many = report(
        figure(), slices=(part("bad", 0.53, half=0.08), *(part(str(n), 0.7) for n in range(200)))
    )
    assert findings(one)["slices"].state in {"fail", "warn"}
    assert findings(many)["slices"].state == "warn"


def test_a_gap_between_slices_that_is_bounded_but_was_never_measured_has_not_passed() -> None:
    asked = bounds_of({"max_slice_gap": 0.1})
    found = {one.rule: one for one in report_findings(report(figure()), asked)}["slices"]
    assert (found.state, found.bound) == ("not_run", "gap <= 0.1")
    assert "evaluate(..., slices=" in found.fix
    assert "slices" not in findings(report(figure()))
