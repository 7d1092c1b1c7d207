"""Adding files: a folder through its contract, or external data, into the next version of a ref."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import CheckFailedError, InvalidInputError
from tidemill.lineage.artifacts import find_artifact
from tidemill.lineage.wording import short_id
from tidemill.lineage.writing import opened
from tidemill.practices.validation.addition import (
    Addition,
    DataAdded,
    FileChanges,
    there_already,
)
from tidemill.practices.validation.files_checking import files_checked
from tidemill.practices.validation.folder_contract import (
    Contracted,
    find_folder_contract,
    put_folder_contract,
)
from tidemill.practices.validation.keeping import put_verdict
from tidemill.practices.versioning.file_versions import (
    FilesAdded,
    FilesWish,
    add_external,
    add_folder,
    newest_shape,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tidemill.lineage.record import Record


def folder_to_add(record: Record, wish: Addition) -> Path | None:
    """Return the folder whose files are the data; None: what was given is a table.

    What the newest version is decides, where a folder could be both.

    Raises:
        InvalidInputError: files are wanted of what is no folder.
    """
    place = record.ports.sources.place(wish.source)
    if place is None or not place.path.is_dir():
        if wish.shape == "files":
            raise InvalidInputError(
                "what was given is no folder", fix="give the folder that holds the files"
            )
        return None
    newest = newest_shape(record, wish.name)
    shape = {"folder": "files", "table": "table"}.get(newest, place.shape)
    if wish.shape != "auto":
        shape = wish.shape
    return place.path if shape == "files" else None


def folder_added(record: Record, wish: Addition, folder: Path, at: datetime | None) -> DataAdded:
    """Add a folder of files. Raises as `operations.add_data`."""
    if wish.key:
        raise InvalidInputError(
            f"{folder.name!r} is a folder of files and has no key", fix="leave out --key"
        )
    spec = find_folder_contract(record, wish.name, wish.contract)
    contract = put_folder_contract(record, spec, at) if spec else None
    judge = Contracted(record, spec, contract, record.moment(at)) if spec and contract else None
    files = FilesWish(name=wish.name, append=wish.append, because=wish.because, at=at)
    try:
        done = add_folder(record, files, folder, judge)
    except CheckFailedError as error:
        raise _refused(record, wish, judge, error, at) from error
    result = _result(done, folder.name, judge, str(contract or ""))
    if done.is_new or spec is None:
        return result
    held = find_artifact(record, done.version.artifact)
    verdict = files_checked(record, done.version, held, spec.name, at)
    return there_already(result, verdict, put_verdict(record, verdict).id)


def external_added(record: Record, wish: Addition, at: datetime | None) -> DataAdded:
    """Record data that stay where they are. Raises as `operations.add_data`."""
    given = os.fspath(wish.source) if isinstance(wish.source, str | os.PathLike) else ""
    if not given:
        raise InvalidInputError(
            "what was given is no place", fix="give a file, a folder, a glob or a URL"
        )
    newest = newest_shape(record, wish.name)
    if newest not in {"", "external"}:
        raise InvalidInputError(
            f"data:{wish.name} is a {newest} that is held", fix="add it under another name"
        )
    files = FilesWish(name=wish.name, because=wish.because, at=at)
    done = add_external(record, files, given, is_hashed=wish.is_hashed, snapshot=wish.snapshot)
    return msgspec.structs.replace(_result(done, given, None, ""), shape="external")


def _result(done: FilesAdded, source: str, judge: Contracted | None, contract: str) -> DataAdded:
    change, verdict = done.change, judge.verdict if judge else None
    return DataAdded(
        version=str(done.version), is_new=done.is_new, source=source, rows=0, rows_read=0,
        rows_added=0, rows_quarantined=0, artifact=done.version.artifact, shape="folder",
        contract=contract, state=verdict.state if verdict else None,
        verdict=judge.verdict_artifact.id if judge and judge.verdict_artifact else None,
        findings=verdict.findings if verdict else (), files=done.files,
        size_bytes=done.size_bytes,
        file_changes=FileChanges(
            added=len(change.added), removed=len(change.removed), changed=len(change.changed),
            renamed=len(change.renamed), left_out=done.left_out,
        ),
    )  # fmt: skip


def _refused(
    record: Record,
    wish: Addition,
    judge: Contracted | None,
    error: CheckFailedError,
    at: datetime | None,
) -> CheckFailedError:
    """Keep the verdict on a folder that was refused, in a run of its own."""
    if judge is None or judge.verdict_artifact is None:
        return error
    with opened(record, kind="validation", name=wish.name, at=at, because=wish.because) as run:
        judge.attach(run)
    return CheckFailedError(
        f"nothing was added to data:{wish.name}: {error.what}",
        fix="correct the folder or the contract; verdict: tidemill show"
        f" {short_id(judge.verdict_artifact.id)}",
    )
