"""Getting data out: a version as a plain file or folder that nothing of ours is needed for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import ConflictError, InvalidInputError
from tidemill.core.text import counted, table
from tidemill.lineage.artifacts import checkout, find_artifact, tree_entries
from tidemill.lineage.out_files import writing_to
from tidemill.practices.versioning.data import open_data, scan_data, version_at
from tidemill.practices.versioning.external import NOT_HELD
from tidemill.practices.versioning.file_versions import read_external, shape_of

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record


FIRST = 10
"""How many rows or files are shown where no place is named to write them to."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A data version as a plain file, or a folder of its files; without a path its first rows."""

    version: str
    path: str
    rows: int = 0
    files: int = 0
    columns: tuple[str, ...] = ()
    first: tuple[tuple[str | None, ...], ...] = ()
    """The first rows, a text a cell, or the first files with their sizes; none where written."""

    def __str__(self) -> str:
        what = counted(self.files, "file") if self.files else counted(self.rows, "row")
        if self.path:
            return f"{what} of {self.version} written to {self.path}"
        shown = table(self.columns, self.first, is_list=True)
        all_of_it = f"{what} of {self.version}"
        return f"{shown}\n{all_of_it}; all of it: tidemill data get {self.version} --out PATH"

    __repr__ = __str__


def written(record: Record, ref: str, out: str, at: datetime | None) -> Written:
    """Write a data version to a place where nothing is yet.

    Raises:
        ConflictError: something is there already.
        InvalidInputError: the name says no known format, or the data are not held.
    """
    version = version_at(record, ref, at)
    artifact = find_artifact(record, version.artifact)
    if not out:
        return _shown(record, ref, version, at)
    path = Path(out)
    if os.path.lexists(out):
        raise ConflictError(f"{out} exists already", fix="name another place, or remove it")
    _require_held(record, version, artifact)
    with writing_to(path, "--out"):
        if shape_of(artifact) == "folder":
            return _folder(record, version, artifact, path)
        return _table(record, ref, path, at)


def _require_held(record: Record, version: Version, artifact: Artifact) -> None:
    if shape_of(artifact) == "external":
        raise InvalidInputError(
            f"{version} is {NOT_HELD}: it lies at {read_external(record, artifact).place}",
            fix="take it from there; added without --external it is held",
        )


def _shown(record: Record, ref: str, version: Version, at: datetime | None) -> Written:
    """Return the first rows of a table, or the first files of a folder, as texts."""
    artifact = find_artifact(record, version.artifact)
    _require_held(record, version, artifact)
    if shape_of(artifact) == "folder":
        entries = tree_entries(record, artifact)
        files = tuple((one.path, f"{one.size_bytes:,}") for one in entries[:FIRST])
        return Written(
            version=str(version), path="", files=len(entries), columns=("file", "bytes"),
            first=files,
        )  # fmt: skip
    data, rows = open_data(record, ref, at), scan_data(record, ref, at).head(FIRST).collect()
    cells = [[None if cell is None else str(cell) for cell in row] for row in rows.iter_rows()]
    return Written(
        version=str(version), path="", rows=data.rows, columns=tuple(rows.columns),
        first=tuple(tuple(row) for row in cells),
    )  # fmt: skip


def _table(record: Record, ref: str, path: Path, at: datetime | None) -> Written:
    data, rows = open_data(record, ref, at), scan_data(record, ref, at)
    if path.suffix not in {".parquet", ".csv"}:
        raise InvalidInputError(
            f"{str(path)!r} names no known format", fix="let it end in .parquet or .csv"
        )
    half_written = path.with_name(path.name + ".part")
    try:
        half_written.touch()  # says what is wrong with the place in the words of the system
        (rows.sink_parquet if path.suffix == ".parquet" else rows.sink_csv)(half_written)
        half_written.rename(path)
    finally:
        half_written.unlink(missing_ok=True)
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
