"""Reports of windows: figures with intervals from what was known, answered again later."""

from datetime import UTC, datetime

import msgspec
import polars as pl
import pytest
from served_world import START, days_of_rows

from tidemill.core.errors import NotFoundError
from tidemill.core.query import Figure, Query, Where
from tidemill.core.times import parse_window
from tidemill.lineage.refs import ref_name, resolve, versions
from tidemill.practices.drift.tested_days import performance_days
from tidemill.practices.monitoring.figures import computed_report, report_window
from tidemill.practices.monitoring.judging import Judging
from tidemill.practices.monitoring.labels import add_labels
from tidemill.practices.monitoring.report import read_report
from tidemill.practices.monitoring.window_rows import judged_rows, labelled_rows, window_rows

APRIL = datetime(2013, 4, 1, tzinfo=UTC)
MAY = datetime(2013, 5, 1, tzinfo=UTC)
JUNE = datetime(2013, 6, 1, tzinfo=UTC)


@pytest.fixture
def served(world):
    world.deploy(world.train(days_of_rows(START, 10)))
    return world


def told(rows, label="late"):
    return rows.select("flight", label=label)


def test_a_report_joins_predictions_with_the_labels_known_by_then(served) -> None:
    rows = days_of_rows(APRIL, 10)
    served.predict(rows)
    add_labels(served.record, "delay", told(rows[:300]), key="flight", at=MAY)
    add_labels(served.record, "delay", told(rows[300:]), key="flight", at=JUNE)
    half = report_window(served.record, "delay", window="2013-04", at=MAY)
    whole = report_window(served.record, "delay", window="2013-04", at=JUNE)
    assert (half.rows, half.labelled) == (600, 300)
    assert (whole.rows, whole.labelled) == (600, 600)
    assert any("300 answered rows had no label" in note for note in half.notes)
    auc = whole.primary
    assert auc.method == "block-bootstrap"
    assert 0.7 < auc.low < auc.value < auc.high < 0.95
    assert {s.column for s in whole.slices} == {"carrier"}
    assert sum(s.rows for s in whole.slices) == 600
    assert [day.rows for day in whole.days] == [60] * 10
    assert "auc" in str(whole)


def test_the_same_question_is_answered_from_the_record(served) -> None:
    rows = days_of_rows(APRIL, 3)
    served.predict(rows)
    add_labels(served.record, "delay", told(rows), key="flight", at=MAY)
    first = report_window(served.record, "delay", window="2013-04", at=MAY)
    again = report_window(served.record, "delay", window="2013-04", at=JUNE)
    assert again == first
    ref = ref_name(served.record, "report", "delay")
    assert len(versions(served.record, ref)) == 1
    version = resolve(served.record, "report:delay")
    assert read_report(served.record, version.artifact) == first
    figures = served.record.ports.ledger.find(
        Query(Figure, where=(Where("run", "=", version.run), Where("key", "=", "auc")))
    )
    assert [figure.value for figure in figures] == [first.primary.value]


def test_operation_is_told_from_the_log(served) -> None:
    served.predict(days_of_rows(APRIL, 1, rows=80))
    served.predict(days_of_rows(APRIL, 1, rows=3, seed=2), status="rejected")
    report = report_window(served.record, "delay", window="2013-04", at=MAY)
    assert report.figure("requests").value == 3
    assert report.figure("rows").value == 83
    assert report.figure("rows_rejected").value == 3
    assert report.figure("latency_p99").value == 0.5
    assert report.labelled == 0
    assert report.primary is None


def test_a_window_with_one_class_only_still_has_its_other_figures(served) -> None:
    rows = days_of_rows(APRIL, 3).with_columns(late=pl.lit(0))
    served.predict(rows)
    add_labels(served.record, "delay", told(rows), key="flight", at=MAY)
    report = report_window(served.record, "delay", window="2013-04", at=MAY)
    assert report.primary.value is None
    assert report.primary.why
    assert report.figure("brier").value > 0


def test_models_of_one_window_are_told_apart(served) -> None:
    served.predict(days_of_rows(APRIL, 3))
    second = served.train(days_of_rows(START, 10, seed=5), seed=5)
    served.deploy(second, at=datetime(2013, 4, 4, tzinfo=UTC))
    rows = days_of_rows(datetime(2013, 4, 4, tzinfo=UTC), 3)
    served.predict(rows)
    add_labels(served.record, "delay", told(rows), key="flight", at=MAY)
    report = report_window(served.record, "delay", window="2013-04", at=MAY)
    assert [(p.model, p.rows, p.labelled) for p in report.parts] == [
        ("model:delay@1", 180, 0), ("model:delay@2", 180, 180),
    ]  # fmt: skip
    assert "answered by" in str(report)


def test_business_figures_of_the_project_are_in_the_report(served) -> None:
    (served.root / "worth.py").write_text(
        "import polars as pl\n"
        "from tidemill.practices.monitoring.business import business_figure\n"
        "@business_figure(name='saved', unit='minutes', bounds=(-5, 20))\n"
        "def saved(rows):\n"
        "    right = (rows['decision'] == 1) & (rows['label'] == 1)\n"
        "    return pl.select(pl.when(right).then(20.0).otherwise(-1.0)).to_series()\n"
        "@business_figure()\n"
        "def broken(rows):\n"
        "    return rows['no such column']\n"
    )
    rows = days_of_rows(APRIL, 10)
    served.predict(rows)
    add_labels(served.record, "delay", told(rows), key="flight", at=MAY)
    report = report_window(served.record, "delay", window="2013-04", at=MAY)
    saved = report.figure("saved")
    assert saved.unit == "minutes"
    assert saved.low < saved.value < saved.high
    assert any("broken" in note for note in report.notes)


def test_a_window_without_predictions_is_not_found(served) -> None:
    with pytest.raises(NotFoundError, match="no sealed predictions"):
        report_window(served.record, "delay", window="2013-04", at=MAY)


def judged_as(world, **judging):
    """The window of April, judged as an evaluation with other weights and groups would be."""
    rows = window_rows(world.record, "delay", parse_window("2013-04"), MAY)
    return msgspec.structs.replace(rows, judging=Judging(**judging))


def test_a_window_follows_the_weight_and_the_groups_of_the_evaluation(served) -> None:
    rows = days_of_rows(APRIL, 12)
    served.predict(rows)
    add_labels(served.record, "delay", told(rows), key="flight", at=MAY)
    window = judged_as(served, group="carrier", weight="load")
    report = computed_report(served.record, window)
    assert (report.group, report.weight) == ("carrier", "")
    assert "rows of one day and of one carrier hang together" in str(report)
    assert report.figure("brier").method == "crossed blocks"
    assert any("weighted by load, which is not logged" in note for note in report.notes)
    frame = labelled_rows(served.record, window).collect().with_columns(pl.col("x").abs())
    weighed = judged_rows(judged_as(served, weight="x"), frame, window="April")
    assert weighed.weights.tolist() == frame["x"].to_list()
    plain = computed_report(served.record, judged_as(served))
    assert weighed.primary().value != plain.primary.value


def test_performance_weighted_by_what_is_not_logged_is_not_tested(served) -> None:
    served.predict(days_of_rows(APRIL, 2))
    tested = performance_days(judged_as(served, weight="load"), None, pl.DataFrame())
    assert "weighted by load, which is not logged" in tested.why_not
