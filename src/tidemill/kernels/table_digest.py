"""The identity of a table (`td1`): one digest for its rows, whatever wrote or holds them.

A table is its columns, a column its chunks of 65,536 rows, a chunk its streams of bytes
(`column_streams`). So an append hashes only the tail, and the digest of a column is the key of
whatever reads only that column. The rules are frozen by test vectors; other rules would be `td2`.

Source: Merkle, A Digital Signature Based on a Conventional Encryption Function (1987), for the
tree; O'Connor, Aumasson, Neves, Wilcox-O'Hearn, BLAKE3 (2020), for the digest.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec
import polars as pl
from blake3 import blake3

from tidemill.core.digest import ArtifactId
from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.kernels.column_streams import streams
from tidemill.kernels.table_types import schema_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

CHUNK_ROWS = 65_536


class ColumnDigest(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of a column without its name: type, rows, and the digests of its chunks."""

    name: str
    type: str
    rows: int
    hex: str
    chunks: tuple[str, ...]


class TableDigest(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of a table, with that of each column, in order."""

    hex: str
    rows: int
    schema: tuple[tuple[str, str], ...]
    columns: tuple[ColumnDigest, ...]

    @property
    def id(self) -> ArtifactId:
        """The artifact's id, `td1:` and 64 hex digits."""
        return ArtifactId(f"td1:{self.hex}")

    def select(self, names: Sequence[str]) -> TableDigest:
        """Return the digest of the table that has only these columns, in this order.

        Reads no row.

        Raises:
            NotFoundError: the table has no such column.
        """
        known = {column.name: column for column in self.columns}
        for name in names:
            if name not in known:
                raise NotFoundError(
                    f"the table has no column {name!r}", fix=f"its columns are {', '.join(known)}"
                )
        return _table([known[name] for name in names], self.rows)


class TableHasher:
    """Computes a table's digest while its rows stream by.

    Holds fewer than 65,536 rows (as slices of the batches given). Linear in the bytes of the rows.

    >>> hasher = TableHasher(pl.Schema({"a": pl.Int64}))
    >>> hasher.update(pl.DataFrame({"a": [1, 2, 3]}))
    >>> hasher.finish().id == table_digest(pl.DataFrame({"a": [1, 2, 3]}))
    True
    """

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        """Begin a table with these columns.

        Raises:
            InvalidInputError: a column's type has no identity.
        """
        self.schema = pl.Schema(schema)
        self._texts = schema_texts(self.schema)
        self._chunks: list[list[str]] = [[] for _ in self._texts]
        self._pending: list[pl.DataFrame] = []
        self._pending_rows = 0
        self._hashed_rows = 0

    @classmethod
    def resume(
        cls,
        schema: Mapping[str, pl.DataType],
        chunks_per_column: Sequence[Sequence[str]],
        rows_done: int,
    ) -> TableHasher:
        """Return a hasher that goes on after the whole chunks of a table of `rows_done` rows.

        `chunks_per_column` are the chunk digests of that table, in the order of `schema`. Feed it
        the old table from row `hasher.rows` on (its last partial chunk, if any), then the new rows.

        Raises:
            InvalidInputError: the chunks are not those of a table with these columns and rows.
        """
        hasher = cls(schema)
        whole = rows_done // CHUNK_ROWS
        expected = -(-rows_done // CHUNK_ROWS)
        counts = [len(chunks) for chunks in chunks_per_column]
        if len(counts) != len(hasher.schema) or any(n not in {whole, expected} for n in counts):
            raise InvalidInputError(
                f"{rows_done} rows of {len(hasher.schema)} columns have {expected} chunks each, "
                f"but the chunks given are {counts}",
                fix="give the chunks of every column of the version that is appended to",
            )
        hasher._chunks = [list(chunks[:whole]) for chunks in chunks_per_column]
        hasher._hashed_rows = whole * CHUNK_ROWS
        return hasher

    @property
    def rows(self) -> int:
        """Rows so far, those of the resumed table's whole chunks included."""
        return self._hashed_rows + self._pending_rows

    def update(self, frame: pl.DataFrame) -> None:
        """Add rows at the end.

        Raises:
            InvalidInputError: the frame's columns are not those of the table.
        """
        self._check(frame.schema)
        start = 0
        while start < frame.height:
            rows = min(CHUNK_ROWS - self._pending_rows, frame.height - start)
            self._pending.append(frame.slice(start, rows))
            self._pending_rows += rows
            start += rows
            if self._pending_rows == CHUNK_ROWS:
                self._flush()

    def finish(self) -> TableDigest:
        """Return the digest of all rows. The hasher may not be used afterwards."""
        if self._pending_rows:
            self._flush()
        columns = [
            _column(name, text, self.rows, chunks)
            for (name, text), chunks in zip(self._texts, self._chunks, strict=True)
        ]
        return _table(columns, self.rows)

    def _flush(self) -> None:
        chunk = self._pending[0] if len(self._pending) == 1 else pl.concat(self._pending)
        for column, chunks in zip(chunk.iter_columns(), self._chunks, strict=True):
            chunks.append(_chunk(column))
        self._hashed_rows += self._pending_rows
        self._pending, self._pending_rows = [], 0

    def _check(self, given: pl.Schema) -> None:
        if given == self.schema:
            return
        for name, dtype in self.schema.items():
            if name not in given:
                raise InvalidInputError(
                    f"the rows have no column {name!r}",
                    fix=f"give all columns of the table: {', '.join(self.schema)}",
                )
            if given[name] != dtype:
                raise InvalidInputError(
                    f"column {name!r} is {given[name]} in these rows, but {dtype} in the table",
                    fix=f"cast it to {dtype}",
                )
        raise InvalidInputError(
            f"the rows have the columns {', '.join(given)}, the table {', '.join(self.schema)}",
            fix="select the table's columns, in its order",
        )


def table_digest(frame: pl.DataFrame) -> ArtifactId:
    """Return the identity of a table in memory, `td1:` and 64 hex digits.

    Raises:
        InvalidInputError: a column's type has no identity.

    >>> table_digest(pl.DataFrame({"a": pl.Series([], dtype=pl.Int64)}))[:12]
    'td1:40339d4f'
    """
    return digest_frames(frame.schema, [frame]).id


def digest_of_chunks(
    schema: Sequence[tuple[str, str]], rows: int, chunks: Sequence[Sequence[str]]
) -> TableDigest:
    """Return the digest of a table from the digests of its columns' chunks; reads no row.

    Args:
        schema: name and type, in td1's words, of each column.
        rows: how many rows.
        chunks: of each column the hex digests of its chunks, in order.

    >>> hasher = TableHasher(pl.Schema({"a": pl.Int64}))
    >>> hasher.update(pl.DataFrame({"a": [1, 2, 3]}))
    >>> digest = hasher.finish()
    >>> digest_of_chunks(digest.schema, 3, [digest.columns[0].chunks]) == digest
    True
    """
    columns = [
        _column(name, text, rows, parts) for (name, text), parts in zip(schema, chunks, strict=True)
    ]
    return _table(columns, rows)


def digest_frames(schema: Mapping[str, pl.DataType], frames: Iterable[pl.DataFrame]) -> TableDigest:
    """Return the digest of a table that comes in batches of any size.

    Raises:
        InvalidInputError: a column's type has no identity, or a batch has other columns.
    """
    hasher = TableHasher(schema)
    for frame in frames:
        hasher.update(frame)
    return hasher.finish()


def _chunk(column: pl.Series) -> str:
    digest = blake3()
    for tag, content in streams(column):
        digest.update(tag + struct.pack("<Q", content.nbytes))
        digest.update(content.data)
    return digest.hexdigest()


def _column(name: str, text: str, rows: int, chunks: Sequence[str]) -> ColumnDigest:
    digest = blake3(b"td1 column" + _sized(text) + struct.pack("<Q", rows))
    digest.update(bytes.fromhex("".join(chunks)))
    return ColumnDigest(
        name=name, type=text, rows=rows, hex=digest.hexdigest(), chunks=tuple(chunks)
    )


def _table(columns: Sequence[ColumnDigest], rows: int) -> TableDigest:
    schema = tuple((column.name, column.type) for column in columns)
    text = msgspec.json.encode(schema).decode()
    digest = blake3(b"td1 table" + _sized(text) + struct.pack("<Q", rows))
    digest.update(bytes.fromhex("".join(column.hex for column in columns)))
    return TableDigest(hex=digest.hexdigest(), rows=rows, schema=schema, columns=tuple(columns))


def _sized(text: str) -> bytes:
    spelled = text.encode()
    return struct.pack("<Q", len(spelled)) + spelled
