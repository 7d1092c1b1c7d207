"""What is wrong with a text file of rows, in people's words: file, line, column and the fix.

Only a file that has failed is read again for this, line by line where it must be.
"""

from __future__ import annotations

import codecs
import csv
import re
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.adapters.frames import spelled
from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NULLS = ("", "NA")
"""How a CSV file spells that there is no value."""

_BEGINNING_BYTES = 1 << 16
_NO_TYPE = re.compile(
    r"could not parse `(?P<value>.*?)` as dtype `(?P<kind>[^`]*)` at column '(?P<column>.*?)' \(",
    re.DOTALL,
)
_PYTHON_TYPES: tuple[tuple[type[pl.DataType], tuple[type, ...]], ...] = (
    (pl.Boolean, (bool,)),
    (pl.Int64, (int,)),
    (pl.Float64, (int, float)),
)


class RaggedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row with too few or too many fields: its number from 1, its line, and what it says."""

    row: int
    line: int
    fields: int
    text: str


class RaggedError(InvalidInputError):
    """A row has fewer or more fields than the header."""


def check_header(path: Path, name: str, separator: str) -> None:
    """Raise InvalidInputError where the beginning is not text, or two columns share a name."""
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING_BYTES)
    if b"\0" in beginning:
        raise InvalidInputError(
            f"{name} is not text: byte {beginning.index(0):,} is zero",
            fix="save it as UTF-8 text, or name it for what it is (.parquet, .arrow, .csv.gz)",
        )
    text = codecs.getincrementaldecoder("utf-8-sig")("replace").decode(beginning)
    names = next(csv.reader(text.splitlines(keepends=True), delimiter=separator), [])
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise InvalidInputError(
            f"{name} line 1: two columns are called {twice[0]!r}",
            fix="give every column a name of its own",
        )


def check_rows(path: Path, name: str, separator: str) -> None:
    """Raise InvalidInputError at the first row with fewer or more fields than the header."""
    for row in ragged_rows(path, separator):
        raise _ragged(name, row, _wanted_fields(path, separator))


def ragged_rows(path: Path, separator: str) -> Iterator[RaggedRow]:
    """Yield the rows with fewer or more fields than the header.

    Without quotes that is a count of separators, a line at a time but vectorized; else parsed.
    """
    wanted = _wanted_fields(path, separator)
    lines = _lines(path).with_row_index("row")
    odd = (
        lines.with_columns(
            fields=(pl.col("line").str.count_matches(separator, literal=True) + 1).fill_null(0),
            is_quoted=pl.col("line").str.contains('"', literal=True).fill_null(value=False),
        )
        .filter((pl.col("fields") != wanted) | pl.col("is_quoted"))
        .collect(engine="streaming")
    )
    if not odd["is_quoted"].any():
        for row, line, fields, _ in odd.iter_rows():
            yield RaggedRow(row=row, line=row + 1, fields=fields, text=line or "")
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=separator)
        next(rows)
        for number, cells in enumerate(rows, 1):
            if len(cells) != wanted:
                yield RaggedRow(
                    row=number, line=rows.line_num, fields=len(cells), text=separator.join(cells)
                )


def _lines(path: Path) -> pl.LazyFrame:
    return pl.scan_csv(
        path, separator="\x01", quote_char=None, has_header=False, new_columns=["line"],
        infer_schema=False, glob=False, missing_columns="insert", empty_string_is_null=False,
    )  # fmt: skip


def _wanted_fields(path: Path, separator: str) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return len(next(csv.reader(file, delimiter=separator)))


def csv_fault(path: Path, name: str, separator: str, error: Exception) -> InvalidInputError | None:
    """Return what made Polars fail; None: nothing that is known here."""
    text = str(error)
    if "utf-8" in text.lower():
        return _not_utf8(path, name)
    if "more fields than defined" in text:
        try:
            check_rows(path, name, separator)
        except InvalidInputError as ragged:
            return ragged
    if found := _NO_TYPE.search(text):
        return _no_type(path, name, separator, found)
    is_astray = "CSV malformed" in text or "non-equal length" in text
    return _quote_fault(path, name) if is_astray else None


def is_unread(error: Exception) -> bool:
    """Return whether a CSV file failed for the cells or fields of some rows, and not as a whole."""
    text = str(error)
    found = _NO_TYPE.search(text)
    if isinstance(error, RaggedError):
        return True
    if found is None:
        return "more fields than defined" in text
    return found["kind"] != "str" and not found["value"].startswith('"')


def no_type(name: str, column: str, value: str, kind: object, line: int = 0) -> InvalidInputError:
    """Return the error that says which value is of no type, and how to declare another one."""
    where = f" line {line:,}" if line else ""
    return InvalidInputError(
        f"{name}{where}, column {column!r}: {value[:40]!r} is no {spelled(kind)}",
        fix=_declare(column),
    )


def check_json(path: Path, name: str) -> None:
    """Raise InvalidInputError where the beginning is not JSON lines of objects."""
    for line, value in _json_values(path, name):
        if not isinstance(value, dict):
            raise InvalidInputError(
                f"{name} line {line}: a row must be an object, not {type(value).__name__}",
                fix='write one object a line: {"column": value, ...}',
            )
        return


def json_fault(path: Path, name: str, schema: pl.Schema | None) -> InvalidInputError | None:
    """Return the first line that is not JSON, or whose value does not fit its column's type."""
    try:
        for line, value in _json_values(path, name):
            for column, kind in (schema or {}).items():
                cell = value.get(column) if isinstance(value, dict) else None
                wanted = next((t for known, t in _PYTHON_TYPES if kind == known), None)
                if cell is not None and wanted and type(cell) not in wanted:
                    return no_type(name, column, str(cell), kind, line)
    except InvalidInputError as error:
        return error
    return None


def _json_values(path: Path, name: str) -> Iterator[tuple[int, object]]:
    with path.open("rb") as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                try:
                    yield line, msgspec.json.decode(text)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise InvalidInputError(
                        f"{name} line {line} is not JSON: {error}",
                        fix='write one object a line: {"column": value, ...}',
                    ) from error


def _no_type(path: Path, name: str, separator: str, found: re.Match[str]) -> InvalidInputError:
    value, kind, column = found["value"], found["kind"], found["column"]
    if value.startswith('"') and not value.rstrip().endswith('"'):
        return InvalidInputError(
            f"{name}, column {column!r}: a quote is opened and never closed: {value[:40]!r}",
            fix='close the quote; a quote inside a value is written ""',
        )
    at = (
        pl.scan_csv(path, separator=separator, infer_schema=False, glob=False)
        .select(pl.col(column))
        .with_row_index("row")
        .filter(pl.col(column) == value)
        .head(1)
        .collect(engine="streaming")
    )
    return no_type(name, column, value, kind, at["row"][0] + 2 if len(at) else 0)


def _quote_fault(path: Path, name: str) -> InvalidInputError | None:
    """Return the first line with an odd number of quotes, where reading went astray."""
    odd = (
        _lines(path)
        .with_row_index("row")
        .filter(pl.col("line").str.count_matches('"', literal=True) % 2 == 1)
        .head(1)
        .collect(engine="streaming")
    )
    if not len(odd):
        return None
    return InvalidInputError(
        f"{name} line {odd['row'][0] + 1:,} has a quote without its other half:"
        f" {odd['line'][0][:60]!r}",
        fix='close the quote; a quote inside a value is written "", and quotes around the value',
    )


def _declare(column: str) -> str:
    return (
        f"correct the value, or declare the column in a contract of the data: `{column}: str`"
        " takes any text; with any other type the rows that do not fit are put aside"
    )


def _not_utf8(path: Path, name: str) -> InvalidInputError:
    with path.open("rb") as file:
        for line, text in enumerate(file, 1):
            try:
                text.decode()
            except UnicodeDecodeError as error:
                return InvalidInputError(
                    f"{name} line {line} is not UTF-8 (byte 0x{text[error.start]:02x})",
                    fix=f"convert it: iconv -f LATIN1 -t UTF-8 {name} > utf8-{name}",
                )
    return InvalidInputError(f"{name} is not UTF-8", fix="save it as UTF-8")


def _ragged(name: str, row: RaggedRow, wanted: int) -> RaggedError:
    return RaggedError(
        f"{name} line {row.line} has {row.fields} fields, the header has {wanted}",
        fix="correct the line; a separator inside a value needs quotes around the value",
    )
