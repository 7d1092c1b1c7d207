"""What continuous integration does: the one check that asks every gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.operation import Kind, Operation
from tidemill.lineage.out_files import writing_to
from tidemill.practices.integration.junit import junit_xml

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.lineage.record import Record
    from tidemill.practices.integration.check_report import CheckReport


def check(
    record: Record,
    ref: str = "",
    *,
    only: tuple[str, ...] = (),
    junit: str = "",
    at: datetime | None = None,
) -> CheckReport:
    """Ask every gate of code, data and models; what has not changed is not judged again.

    Args:
        ref: a version of a model, or a release, like pipeline:delay@3; left out: every model.
        only: code, data or model; repeated, or with commas.
        junit: file that gets the answers as JUnit XML.
        at: effective time.
    """
    from tidemill.practices.integration.project_check import run_gates  # noqa: PLC0415 - heavy

    wanted = tuple(name for text in only for name in text.split(",") if name)
    report = run_gates(record, ref, only=wanted, at=at)
    if junit:
        with writing_to(junit, "--junit") as path:
            path.write_text(junit_xml(report.gates), encoding="utf-8")
    return report


OPERATIONS = (
    Operation(
        function=check,
        command=("check",),
        role="contributor",
        examples=(
            "tidemill check",
            "tidemill check model:delay@2 --only model",
            "tidemill check pipeline:delay@1",
            "tidemill check --junit check.xml",
        ),
        failed=lambda report: not report.has_passed,
    ),
)
KINDS: tuple[Kind, ...] = ()
