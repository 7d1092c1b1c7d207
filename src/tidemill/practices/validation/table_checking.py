"""Checking a version that is a table against a contract: judged once, remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.check import Finding, Verdict, worst
from tidemill.core.errors import InvalidInputError
from tidemill.lineage.judged import judged, kept_verdict
from tidemill.practices.validation.contract_versions import put_contract
from tidemill.practices.validation.keeping import keep

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.lineage.record import Record
    from tidemill.practices.validation.spec import ContractSpec
    from tidemill.practices.versioning.data import DataVersion


def table_checked(
    record: Record, data: DataVersion, spec: ContractSpec, at: datetime | None
) -> Verdict:
    """Return the verdict on a table: the one that is kept, else all rows are judged now."""
    moment = record.moment(at)
    declared = put_contract(record, spec, at)
    before = judged(record, data.artifact.id, spec, moment if spec.fresh_within else None)
    known = kept_verdict(record, before)
    if known is not None:
        return known
    findings = _findings(record, data, spec, moment)
    verdict = Verdict(
        check="contract", subjects=(data.artifact.id, declared.artifact), state=worst(findings),
        findings=findings, at=moment,
    )  # fmt: skip
    return keep(record, data.version, verdict, at, (declared, before))


def _findings(
    record: Record, data: DataVersion, spec: ContractSpec, moment: datetime
) -> tuple[Finding, ...]:
    """Judge all rows; columns that do not fit fail, and what needs them is `not_run`."""
    from tidemill.practices.validation.findings import (  # noqa: PLC0415 - brings Polars
        row_findings,
        table_findings,
    )
    from tidemill.practices.validation.judge import (  # noqa: PLC0415 - as above
        Judge,
        check_columns,
        with_types,
    )
    from tidemill.practices.validation.watcher import batches_of  # noqa: PLC0415 - as above
    from tidemill.practices.versioning.tables import scan_table  # noqa: PLC0415 - as above

    rows = scan_table(record.ports.objects, data.manifest_digest, data.artifact.id)
    judge = Judge(spec)
    try:
        check_columns(rows.collect_schema(), spec)
        for batch in batches_of(rows):
            record.tell.check()
            judge.judge(with_types(batch, spec), judge.rows)
    except InvalidInputError as error:
        fits = Finding(rule="columns", state="fail", what=error.what, fix=error.fix)
        others = (Finding(rule=name, state="not_run", what="") for name in judge.counts)
        return (fits, *others)
    finally:
        judge.close()
    return (
        Finding(rule="columns", state="pass", what=f"{len(spec.columns)} as declared"),
        *row_findings(judge, broken="fail"),
        *table_findings(judge, version_rows=data.rows, at=moment),
    )
