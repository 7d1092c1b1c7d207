"""What can be done about drift: test a window, show detectors, list and resolve alerts."""

from __future__ import annotations

from pathlib import Path
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
from tidemill.practices.monitoring.deployments import require_deployment

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.lineage.record import Record
    from tidemill.practices.drift.pair_results import WindowPair
    from tidemill.practices.drift.states import Detector


def test_drift(
    record: Record,
    name: str,
    *,
    window: str,
    reference: str = "",  # noqa: PT028 - it tests a window, it is no test
    at: datetime | None = None,  # noqa: PT028 - as above
) -> DriftResult:
    """Test a window for drift of data and of performance; a window is tested once.

    It fails where there is an alarm, and where a check could not run for a reason that somebody
    must mend; one that only waits for more days or labels fails nothing.

    Args:
        name: of the deployment.
        window: of effective time: 2013-04, 2013-04-07 or START..END; it must be over.
        reference: a window before, for a model that came without sample and report; left out,
            it is everything before.
        at: effective time; labels that arrived later are not seen.
    """
    from tidemill.practices.drift.testing import drift_of_window  # noqa: PLC0415 - heavy

    return drift_of_window(record, name, window=window, reference=reference, at=at)


vars(test_drift)["__test__"] = False  # pytest takes the name for that of a test


def compare_windows(  # noqa: PLR0913 - two windows, their blocks, what to compare, the promise
    record: Record,
    old: object,
    new: object,
    *,
    time: str = "",
    group: str = "",
    columns: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
    alpha: float = 0.01,
    least: float = 0.0,
) -> WindowPair:
    """Compare two windows of rows column by column: what has drifted, and how far.

    Nothing is kept. A pair without a change is told to have one in at most `alpha` of all cases.

    Args:
        old: file, frame or data version, like data:sales@1.
        new: file, frame or data version.
        time: column of times; rows of one day may then hang together.
        group: column of entities, whose rows may hang together.
        columns: to compare; left out, all that both have.
        without: columns to leave out.
        alpha: the promised share of false verdicts.
        least: a smaller population stability index is no drift.
    """
    from tidemill.practices.drift.pair import compared_windows  # noqa: PLC0415 - heavy
    from tidemill.practices.monitoring.labels import named_frame  # noqa: PLC0415 - heavy
    from tidemill.practices.versioning.data import scan_data  # noqa: PLC0415 - heavy

    windows = []
    for given, name in ((old, "the old window"), (new, "the new window")):
        if isinstance(given, str) and given.startswith("data:"):
            windows.append((given, scan_data(record, given).collect(engine="streaming")))
        else:
            spelled = Path(given).name if isinstance(given, str | Path) else name
            windows.append((spelled, named_frame(record, given)[0]))
    return compared_windows(
        windows[0], windows[1], time=time, group=group, columns=columns, without=without,
        alpha=alpha, least=least,
    )  # fmt: skip


def show_drift(record: Record, name: str) -> DriftStatus:
    """Show where the detectors of a deployment stand.

    Args:
        name: of the deployment.
    """
    from tidemill.practices.drift.states import detectors  # noqa: PLC0415 - heavy

    require_deployment(record, name)
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
    if name:
        require_deployment(record, name)
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
        failed=lambda result: result.has_failed,
    ),
    Operation(
        function=compare_windows,
        command=("drift", "compare"),
        begins=True,
        examples=("tidemill drift compare january.csv june.csv --time at",),
        failed=lambda pair: pair.state != "pass",
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
