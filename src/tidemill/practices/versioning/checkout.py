"""Getting data out: a version as a plain file or folder that nothing of ours is needed for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import ConflictError, InvalidInputError
from tidemill.core.text import counted, table
from tidemill.lineage.artifacts import checkout, tree_entries
from tidemill.lineage.out_files import writing_to
from tidemill.practices.versioning.data import manifest_of
from tidemill.practices.versioning.external import NOT_HELD
from tidemill.practices.versioning.file_versions import read_external, shape_of
from tidemill.practices.versioning.pointed_data import pointed_data

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from tidemill.lineage.record import Record
    from tidemill.practices.versioning.pointed_data import PointedData


FIRST = 10
"""How many rows or files are shown where no place is named to write them to."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Data as a plain file, or a folder of their files; without a path their first rows.

    `version` is the version, or the id of a table that is none.
    """

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
    """Write a data version, or a table that a step made, to a place where nothing is yet.

    Raises:
        ConflictError: something is there already.
        InvalidInputError: the name says no known format, or the data are not held.
    """
    data = pointed_data(record, ref, at)
    if not out:
        return _shown(record, data)
    path = Path(out)
    if os.path.lexists(out):
        raise ConflictError(f"{out} exists already", fix="name another place, or remove it")
    _require_held(record, data)
    with writing_to(path, "--out"):
        if shape_of(data.artifact) == "folder":
            return _folder(record, data, path)
        return _table(record, data, path)


def _require_held(record: Record, data: PointedData) -> None:
    if shape_of(data.artifact) == "external":
        raise InvalidInputError(
            f"{data.name} is {NOT_HELD}: it lies at {read_external(record, data.artifact).place}",
            fix="take it from there; added without --external it is held",
        )


def _shown(record: Record, data: PointedData) -> Written:
    """Return the first rows of a table, or the first files of a folder, as texts."""
    _require_held(record, data)
    if shape_of(data.artifact) == "folder":
        entries = tree_entries(record, data.artifact)
        files = tuple((one.path, f"{one.size_bytes:,}") for one in entries[:FIRST])
        return Written(
            version=data.name, path="", files=len(entries), columns=("file", "bytes"), first=files
        )
    rows = _rows(record, data).head(FIRST).collect()
    cells = [[None if cell is None else str(cell) for cell in row] for row in rows.iter_rows()]
    return Written(
        version=data.name, path="", rows=_count(data), columns=tuple(rows.columns),
        first=tuple(tuple(row) for row in cells),
    )  # fmt: skip


def _table(record: Record, data: PointedData, path: Path) -> Written:
    rows = _rows(record, data)
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
    return Written(version=data.name, path=str(path), rows=_count(data))


def _rows(record: Record, data: PointedData) -> pl.LazyFrame:
    from tidemill.practices.versioning.tables import scan_table  # noqa: PLC0415 - brings Polars

    return scan_table(record.ports.objects, manifest_of(data.artifact), data.artifact.id)


def _count(data: PointedData) -> int:
    return int(data.artifact.summary.get("rows") or 0)


def _folder(record: Record, data: PointedData, path: Path) -> Written:
    half_written = path.with_name(path.name + ".part")
    try:
        checkout(record, data.artifact, half_written)
        half_written.rename(path)
    finally:
        shutil.rmtree(half_written, ignore_errors=True)
    files = int(data.artifact.summary.get("files") or 0)
    return Written(version=data.name, path=str(path), files=files)
