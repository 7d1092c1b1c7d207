"""What can be done about drift: test a window, show detectors, list and resolve alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.operation import Kind, Operation
from tidemill.lineage.artifacts import read_value
from tidemill.practices.drift.alerts import Alerts, find_alerts, resolve_alert
from tidemill.practices.drift.results import (
    DATA,
    PERFORMANCE,
    DetectorStatus,
    DriftCheck,
    DriftResult,
    DriftStatus,
    ReferenceView,
)

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.lineage.record import Record
    from tidemill.practices.drift.states import Detector


def test_drift(
    record: Record,
    name: str,
    *,
    window: str,
    at: datetime | None = None,  # noqa: PT028 - it tests a window, it is no test
) -> DriftResult:
    """Test a window for drift of data and of performance; a window is tested once.

    Args:
        name: of the deployment.
        window: of effective time: 2013-04, 2013-04-07 or START..END; it must be over.
        at: effective time; labels that arrived later are not seen.
    """
    from tidemill.practices.drift.testing import drift_of_window  # noqa: PLC0415 - heavy

    return drift_of_window(record, name, window=window, at=at)


vars(test_drift)["__test__"] = False  # pytest takes the name for that of a test


def show_drift(record: Record, name: str) -> DriftStatus:
    """Show where the detectors of a deployment stand.

    Args:
        name: of the deployment.
    """
    from tidemill.practices.drift.states import detectors  # noqa: PLC0415 - heavy

    return DriftStatus(
        name=name,
        detectors=tuple(
            DetectorStatus(
                check=d.check, model=d.model_version, window=d.window, days=d.state.days,
                alarms=d.state.alarms, evidence=d.evidence, threshold=d.threshold,
            )
            for check in (DATA, PERFORMANCE)
            for d in detectors(record, name, check)
        ),
    )  # fmt: skip


def list_alerts(record: Record, name: str = "", *, all: bool = False) -> Alerts:  # noqa: A002
    """List the open alerts, newest first.

    Args:
        name: of the deployment; left out: of all.
        all: list resolved ones too.
    """
    return Alerts(alerts=find_alerts(record, name, only_open=not all))


def show_check(record: Record, artifact: Artifact) -> DriftCheck:
    """Return what a drift test of a window said."""
    return read_value(record, artifact, DriftCheck)


def show_detector(record: Record, artifact: Artifact) -> Detector:
    """Return where a detector stands."""
    from tidemill.practices.drift import states  # noqa: PLC0415 - brings Polars

    return read_value(record, artifact, states.Detector)


def show_reference(record: Record, artifact: Artifact) -> ReferenceView:
    """Return what the days of a model are tested against."""
    from tidemill.practices.drift.reference import Reference  # noqa: PLC0415 - brings Polars

    held = read_value(record, artifact, Reference)
    return ReferenceView(
        model=held.model, days=held.days, rows_a_day=held.rows_a_day, made_from=held.made_from,
        threshold=held.detector.threshold, notes=held.notes,
        watched=held.watched.names if held.watched else ("performance",),
    )  # fmt: skip


OPERATIONS = (
    Operation(
        function=test_drift,
        command=("drift", "test"),
        role="contributor",
        examples=("tidemill drift test delay --window 2013-06 --at 2013-07-03",),
        failed=lambda result: result.has_alarm,
    ),
    Operation(
        function=show_drift,
        command=("drift", "show"),
        examples=("tidemill drift show delay",),
    ),
    Operation(
        function=list_alerts,
        command=("alert", "list"),
        examples=("tidemill alert list delay",),
    ),
    Operation(
        function=resolve_alert,
        command=("alert", "resolve"),
        role="contributor",
        examples=('tidemill alert resolve 4f1c09aa --because "trained again on June"',),
    ),
)
KINDS = (
    Kind(name="drift", what="what a drift test of a window said", show=show_check),
    Kind(name="detector", what="where a drift detector stands", show=show_detector),
    Kind(
        name="drift_reference", what="the days that a model is tested against", show=show_reference
    ),
)
