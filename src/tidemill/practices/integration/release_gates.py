"""The gates of a release: its own tests in its own tree, its contracts, and a plan of its run.

The code and data gates are asked inside the release, so that they judge the restored code by the
bounds that were released with it; their verdicts are in the record like any other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidemill.core.check import Finding
from tidemill.core.errors import (
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UsageError,
)
from tidemill.practices.integration.check_report import CheckReport
from tidemill.practices.integration.verdicts import Gate, Judged, Question, ask
from tidemill.practices.pipelines.operations import run_pipeline
from tidemill.practices.pipelines.release import read_release
from tidemill.practices.pipelines.released import call_in_release

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.practices.pipelines.release import Release

PLAN = "plan"
_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
SUBJECTS = ("code", "data")


def release_gates(
    record: Record, version: Version, only: Sequence[str], *, at: datetime | None
) -> list[Gate]:
    """Return what the gates of code and data say of a release, and what a plan of it says."""
    wanted = [name for name in SUBJECTS if not only or name in only]
    gates: list[Gate] = []
    if wanted:
        report = call_in_release(record, version, "check", {"only": wanted, "at": at}, CheckReport)
        gates += report.gates
    if not only:
        gates.append(_plan_gate(record, version, at))
    return gates


def _plan_gate(record: Record, version: Version, at: datetime | None) -> Gate:
    release = read_release(record, version)
    moment = record.moment(at)
    question = Question(
        check=PLAN, subject=str(version), memo=(moment,),
        judged=(Judged(artifact=version.artifact, source=version.run, name="release"),),
    )  # fmt: skip
    return ask(record, question, lambda: [_planned(record, version, release, at)], at=at)


def _planned(record: Record, version: Version, release: Release, at: datetime | None) -> Finding:
    params = _known_params(release, record.moment(at))
    missing = [p.name for p in release.parameters if p.is_needed and p.name not in params]
    if missing:
        return Finding(
            rule=PLAN, state="warn",
            what=f"not planned: nothing says what {', '.join(missing)} would be",
            fix="give it a default, or params = { ... } in a [[trigger]] that runs the release",
        )  # fmt: skip
    try:
        done = run_pipeline(
            record, f"{version.ref}@{version.number}", params=params, at=at, plan=True
        )
    except (InvalidInputError, NotFoundError, UnavailableError, UsageError) as error:
        return Finding(rule=PLAN, state="fail", what=error.what, fix=error.fix)
    return Finding(rule=PLAN, state="pass", what=f"{len(done.steps)} steps can be planned")


def _known_params(release: Release, at: datetime) -> dict[str, str]:
    """Return the parameters of the first trigger, with the day in place of what it fills in."""
    rule: Mapping[str, object] = next(iter(release.triggers.values()), {})
    params = rule.get("params")
    day = f"{at:%Y-%m-%d}"
    known = params.items() if isinstance(params, dict) else ()
    return {str(name): _PLACEHOLDER.sub(day, str(value)) for name, value in known}
