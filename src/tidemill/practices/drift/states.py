"""Detectors as the record keeps them: one version a tested window, one line of them a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import ArtifactId
from tidemill.core.ref import Version
from tidemill.kernels.e_detector import DetectorState, Outcome, update
from tidemill.lineage.artifacts import find_artifact, put_value, read_value
from tidemill.lineage.refs import ref_name, versions
from tidemill.practices.drift.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from tidemill.core.artifact import Artifact
    from tidemill.core.ref import RefName
    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record

DETECTOR, REFERENCE = "detector", "drift_reference"
DAYS_PER_YEAR = 365.0
MOST_VERSIONS = 100_000


class Detector(msgspec.Struct, frozen=True, kw_only=True):
    """Where a detector stands: its reference by id, what it has seen, on which days."""

    check: str
    model: str
    model_version: str
    reference: ArtifactId
    state: DetectorState
    window: str
    evidence: float
    threshold: float
    days: tuple[str, ...]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A detector with its reference, and the version that holds it; None: it is new."""

    detector: Detector
    reference: Reference
    version: Version | None = None


def detector_ref(record: Record, name: str, check: str) -> RefName:
    """Return the ref of the detectors of a check, `detector:NAME.data`."""
    return ref_name(record, DETECTOR, f"{name}.{check.partition('.')[2]}")


def detector_of(record: Record, name: str, check: str, model: str) -> Known | None:
    """Return the detector of a model as it stands; None: it has seen nothing yet."""
    for version in versions(record, detector_ref(record, name, check), limit=MOST_VERSIONS):
        if version.summary.get("model") == model:
            detector = read_value(record, find_artifact(record, version.artifact), Detector)
            reference = read_value(
                record, find_artifact(record, detector.reference), Reference
            )  # fmt: skip
            return Known(detector=detector, reference=reference, version=version)
    return None


def detectors(record: Record, name: str, check: str) -> list[Detector]:
    """Return the newest detector of each model, the one that moved last first."""
    found: dict[str, Version] = {}
    for version in versions(record, detector_ref(record, name, check), limit=MOST_VERSIONS):
        found.setdefault(str(version.summary.get("model")), version)
    return [read_value(record, find_artifact(record, v.artifact), Detector) for v in found.values()]


def new_detector(
    record: Record, check: str, reference: Reference, model_version: str
) -> tuple[Known, Artifact]:
    """Return a detector that has seen nothing, and the artifact of its reference."""
    artifact = put_value(
        record, REFERENCE, reference, summary={"check": check, "days": reference.days}
    )
    detector = Detector(
        check=check, model=reference.model, model_version=model_version,
        reference=artifact.id, state=DetectorState(), window="", evidence=0.0,
        threshold=reference.detector.threshold, days=(),
    )  # fmt: skip
    return Known(detector=detector, reference=reference), artifact


def put_detector(record: Record, detector: Detector) -> Artifact:
    """Store a detector as it stands now."""
    summary: dict[str, Scalar] = {
        "check": detector.check, "model": detector.model, "window": detector.window,
        "days": detector.state.days, "alarms": detector.state.alarms,
    }  # fmt: skip
    return put_value(record, DETECTOR, detector, summary=summary)


def threshold_of(alarms_per_year: float) -> float:
    """Return the evidence that is an alarm, under a promise of so many false ones a year."""
    return DAYS_PER_YEAR / alarms_per_year


def moved(
    known: Known, days: Iterable[tuple[str, NDArray[np.float64]]], *, window: str, alarms: float
) -> tuple[Detector, list[tuple[str, Outcome]]]:
    """Return the detector after days, and what each day said. Pure: the same days, the same answer.

    Args:
        known: the detector and its reference.
        days: date and scores, in the order of time.
        window: their window.
        alarms: false alarms a year that this detector may raise.
    """
    detector = msgspec.structs.replace(known.reference.detector, threshold=threshold_of(alarms))
    state, evidence = known.detector.state, known.detector.evidence
    outcomes = []
    seen = list(known.detector.days)
    for day, scores in days:
        draw = f"{known.detector.reference} {day}".encode()  # known before the day comes
        state, outcome = update(detector, state, scores, draw)
        evidence = outcome.evidence
        outcomes.append((day, outcome))
        seen.append(day)
    after = msgspec.structs.replace(
        known.detector, state=state, window=window, evidence=evidence,
        threshold=detector.threshold, days=tuple(seen),
    )  # fmt: skip
    return after, outcomes
