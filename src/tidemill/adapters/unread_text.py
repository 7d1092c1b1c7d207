"""Reading a text file with faults: what can be read is kept, what cannot is told.

Only a file that has failed comes here. Polars reads it again with the same parser, nulls for what
is no value of its type; the same cells as text tell these from missing ones.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.adapters import text_faults
from tidemill.adapters.frames import UNREAD_SCHEMA, collected, unread_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TEXT = "\0text "
_JSON_ROWS = 1024


class Faulty(msgspec.Struct, frozen=True, kw_only=True):
    """A file with faults: where it is, the types of its columns, and which of them are declared.

    Rows of declared columns are told; a fault in another column is an error, since its type is no
    more than a guess.
    """

    path: Path
    name: str
    schema: pl.Schema
    declared: frozenset[str]
    batch_rows: int


Told = tuple[pl.DataFrame, pl.DataFrame]
"""A batch, and what of it could not be read; rows numbered from 1 in the file."""


def csv_rows(faulty: Faulty, separator: str) -> Iterator[Told]:
    """Yield the rows.

    Raises:
        InvalidInputError: a cell does not fit the inferred type of its column.
    """
    ragged = _ragged(faulty.path, separator)
    done = 0
    for batch in collected(_cells(faulty, separator), faulty.batch_rows):
        typed = batch.select(faulty.schema.names())
        told = ragged.filter(pl.col("row").is_between(done + 1, done + batch.height))
        cells = [
            found
            for column in faulty.schema.names()
            if _TEXT + column in batch.columns
            for found in [_unread(faulty, batch, column, told, done)]
            if found.height
        ]
        yield typed, pl.concat([told, *cells])
        done += batch.height


def json_rows(faulty: Faulty) -> Iterator[Told]:
    """Yield the rows. Raises as `csv_rows`."""
    done = 0
    with faulty.path.open("rb") as file:
        lines = (line for line in file if line.strip())
        while waiting := list(itertools.islice(lines, _JSON_ROWS)):
            yield _json_told(faulty, waiting, done)
            done += len(waiting)


def _ragged(path: Path, separator: str) -> pl.DataFrame:
    found = [
        (row.row, "fields", row.text[:200]) for row in text_faults.ragged_rows(path, separator)
    ]
    return pl.DataFrame(found, schema=UNREAD_SCHEMA, orient="row")


def _cells(faulty: Faulty, separator: str) -> pl.LazyFrame:
    def scan(schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
        return pl.scan_csv(
            faulty.path, separator=separator, null_values=list(text_faults.NULLS),
            schema_overrides=dict(schema), infer_schema_length=1, try_parse_dates=True,
            ignore_errors=True, truncate_ragged_lines=True, glob=False,
        )  # fmt: skip

    others = [name for name, kind in faulty.schema.items() if kind != pl.String]
    typed = scan(faulty.schema)
    if not others:
        return typed
    texts = scan(dict.fromkeys(faulty.schema, pl.String())).select(
        pl.col(name).alias(_TEXT + name) for name in others
    )
    return pl.concat([typed, texts], how="horizontal")


def _unread(
    faulty: Faulty, batch: pl.DataFrame, column: str, ragged: pl.DataFrame, done: int
) -> pl.DataFrame:
    text = batch[_TEXT + column]
    bad = batch[column].is_null() & text.is_not_null()
    if not bad.any():
        return pl.DataFrame(schema=UNREAD_SCHEMA)
    found = unread_cells(column, text, bad).with_columns(pl.col("row") + done + 1)
    found = found.join(ragged, on="row", how="anti", maintain_order="left")
    if found.height and column not in faulty.declared:
        row, _, value = found.row(0)
        raise text_faults.no_type(faulty.name, column, value, faulty.schema[column], row + 1)
    return found


def _json_told(faulty: Faulty, lines: Sequence[bytes], done: int) -> Told:
    """Return the rows of some lines: as one where they can be read, else in halves, down to one."""
    try:
        frame = pl.read_ndjson(b"".join(lines), schema=faulty.schema)
    except pl.exceptions.PolarsError:
        if len(lines) == 1:
            return _json_line(faulty, lines[0], done + 1)
    else:
        return frame, pl.DataFrame(schema=UNREAD_SCHEMA)
    half = len(lines) // 2
    (first, told), (second, more) = (
        _json_told(faulty, lines[:half], done),
        _json_told(faulty, lines[half:], done + half),
    )
    return pl.concat([first, second]), pl.concat([told, more])


def _json_line(faulty: Faulty, line: bytes, number: int) -> Told:
    row = msgspec.json.decode(line)
    told = []
    for column, kind in faulty.schema.items():
        value = row.get(column)
        if value is None or _is_read(column, value, kind):
            continue
        if column not in faulty.declared:
            raise text_faults.no_type(faulty.name, column, str(value), kind, number)
        row[column] = None
        told.append((number, f"{column}.type", _spelled(value)))
    frame = pl.read_ndjson(msgspec.json.encode(row), schema=faulty.schema)
    return frame, pl.DataFrame(told, schema=UNREAD_SCHEMA, orient="row")


def _is_read(column: str, value: object, kind: pl.DataType) -> bool:
    try:
        pl.read_ndjson(msgspec.json.encode({column: value}), schema={column: kind})
    except pl.exceptions.PolarsError:
        return False
    return True


def _spelled(value: object) -> str:
    return value[:200] if isinstance(value, str) else msgspec.json.encode(value).decode()[:200]
