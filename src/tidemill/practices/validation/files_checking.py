"""Checking data that are files: a folder against its contract, external data against the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.check import Finding, Verdict
from tidemill.core.errors import ConflictError, NotFoundError, UnavailableError
from tidemill.practices.infrastructure.project import project_root
from tidemill.practices.validation.folder_contract import find_folder_contract, folder_checked
from tidemill.practices.validation.keeping import keep
from tidemill.practices.versioning.external import verified
from tidemill.practices.versioning.file_versions import read_external, shape_of

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record


def files_checked(
    record: Record, version: Version, artifact: Artifact, contract: str, at: datetime | None
) -> Verdict:
    """Return the verdict on a folder, or whether external data are still what was recorded.

    Raises:
        NotFoundError: no contract is declared for the folder.
    """
    if shape_of(artifact) == "external":
        verdict = _external_verdict(record, version, artifact, record.moment(at))
        return keep(record, version, verdict, at)
    spec = find_folder_contract(record, version.ref.name, contract)
    if spec is None:
        raise NotFoundError(
            f"the project declares no folder contract for {version}",
            fix="write a class of tm.FolderContract that says data, suffixes, files or size_bytes",
        )
    return folder_checked(record, version, artifact, spec, at)


def _external_verdict(
    record: Record, version: Version, artifact: Artifact, at: datetime
) -> Verdict:
    data = read_external(record, artifact)
    try:
        verified(data, project_root(record), str(version))
    except UnavailableError as error:
        found = Finding(rule="external", state="not_run", what=error.what, fix=error.fix)
    except (ConflictError, NotFoundError) as error:
        found = Finding(rule="external", state="fail", what=error.what, fix=error.fix)
    else:
        how = "digests" if data.is_hashed else "sizes and times"
        found = Finding(rule="external", state="pass", what=f"as recorded, by {how}")
    return Verdict(
        check="external", subjects=(artifact.id,), state=found.state, findings=(found,), at=at
    )
