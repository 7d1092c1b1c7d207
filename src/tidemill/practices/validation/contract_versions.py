"""The versions of contracts in the record: `contract:DATA` as it was declared, time after time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.ref import Version
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.refs import ref_name
from tidemill.lineage.writing import newest_version, opened

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record
    from tidemill.practices.validation.spec import ContractSpec

KIND = "contract"


def contract_artifact(record: Record, spec: ContractSpec) -> Artifact:
    """Store a contract, named by what it says."""
    summary: dict[str, Scalar] = {
        "data": spec.data, "columns": len(spec.columns), "rules": len(spec.rules),
    }  # fmt: skip
    return put_value(record, KIND, spec, summary=summary)


def put_contract(record: Record, spec: ContractSpec, at: datetime | None) -> Version:
    """Return the version of `contract:DATA` that is this contract; a new one where it changed."""
    ref = ref_name(record, KIND, spec.data)
    artifact = contract_artifact(record, spec)
    newest = newest_version(record, ref)
    if isinstance(newest, Version) and newest.artifact == artifact.id:
        return newest
    with opened(record, kind=KIND, name=spec.data, at=at) as run:
        run.made(artifact, name=KIND)
        pending = run.version(ref, artifact)
    return pending.version
