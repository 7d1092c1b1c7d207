"""Getting data out: a version as a plain file or folder that nothing of ours is needed for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import ConflictError, InvalidInputError
from tidemill.core.text import counted
from tidemill.lineage.artifacts import checkout, find_artifact
from tidemill.practices.versioning.data import open_data, scan_data, version_at
from tidemill.practices.versioning.external import NOT_HELD
from tidemill.practices.versioning.file_versions import read_external, shape_of

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A data version as a plain file, or a folder of its files."""

    version: str
    path: str
    rows: int = 0
    files: int = 0

    def __str__(self) -> str:
        what = counted(self.files, "file") if self.files else counted(self.rows, "row")
        return f"{what} of {self.version} written to {self.path}"

    __repr__ = __str__


def written(record: Record, ref: str, out: str, at: datetime | None) -> Written:
    """Write a data version to a place where nothing is yet.

    Raises:
        ConflictError: something is there already.
        InvalidInputError: the name says no known format, or the data are not held.
    """
    version = version_at(record, ref, at)
    artifact = find_artifact(record, version.artifact)
    path = Path(out)
    if path.exists():
        raise ConflictError(f"{out} exists already", fix="name another place, or remove it")
    shape = shape_of(artifact)
    if shape == "folder":
        return _folder(record, version, artifact, path)
    if shape == "external":
        raise InvalidInputError(
            f"{version} is {NOT_HELD}: it lies at {read_external(record, artifact).place}",
            fix="take it from there; added without --external it is held",
        )
    return _table(record, ref, path, at)


def _table(record: Record, ref: str, path: Path, at: datetime | None) -> Written:
    data, rows = open_data(record, ref, at), scan_data(record, ref, at)
    half_written = path.with_name(path.name + ".part")
    if path.suffix == ".parquet":
        rows.sink_parquet(half_written)
    elif path.suffix == ".csv":
        rows.sink_csv(half_written)
    else:
        raise InvalidInputError(
            f"{str(path)!r} names no known format", fix="let it end in .parquet or .csv"
        )
    half_written.rename(path)
    return Written(version=str(data.version), path=str(path), rows=data.rows)


def _folder(record: Record, version: Version, artifact: Artifact, path: Path) -> Written:
    half_written = path.with_name(path.name + ".part")
    try:
        checkout(record, artifact, half_written)
        half_written.rename(path)
    finally:
        shutil.rmtree(half_written, ignore_errors=True)
    files = int(artifact.summary.get("files") or 0)
    return Written(version=str(version), path=str(path), files=files)
