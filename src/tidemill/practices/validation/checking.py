"""Checking a data version against its contract as it is declared now; judged once, remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.errors import NotFoundError
from tidemill.lineage.artifacts import find_artifact
from tidemill.practices.validation.declared_contracts import find_contract
from tidemill.practices.validation.files_checking import files_checked
from tidemill.practices.validation.table_checking import table_checked
from tidemill.practices.versioning.data import open_data, version_at
from tidemill.practices.versioning.file_versions import shape_of

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.check import Verdict
    from tidemill.lineage.record import Record


def checked(record: Record, pointer: str, *, contract: str, at: datetime | None) -> Verdict:
    """Return the verdict on a data version. Raises as `operations.check_data`."""
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
    return table_checked(record, data, spec, at)
