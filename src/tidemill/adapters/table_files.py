"""Files of rows as sources: CSV, Parquet, JSON lines, Arrow IPC, and folders of one of these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.adapters import text_faults, unread_text
from tidemill.adapters.file_kinds import READABLE, SEPARATOR, Kind, file_kind
from tidemill.adapters.frames import cast, cast_rows, collected, first_line, spelled
from tidemill.adapters.plain_files import PlainFile, plain
from tidemill.core.errors import InvalidInputError
from tidemill.lineage.links import refuse_link_out
from tidemill.ports.source import UnreadRowsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC: dict[Kind, bytes] = {"parquet": b"PAR1", "arrow": b"ARROW1"}
_DATE_ROWS = 100


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How to read: declared types, rows that decide the others, most rows of a batch.

    `unread` is told of rows that do not fit; None: they are errors, and reading is faster.
    """

    schema: Mapping[str, pl.DataType]
    infer_rows: int
    batch_rows: int
    unread: Callable[[pl.DataFrame], None] | None = None


class FileSource:
    """The rows of a file, or of a folder's files in the order of their names."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self._path, self._reading = path, reading
        self._files = _files(path)
        self._file = ""

    @property
    def name(self) -> str:
        """The name of the file or folder, without its place."""
        return self._path.resolve().name

    @property
    def file(self) -> str:
        """The file of the folder that the newest batch came from; "" for a file by itself."""
        return self._file

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows; a file without rows is one batch without rows.

        Raises:
            InvalidInputError: it cannot be read; names file, line or column.
        """
        if _is_partitioned(self._path, self._files):
            yield from self._partitioned()
            return
        expected: pl.Schema | None = None
        done = 0
        for path in self._files:
            self._file = path.name if path != self._path else ""
            with plain(path) as file:
                frame, schema = _scan(file, self._reading, expected)
                if expected is not None and schema != expected:
                    raise _unlike(file, self._files[0].name, schema, expected)
                expected = schema
                for batch in _rows(file, frame, self._reading, done):
                    done += batch.height
                    yield batch

    def _partitioned(self) -> Iterator[pl.DataFrame]:
        """Yield the rows of Parquet files whose folders say values: `year=2013/month=1/`."""
        file = PlainFile(path=self._path, name=self.name, kind="parquet")
        try:
            frame = pl.scan_parquet(self._files, hive_partitioning=True, glob=False)
            frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _explained(file, error) from error
        yield from _rows(file, frame, self._reading, 0)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found, home = _files_of_folder(path), path.resolve()
    for file in found:
        refuse_link_out(file, str(file.relative_to(path)), home)
    return found


def _files_of_folder(path: Path) -> list[Path]:
    found = sorted(entry for entry in path.iterdir() if entry.name[0] not in "._")
    nested = [entry.name for entry in found if entry.is_dir()]
    if nested and (parts := _partitions(path)):
        return parts
    kinds = {file_kind(entry).kind: entry.name for entry in found if entry.is_file()}
    if nested or len(kinds) != 1:
        what = f"a folder in it ({nested[0]})" if nested else " and ".join(kinds.values())
        raise InvalidInputError(
            f"folder {path.name!r} holds {what or 'no file'}",
            fix=f"give a folder that holds files of one kind only: {READABLE}; folders within"
            " folders hold Parquet",
        )
    return found


def _partitions(path: Path) -> list[Path]:
    """Return the Parquet files below a folder by path; none where anything else lies there."""
    below = (entry.relative_to(path) for entry in path.rglob("*") if entry.is_file())
    files = sorted(path / one for one in below if not any(part[0] in "._" for part in one.parts))
    return files if all(file.suffix in {".parquet", ".pq"} for file in files) else []


def _is_partitioned(path: Path, files: list[Path]) -> bool:
    return path.is_dir() and any(file.parent != path for file in files)


def _scan(
    file: PlainFile, reading: Reading, expected: pl.Schema | None
) -> tuple[pl.LazyFrame, pl.Schema]:
    """Return a lazy frame and its columns; the first file of a folder decides for the rest."""
    declared = {**(expected or {}), **reading.schema}
    if magic := _MAGIC.get(file.kind):
        with file.path.open("rb") as opened:
            if opened.read(len(magic)) != magic:
                raise _unreadable(file, f"it does not begin with {magic.decode()}")
    try:
        if file.kind in SEPARATOR:
            text_faults.check_header(file.path, file.name, SEPARATOR[file.kind])
        frame = _lazy(file, declared, reading.infer_rows)
        return frame, frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _explained(file, error) from error


def _lazy(file: PlainFile, declared: Mapping[str, pl.DataType], infer_rows: int) -> pl.LazyFrame:
    if file.kind == "parquet":
        return pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
    if file.kind == "arrow":
        return pl.scan_ipc(file.path, glob=False, hive_partitioning=False)
    if file.kind == "jsonl":
        return _scan_json(file, declared, infer_rows)
    return _scan_csv(file, declared, infer_rows)


def _scan_csv(
    file: PlainFile, declared: Mapping[str, pl.DataType], infer_rows: int
) -> pl.LazyFrame:
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
    file: PlainFile, types: Mapping[str, pl.DataType], infer_rows: int, *, dates: bool
) -> pl.LazyFrame:
    return pl.scan_csv(
        file.path, separator=SEPARATOR[file.kind], null_values=list(text_faults.NULLS),
        infer_schema_length=infer_rows, try_parse_dates=dates, schema_overrides=dict(types),
        glob=False,
    )  # fmt: skip


def _scan_json(
    file: PlainFile, declared: Mapping[str, pl.DataType], infer_rows: int
) -> pl.LazyFrame:
    """Return a lazy frame in which a key that comes late is a column too: Polars would drop it."""
    text_faults.check_json(file.path, file.name)
    first = pl.scan_ndjson(file.path, infer_schema_length=infer_rows).collect_schema()
    whole = pl.scan_ndjson(file.path, infer_schema_length=None).collect_schema()
    schema = {name: declared.get(name) or first.get(name, kind) for name, kind in whole.items()}
    return pl.scan_ndjson(file.path, schema=schema)


def _rows(
    file: PlainFile, frame: pl.LazyFrame, reading: Reading, rows_before: int
) -> Iterator[pl.DataFrame]:
    schema, done = frame.collect_schema(), 0
    is_text = file.kind == "jsonl" or file.kind in SEPARATOR
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


def _strict(file: PlainFile, frame: pl.LazyFrame, reading: Reading) -> Iterator[pl.DataFrame]:
    """Yield the rows; after a fault Polars may leave rows out before it says so."""
    is_checked = file.kind not in SEPARATOR
    for batch in collected(frame, reading.batch_rows):
        if not is_checked and batch[:, -1].null_count():
            # Polars takes missing fields at the end of a row for nulls
            text_faults.check_rows(file.path, file.name, SEPARATOR[file.kind])
            is_checked = True
        yield batch


def _tolerant(
    file: PlainFile, schema: pl.Schema, reading: Reading, rows_before: int
) -> Iterator[pl.DataFrame]:
    faulty = unread_text.Faulty(
        path=file.path, name=file.name, schema=schema, declared=frozenset(reading.schema),
        batch_rows=reading.batch_rows,
    )  # fmt: skip
    if file.kind == "jsonl":
        found = unread_text.json_rows(faulty)
    else:
        found = unread_text.csv_rows(faulty, SEPARATOR[file.kind])
    is_empty = True
    for batch, told in found:
        is_empty = False
        if reading.unread is not None and told.height:
            reading.unread(told.with_columns(pl.col("row") + rows_before))
        yield batch
    if is_empty:
        yield pl.DataFrame(schema=schema)


def _is_tolerable(file: PlainFile, error: Exception) -> bool:
    if file.kind == "jsonl":
        return isinstance(error, pl.exceptions.ComputeError)
    return file.kind in SEPARATOR and text_faults.is_unread(error)


def _explained(
    file: PlainFile, error: Exception, schema: pl.Schema | None = None
) -> InvalidInputError:
    if isinstance(error, InvalidInputError):
        return error
    if file.kind in SEPARATOR:
        found = text_faults.csv_fault(file.path, file.name, SEPARATOR[file.kind], error)
    elif file.kind == "jsonl":
        found = text_faults.json_fault(file.path, file.name, schema)
    else:
        found = None
    return found or _unreadable(file, first_line(error))


def _unreadable(file: PlainFile, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"{file.name} cannot be read as {file.kind}: {why}",
        fix=f"fetch it again, or name it for what it is; what can be read: {READABLE}",
    )


def _unlike(
    file: PlainFile, first: str, schema: pl.Schema, expected: pl.Schema
) -> InvalidInputError:
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
