"""What can be done in monitoring: collect predictions, add labels, report windows, find one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.operation import Kind, Operation
from tidemill.core.text import spell
from tidemill.lineage.artifacts import read_value
from tidemill.lineage.changes import Part, changes
from tidemill.lineage.located import Located
from tidemill.practices.monitoring.agreement import feature_agreement
from tidemill.practices.monitoring.deployments import WATCHED, ServedModel
from tidemill.practices.monitoring.elsewhere import OUTSIDE, OutsideModel, add_predictions
from tidemill.practices.monitoring.feature_values import feature_origins
from tidemill.practices.monitoring.figures import report_window
from tidemill.practices.monitoring.labels import add_labels
from tidemill.practices.monitoring.open_days import collect_days
from tidemill.practices.monitoring.predictions import (
    Prediction,
    described,
    find_prediction,
)
from tidemill.practices.monitoring.report import Report, ReportFigure
from tidemill.practices.monitoring.revisions import brought_by, revision_lines
from tidemill.practices.monitoring.windows import collect, list_windows

if TYPE_CHECKING:
    from tidemill.core.artifact import Artifact
    from tidemill.lineage.record import Record


def show_prediction(record: Record, id: str) -> Prediction:  # noqa: A002 - as people call it
    """Show one prediction: what was asked, what was answered, by whom.

    Args:
        id: the whole id, or its last 8 digits or more.
    """
    return find_prediction(record, id)


def locate_prediction(record: Record, name: str) -> Located:
    """Return a prediction with what made it: its deployment and the features that it used."""
    found = find_prediction(record, name)
    lines = feature_origins(record, found).lines
    return Located(
        title=f"prediction:{found.id}",
        lines=described((*revision_lines(record, found), *lines), found),
        came_from=brought_by(record, found), value=found,
    )  # fmt: skip


def show_report(record: Record, artifact: Artifact) -> Report:
    """Return a report as it was made."""
    return read_value(record, artifact, Report)


def show_watched(record: Record, artifact: Artifact) -> ServedModel:
    """Return what is watched of a model that is served elsewhere."""
    return read_value(record, artifact, ServedModel)


def show_outside(record: Record, artifact: Artifact) -> OutsideModel:
    """Return a model that is known by its name only."""
    return read_value(record, artifact, OutsideModel)


def diff_reports(record: Record, old: Artifact, new: Artifact) -> Part:
    """Return which figures of two reports differ, with their intervals."""
    return changes(
        "of the report", _told(show_report(record, old)), _told(show_report(record, new))
    )


def _told(report: Report) -> dict[str, str]:
    figures = (*report.figures, *report.business)
    return {
        "window": report.window,
        **{f.name: f"{spell(f.value)} {_interval(f)}".rstrip() for f in figures},
    }


def _interval(figure: ReportFigure) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f"({figure.low:.4g} to {figure.high:.4g})"


OPERATIONS = (
    Operation(
        function=collect,
        command=("predictions", "collect"),
        role="contributor",
        examples=("tidemill predictions collect delay --window 2013-04 --at 2013-05-01",),
    ),
    Operation(
        function=collect_days,
        command=("predictions", "collect-days"),
        role="contributor",
        examples=("tidemill predictions collect-days delay --at 2013-05-01",),
    ),
    Operation(
        function=add_predictions,
        command=("predictions", "add"),
        begins=True,
        role="contributor",
        examples=(
            "tidemill predictions add churn answers.csv --key request_id --time at --score score",
        ),
    ),
    Operation(
        function=list_windows,
        command=("predictions", "list"),
        examples=("tidemill predictions list delay",),
    ),
    Operation(
        function=show_prediction,
        command=("predictions", "show"),
        examples=("tidemill predictions show 4f1c09aa",),
    ),
    Operation(
        function=add_labels,
        command=("labels", "add"),
        begins=True,
        role="contributor",
        examples=("tidemill labels add delay landed.csv --key flight_id --at 2013-05-02",),
    ),
    Operation(
        function=feature_agreement,
        command=("monitor", "agreement"),
        failed=lambda agreement: agreement.differing > 0,
        examples=("tidemill monitor agreement delay --window 2013-04 --at 2013-05-01",),
    ),
    Operation(
        function=report_window,
        command=("monitor", "report"),
        role="contributor",
        examples=("tidemill monitor report delay --window 2013-04 --at 2013-05-03",),
    ),
)
KINDS = (
    Kind(name=WATCHED, what="a model that is served elsewhere", show=show_watched),
    Kind(name=OUTSIDE, what="a model that is known by name only", show=show_outside),
    Kind(name="prediction", what="one answer of a model server", locate=locate_prediction),
    Kind(
        name="report",
        what="figures of a model on rows or a window",
        show=show_report,
        diff=diff_reports,
    ),
)
