"""Files of rows as sources: CSV, Parquet, JSON lines, Arrow IPC, and folders of one of these."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal
from typing import cast as cast_type

import msgspec
import polars as pl

from tidemill.adapters import text_faults, unread_text
from tidemill.adapters.frames import cast, cast_rows, collected, first_line, spelled
from tidemill.core.errors import InvalidInputError
from tidemill.ports.source import UnreadRowsError

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["csv", "tsv", "parquet", "jsonl", "arrow"]

_KINDS: dict[str, Kind] = {
    ".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
}  # fmt: skip
_MAGIC: dict[Kind, bytes] = {"parquet": b"PAR1", "arrow": b"ARROW1"}
_UNPACKED_BY = {".zst": "zstd -d", ".bz2": "bunzip2 -k", ".xz": "xz -dk", ".lz4": "lz4 -d"}
_SEPARATOR = {"csv": ",", "tsv": "\t"}
_DATE_ROWS = 100
_READABLE = "CSV (.csv, .csv.gz, .zip of one), Parquet, JSON lines (.jsonl) and Arrow (.arrow)"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How to read: declared types, rows that decide the others, most rows of a batch.

    `unread` is told of rows that do not fit; None: they are errors, and reading is faster.
    """

    schema: Mapping[str, pl.DataType]
    infer_rows: int
    batch_rows: int
    unread: Callable[[pl.DataFrame], None] | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True):
    """One plain file: where it lies now, what people call it."""

    path: Path
    name: str
    kind: Kind


class FileSource:
    """The rows of a file, or of a folder's files in the order of their names."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self._path, self._reading = path, reading
        self._files = _files(path)

    @property
    def name(self) -> str:
        """The name of the file or folder, without its place."""
        return self._path.resolve().name

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows; a file without rows is one batch without rows.

        Raises:
            InvalidInputError: it cannot be read; names file, line or column.
        """
        expected: pl.Schema | None = None
        done = 0
        for path in self._files:
            with _plain(path) as file:
                frame, schema = _scan(file, self._reading, expected)
                if expected is not None and schema != expected:
                    raise _unlike(file, self._files[0].name, schema, expected)
                expected = schema
                for batch in _rows(file, frame, self._reading, done):
                    done += batch.height
                    yield batch


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        _kind(path)
        return [path]
    found = sorted(entry for entry in path.iterdir() if entry.name[0] not in "._")
    nested = [entry.name for entry in found if entry.is_dir()]
    kinds = {_kind(entry): entry.name for entry in found if entry.is_file()}
    if nested or len(kinds) != 1:
        what = f"a folder in it ({nested[0]})" if nested else " and ".join(kinds.values())
        raise InvalidInputError(
            f"folder {path.name!r} holds {what or 'no file'}",
            fix=f"give a folder that holds files of one kind only: {_READABLE}",
        )
    return found


def _kind(path: Path) -> Kind:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".zip"]:
        return "csv"
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    if suffixes[-1:] and suffixes[-1] in _UNPACKED_BY:
        raise InvalidInputError(
            f"{path.name} is compressed in a way that is not read here",
            fix=f"{_UNPACKED_BY[suffixes[-1]]} {path.name}, and give what comes out, or pack it"
            " with gzip",
        )
    kind = _KINDS.get(suffixes[-1]) if suffixes else None
    if kind is None or (path.suffix.lower() == ".gz" and kind in _MAGIC):
        raise InvalidInputError(
            f"{path.name!r} is of no kind that can be read",
            fix=f"what can be read: {_READABLE}; rename the file if it is one of these",
        )
    return kind


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[_File]:
    """Give a file that is not compressed: itself, or a copy that is gone afterwards."""
    if path.stat().st_size == 0:
        raise InvalidInputError(f"{path.name} is empty", fix="give a file with rows in it")
    suffix = path.suffix.lower()
    if suffix not in {".gz", ".zip"}:
        yield _File(path=path, name=path.name, kind=_kind(path))
        return
    with tempfile.NamedTemporaryFile(suffix=".csv") as spool:
        try:
            with _unpacked(path) as packed:
                shutil.copyfileobj(packed, spool, 1 << 20)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
            raise InvalidInputError(
                f"{path.name} cannot be unpacked: {first_line(error)}",
                fix="fetch it again, or unpack it yourself and give the .csv",
            ) from error
        spool.flush()
        yield _File(path=Path(spool.name), name=path.name, kind=_kind(path))


@contextlib.contextmanager
def _unpacked(path: Path) -> Iterator[IO[bytes]]:
    if path.suffix.lower() == ".gz":
        with gzip.GzipFile(path) as packed:
            yield cast_type("IO[bytes]", packed)
        return
    with zipfile.ZipFile(path) as archive:
        names = [
            name
            for name in archive.namelist()
            if not name.endswith("/") and not name.startswith("__MACOSX/")
        ]
        if len(names) != 1 or not names[0].lower().endswith((".csv", ".txt")):
            raise InvalidInputError(
                f"{path.name} holds {len(names)} files ({', '.join(names[:3])}), not one .csv",
                fix="unpack it and give the file or the folder",
            )
        with archive.open(names[0]) as packed:
            yield packed


def _scan(
    file: _File, reading: Reading, expected: pl.Schema | None
) -> tuple[pl.LazyFrame, pl.Schema]:
    """Return a lazy frame and its columns; the first file of a folder decides for the rest."""
    declared = {**(expected or {}), **reading.schema}
    if magic := _MAGIC.get(file.kind):
        with file.path.open("rb") as opened:
            if opened.read(len(magic)) != magic:
                raise _unreadable(file, f"it does not begin with {magic.decode()}")
    try:
        if file.kind in _SEPARATOR:
            text_faults.check_header(file.path, file.name, _SEPARATOR[file.kind])
        frame = _lazy(file, declared, reading.infer_rows)
        return frame, frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _explained(file, error) from error


def _lazy(file: _File, declared: Mapping[str, pl.DataType], infer_rows: int) -> pl.LazyFrame:
    if file.kind == "parquet":
        return pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
    if file.kind == "arrow":
        return pl.scan_ipc(file.path, glob=False, hive_partitioning=False)
    if file.kind == "jsonl":
        return _scan_json(file, declared, infer_rows)
    return _scan_csv(file, declared, infer_rows)


def _scan_csv(file: _File, declared: Mapping[str, pl.DataType], infer_rows: int) -> pl.LazyFrame:
    """Return a lazy frame whose types are known: Polars would try dates on every row it infers.

    Numbers are told from `infer_rows` rows, dates and times among the texts from the first few.
    """
    types = _csv(file, declared, infer_rows, dates=False).collect_schema()
    if any(kind == pl.String and name not in declared for name, kind in types.items()):
        dated = _csv(file, declared, min(infer_rows, _DATE_ROWS), dates=True).collect_schema()
        types = pl.Schema(
            {name: dated[name] if kind == pl.String else kind for name, kind in types.items()}
        )
    return _csv(file, {**types, **declared}, 1, dates=True)


def _csv(
    file: _File, types: Mapping[str, pl.DataType], infer_rows: int, *, dates: bool
) -> pl.LazyFrame:
    return pl.scan_csv(
        file.path, separator=_SEPARATOR[file.kind], null_values=list(text_faults.NULLS),
        infer_schema_length=infer_rows, try_parse_dates=dates, schema_overrides=dict(types),
        glob=False,
    )  # fmt: skip


def _scan_json(file: _File, declared: Mapping[str, pl.DataType], infer_rows: int) -> pl.LazyFrame:
    """Return a lazy frame in which a key that comes late is a column too: Polars would drop it."""
    text_faults.check_json(file.path, file.name)
    first = pl.scan_ndjson(file.path, infer_schema_length=infer_rows).collect_schema()
    whole = pl.scan_ndjson(file.path, infer_schema_length=None).collect_schema()
    schema = {name: declared.get(name) or first.get(name, kind) for name, kind in whole.items()}
    return pl.scan_ndjson(file.path, schema=schema)


def _rows(
    file: _File, frame: pl.LazyFrame, reading: Reading, rows_before: int
) -> Iterator[pl.DataFrame]:
    schema, done = frame.collect_schema(), 0
    is_text = file.kind == "jsonl" or file.kind in _SEPARATOR
    try:
        if reading.unread is not None and is_text:
            yield from _tolerant(file, schema, reading, rows_before)
            return
        for batch in _strict(file, frame, reading):
            yield cast_rows(batch, reading.schema, file.name, reading.unread, rows_before + done)
            done += batch.height
    except (pl.exceptions.PolarsError, OSError, text_faults.RaggedError) as error:
        told = _explained(file, error, schema)
        if reading.unread is None and _is_tolerable(file, error):
            raise UnreadRowsError(told.what, fix=told.fix) from error
        raise told from error
    if not done:
        yield cast(pl.DataFrame(schema=schema), reading.schema, file.name)


def _strict(file: _File, frame: pl.LazyFrame, reading: Reading) -> Iterator[pl.DataFrame]:
    """Yield the rows; after a fault Polars may leave rows out before it says so."""
    is_checked = file.kind not in _SEPARATOR
    for batch in collected(frame, reading.batch_rows):
        if not is_checked and batch[:, -1].null_count():
            # Polars takes missing fields at the end of a row for nulls
            text_faults.check_rows(file.path, file.name, _SEPARATOR[file.kind])
            is_checked = True
        yield batch


def _tolerant(
    file: _File, schema: pl.Schema, reading: Reading, rows_before: int
) -> Iterator[pl.DataFrame]:
    faulty = unread_text.Faulty(
        path=file.path, name=file.name, schema=schema, declared=frozenset(reading.schema),
        batch_rows=reading.batch_rows,
    )  # fmt: skip
    if file.kind == "jsonl":
        found = unread_text.json_rows(faulty)
    else:
        found = unread_text.csv_rows(faulty, _SEPARATOR[file.kind])
    is_empty = True
    for batch, told in found:
        is_empty = False
        if reading.unread is not None and told.height:
            reading.unread(told.with_columns(pl.col("row") + rows_before))
        yield batch
    if is_empty:
        yield pl.DataFrame(schema=schema)


def _is_tolerable(file: _File, error: Exception) -> bool:
    if file.kind == "jsonl":
        return isinstance(error, pl.exceptions.ComputeError)
    return file.kind in _SEPARATOR and text_faults.is_unread(error)


def _explained(file: _File, error: Exception, schema: pl.Schema | None = None) -> InvalidInputError:
    if isinstance(error, InvalidInputError):
        return error
    if file.kind in _SEPARATOR:
        found = text_faults.csv_fault(file.path, file.name, _SEPARATOR[file.kind], error)
    elif file.kind == "jsonl":
        found = text_faults.json_fault(file.path, file.name, schema)
    else:
        found = None
    return found or _unreadable(file, first_line(error))


def _unreadable(file: _File, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"{file.name} cannot be read as {file.kind}: {why}",
        fix=f"fetch it again, or name it for what it is; what can be read: {_READABLE}",
    )


def _unlike(file: _File, first: str, schema: pl.Schema, expected: pl.Schema) -> InvalidInputError:
    rows = [
        f"{name}: {spelled(expected.get(name, 'absent'))} in {first},"
        f" {spelled(schema.get(name, 'absent'))} here"
        for name in [*expected, *(name for name in schema if name not in expected)]
        if expected.get(name) != schema.get(name)
    ]
    return InvalidInputError(
        f"{file.name} has other columns than {first}: {'; '.join(rows[:3]) or 'another order'}",
        fix="give files of one schema, or version them under two names",
    )
