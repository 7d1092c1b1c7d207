"""Checking a data version against its contract as it is declared now; judged once, remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.check import Finding, Verdict, worst
from tidemill.core.digest import digest_of_value
from tidemill.core.errors import ConflictError, InvalidInputError, NotFoundError
from tidemill.lineage.artifacts import find_artifact, read_value
from tidemill.lineage.attested import Kept, kept
from tidemill.lineage.policies import VERDICT
from tidemill.lineage.writing import opened
from tidemill.practices.validation.declared_contracts import find_contract, put_contract
from tidemill.practices.validation.files_checking import files_checked
from tidemill.practices.versioning.data import open_data, version_at
from tidemill.practices.versioning.file_versions import shape_of

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.lineage.record import Record
    from tidemill.practices.validation.spec import ContractSpec
    from tidemill.practices.versioning.data import DataVersion


def checked(record: Record, pointer: str, *, contract: str, at: datetime | None) -> Verdict:
    """Return the verdict on a data version. Raises as `operations.check_data`."""
    from tidemill.practices.validation.watcher import verdict_artifact  # noqa: PLC0415 - Polars

    version = version_at(record, pointer, at)
    artifact = find_artifact(record, version.artifact)
    if shape_of(artifact) != "table":
        return files_checked(record, version, artifact, contract, at)
    data = open_data(record, pointer, at=at)
    spec = find_contract(record, data.version.ref.name, contract)
    if spec is None:
        raise NotFoundError(
            f"the project declares no contract for {data.version}",
            fix=f"tidemill contract infer {data.version} proposes one",
        )
    moment = record.moment(at)
    declared = put_contract(record, spec, at)
    key = _key(record, data, spec, moment)
    before = kept(record, key)
    known = _recall(record, before)
    if known is not None:
        return known
    findings = _findings(record, data, spec, moment)
    verdict = Verdict(
        check="contract", subjects=(data.artifact.id, declared.artifact), state=worst(findings),
        findings=findings, at=moment,
    )  # fmt: skip
    try:
        with opened(record, kind="validation", name=data.version.ref.name, at=at) as run:
            run.used(data.artifact.id, name="data", source=data.version.run)
            run.used(declared.artifact, name="contract", source=declared.run)
            run.made(verdict_artifact(record, verdict), name=VERDICT)
            before.give(run)
    except ConflictError:  # somebody judged the same at the same time
        known = _recall(record, kept(record, key))
        if known is None:
            raise
        return known
    return verdict


def _key(record: Record, data: DataVersion, spec: ContractSpec, moment: datetime) -> str:
    """Return the key of a question: who asks again gets the same verdict.

    Freshness depends on the time too, so it is asked anew at every other time.
    """
    when = moment.isoformat() if spec.fresh_within else ""
    content = digest_of_value([data.artifact.id, spec, when])
    return f"contract:{record.project}/{content[3:]}"


def _recall(record: Record, before: Kept) -> Verdict | None:
    verdict = before.artifact(VERDICT)
    if before.run is None or verdict is None:
        return None
    return read_value(record, find_artifact(record, verdict), Verdict)


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
