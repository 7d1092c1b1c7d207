"""Tables in the object store: Parquet fragments behind a manifest, named by `td1`.

Needs an object store and no record, so that step workers and the collector use it too.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.core.artifact import Artifact
from tidemill.core.canonical import canonical_json
from tidemill.core.digest import ArtifactId, Digest
from tidemill.core.errors import CorruptError, InvalidInputError
from tidemill.kernels.table_digest import ColumnDigest as HashedColumn
from tidemill.kernels.table_digest import TableHasher, digest_of_chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tidemill.core.run import Scalar
    from tidemill.ports.object_store import ObjectStore

FRAGMENT_ROWS = 1_000_000
"""Most rows of one Parquet file."""

FRAGMENT_BYTES = 128 * 1024 * 1024
"""Bytes in memory from which waiting rows are written, so that wide tables are bounded too."""

SMALL_BYTES = 1024 * 1024
"""A fragment below this is written again, together with rows that come after it (ADR 6)."""

_ROW_GROUP_ROWS = 131_072


class Fragment(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file of a table: its bytes and its rows."""

    digest: Digest
    rows: int
    size_bytes: int


class ColumnDigest(msgspec.Struct, frozen=True, kw_only=True):
    """Identity of one column, and of its chunks, from which an append goes on."""

    name: str
    hex: str
    chunks: tuple[str, ...]


class TableManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a table is made of. `schema` is in td1's words, `polars_schema` restores exact types."""

    id: ArtifactId
    schema: tuple[tuple[str, str], ...]
    rows: int
    columns: tuple[ColumnDigest, ...]
    fragments: tuple[Fragment, ...]
    key: tuple[str, ...] = ()
    polars_schema: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes of all fragments."""
        return sum(fragment.size_bytes for fragment in self.fragments)


class StoredTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table whose bytes are stored: the artifact to record, and the objects that it needs."""

    artifact: Artifact
    manifest: TableManifest
    objects: tuple[Digest, ...]


class TableWriter:
    """Writes a table while its rows stream by: hashed, and stored in fragments.

    Memory holds one fragment. With `base` the rows are appended to that table, whose whole chunks
    are not hashed again and whose fragments, but for small ones at its end, are not written again.
    """

    def __init__(
        self,
        objects: ObjectStore,
        *,
        key: Sequence[str] = (),
        base: TableManifest | None = None,
    ) -> None:
        self._objects, self._key, self._base = objects, tuple(key), base
        self._hasher: TableHasher | None = None
        self._fragments: list[Fragment] = list(base.fragments) if base else []
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._waiting_bytes = 0.0
        self.rows_written = 0

    def write(self, frame: pl.DataFrame) -> None:
        """Add rows at the end.

        Raises:
            InvalidInputError: the columns are not those of the table.
        """
        if self._hasher is None:
            self._hasher = self._begun(frame)
        self._hasher.update(frame)
        self.rows_written += frame.height
        if frame.height:
            self._waiting.append(frame)
            self._waiting_rows += frame.height
            self._waiting_bytes += frame.estimated_size()
        while self._waiting_rows >= FRAGMENT_ROWS:
            self._flush(FRAGMENT_ROWS)
        if self._waiting_bytes >= FRAGMENT_BYTES:
            self._flush(self._waiting_rows)

    def finish(self) -> StoredTable:
        """Store what is left and the manifest, and return the table.

        Raises:
            InvalidInputError: nothing was ever written, not even an empty batch with columns.
        """
        if self._waiting_rows:
            self._take_in_small_fragments()
            self._flush(self._waiting_rows)
        if self._hasher is None:
            self._hasher = self._begun(self._empty())
        digest = self._hasher.finish()
        manifest = TableManifest(
            id=digest.id,
            schema=tuple(digest.schema),
            rows=digest.rows,
            columns=tuple(_kept(column) for column in digest.columns),
            fragments=tuple(self._fragments),
            key=self._key or (self._base.key if self._base else ()),
            polars_schema=_spelled(self._hasher.schema),
        )
        (stored,) = self._objects.put_many([[canonical_json(manifest)]])
        summary: Mapping[str, Scalar] = {"rows": manifest.rows, "columns": len(manifest.schema)}
        artifact = Artifact(
            id=manifest.id, kind="table", size_bytes=manifest.size_bytes, manifest=stored,
            summary=summary,
        )  # fmt: skip
        objects = (stored, *(fragment.digest for fragment in manifest.fragments))
        return StoredTable(artifact=artifact, manifest=manifest, objects=objects)

    def _empty(self) -> pl.DataFrame:
        if self._base is None:
            raise InvalidInputError(
                "there is no table: it has neither rows nor columns",
                fix="give at least the names and types of its columns",
            )
        return pl.DataFrame(schema=table_schema(self._base))

    def _begun(self, first: pl.DataFrame) -> TableHasher:
        if self._base is None:
            return TableHasher(first.schema)
        schema = table_schema(self._base)
        if dict(first.schema) != dict(schema) or first.columns != list(schema):
            raise InvalidInputError(_unlike(schema, first.schema), fix="append rows of this shape")
        chunks = [column.chunks for column in self._base.columns]
        hasher = TableHasher.resume(schema, chunks, self._base.rows)
        left = self._base.rows - hasher.rows
        if left:
            hasher.update(scan_manifest(self._objects, self._base).tail(left).collect())
        return hasher

    def _take_in_small_fragments(self) -> None:
        """Let the rows that wait begin with those of small fragments at the end of the base.

        Each fragment that stays is more than twice as long as the next, so that many small appends
        make few fragments, and a row is written again a few times only (the logarithmic method of
        Bentley and Saxe, Decomposable Searching Problems, 1980).
        """
        if self._base is None or len(self._fragments) > len(self._base.fragments):
            return
        schema = table_schema(self._base)
        while self._fragments:
            last = self._fragments[-1]
            rows = last.rows + self._waiting_rows
            is_short = last.rows <= 2 * self._waiting_rows and rows <= FRAGMENT_ROWS
            if last.size_bytes >= SMALL_BYTES or not is_short:
                return
            path = self._objects.path(last.digest)
            self._waiting.insert(0, pl.read_parquet(path, glob=False).cast(schema))
            self._waiting_rows = rows
            self._fragments.pop()

    def _flush(self, rows: int) -> None:
        waiting = pl.concat(self._waiting) if len(self._waiting) > 1 else self._waiting[0]
        piece, rest = waiting.slice(0, rows), waiting.slice(rows)
        self._waiting, self._waiting_rows = ([rest] if rest.height else []), rest.height
        self._waiting_bytes = rest.estimated_size() if rest.height else 0.0
        buffer = io.BytesIO()
        piece.write_parquet(
            buffer, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP_ROWS
        )
        data = buffer.getbuffer()
        (digest,) = self._objects.put_many([_pieces(data)])
        self._fragments.append(Fragment(digest=digest, rows=piece.height, size_bytes=len(data)))


class RowBatches:
    """Rows that come batch by batch, once, as a step may return them; at least one batch."""

    def __init__(self, batches: Iterable[pl.DataFrame]) -> None:
        self.batches = batches


def store_table(
    objects: ObjectStore, frame: pl.DataFrame | pl.LazyFrame | RowBatches, key: Sequence[str] = ()
) -> StoredTable:
    """Store a frame as a table; a lazy one and batches stream."""
    writer = TableWriter(objects, key=key)
    parts: Iterable[pl.DataFrame]
    if isinstance(frame, RowBatches):
        for part in frame.batches:
            writer.write(part)
        return writer.finish()
    if isinstance(frame, pl.LazyFrame):
        writer.write(pl.DataFrame(schema=frame.collect_schema()))
        parts = frame.collect_batches(
            chunk_size=_ROW_GROUP_ROWS, maintain_order=True, lazy=True, engine="streaming"
        )
    else:
        writer.write(frame.slice(0, 0))
        parts = frame.iter_slices(_ROW_GROUP_ROWS)
    for part in parts:
        writer.write(part)
    return writer.finish()


def read_manifest(objects: ObjectStore, manifest: Digest, table: ArtifactId) -> TableManifest:
    """Return a table's manifest, verified.

    Raises:
        CorruptError: it is the manifest of another table; and as `ObjectStore.get`. That its
            fragments hold the rows of its columns' digests is for the audit to prove.
    """
    found = msgspec.json.decode(b"".join(objects.get(manifest)), type=TableManifest)
    if found.id != table or not _is_its_own(found):
        of = "another table" if found.id == table else found.id[:16]
        raise CorruptError(
            f"table {table[:16]} has the manifest of {of}: the record was changed",
            fix="tidemill audit verify, then bring the record back from a backup",
        )
    return found


def _is_its_own(manifest: TableManifest) -> bool:
    """Whether a manifest's id is that of its columns; one digest a column, no row is read."""
    chunks = [column.chunks for column in manifest.columns]
    names = [column.name for column in manifest.columns]
    if names != [name for name, _ in manifest.schema]:
        return False
    try:
        return digest_of_chunks(manifest.schema, manifest.rows, chunks).id == manifest.id
    except (ValueError, struct.error):  # a chunk that is no digest, or an impossible count of rows
        return False


def scan_table(objects: ObjectStore, manifest: Digest, table: ArtifactId) -> pl.LazyFrame:
    """Return a table's rows in order, read when collected. Raises as `read_manifest`."""
    return scan_manifest(objects, read_manifest(objects, manifest, table))


def scan_manifest(objects: ObjectStore, manifest: TableManifest) -> pl.LazyFrame:
    """Return the rows of a manifest's table in order."""
    if not manifest.fragments:
        return pl.DataFrame(schema=table_schema(manifest)).lazy()
    paths = [objects.path(fragment.digest) for fragment in manifest.fragments]
    return pl.concat([pl.scan_parquet(path, glob=False) for path in paths]).cast(
        table_schema(manifest)
    )


def table_schema(manifest: TableManifest) -> pl.Schema:
    """Return the exact Polars types of a table's columns."""
    empty = pl.DataFrame.deserialize(io.StringIO(manifest.polars_schema), format="json")
    return empty.schema


def _kept(column: HashedColumn) -> ColumnDigest:
    return ColumnDigest(name=column.name, hex=column.hex, chunks=tuple(column.chunks))


def _spelled(schema: pl.Schema) -> str:
    return pl.DataFrame(schema=schema).serialize(format="json")


def _pieces(data: memoryview) -> Iterator[bytes]:
    for start in range(0, len(data), 1 << 20):
        yield bytes(data[start : start + (1 << 20)])


def _unlike(wanted: pl.Schema, given: pl.Schema) -> str:
    missing = [name for name in wanted if name not in given]
    extra = [name for name in given if name not in wanted]
    other = [
        f"{name} is {given[name]} instead of {wanted[name]}"
        for name in wanted
        if name in given and given[name] != wanted[name]
    ]
    told = [*(f"{name} is missing" for name in missing), *(f"{name} is new" for name in extra)]
    differs = ", ".join([*told, *other]) or "the order of columns differs"
    return f"the rows do not fit the table that they are appended to: {differs}"
