"""Keeping what a check said of a data version: a validation run, once for each question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.errors import ConflictError
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.attested import kept
from tidemill.lineage.judged import kept_verdict
from tidemill.lineage.policies import VERDICT
from tidemill.lineage.writing import opened

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.check import Verdict
    from tidemill.core.ref import Version
    from tidemill.lineage.attested import Kept
    from tidemill.lineage.record import Record


def keep(
    record: Record, version: Version, verdict: Verdict, at: datetime | None,
    against: tuple[Version, Kept] | None = None,
) -> Verdict:  # fmt: skip
    """Record a verdict on a version in a run of its own; return it, or one that was there first.

    Args:
        record: where it is kept.
        version: the data version that was judged.
        verdict: what was found.
        at: effective time of the run.
        against: the contract's version, and what was kept of the question; None: no contract.
    """
    try:
        with opened(record, kind="validation", name=version.ref.name, at=at) as run:
            run.used(version.artifact, name="data", source=version.run)
            if against is not None:
                contract, before = against
                run.used(contract.artifact, name="contract", source=contract.run)
                before.give(run)
            run.made(put_verdict(record, verdict), name=VERDICT)
    except ConflictError:  # somebody judged the same at the same time
        known = kept_verdict(record, kept(record, against[1].key)) if against else None
        if known is None:
            raise
        return known
    return verdict


def put_verdict(record: Record, verdict: Verdict) -> Artifact:
    """Store a verdict; its summary says check, state, and whom it speaks of."""
    summary = {"check": verdict.check, "state": verdict.state, "subject": verdict.subjects[0]}
    return put_value(record, VERDICT, verdict, summary=summary)
