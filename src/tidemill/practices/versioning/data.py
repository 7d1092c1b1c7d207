"""Data versions: what `data:NAME@N` is, how a source becomes the next one, how it is read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.digest import Digest
from tidemill.core.errors import InvalidInputError
from tidemill.core.facts import RefAt
from tidemill.core.pointer import parse_pointer
from tidemill.core.query import Query, Where
from tidemill.core.ref import Version
from tidemill.lineage.artifacts import find_artifact
from tidemill.lineage.attested import Kept, kept
from tidemill.lineage.leases import sole
from tidemill.lineage.refs import ref_name, resolve
from tidemill.lineage.writing import newest_version, opened
from tidemill.practices.versioning.source_places import place_params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from tidemill.core.ref import RefName
    from tidemill.core.run import RunId
    from tidemill.lineage.leases import HeldLease
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft
    from tidemill.ports.source import TableSource, Unread
    from tidemill.practices.versioning.tables import StoredTable, TableManifest, TableWriter

KIND = "data"
WAIT_S = 600.0


class Watcher(Protocol):
    """Looks at rows while they stream into a version; validation brings them."""

    def begin(self, base: pl.LazyFrame | None) -> None:
        """Learn of the rows that will be there already: those that an append adds to."""
        ...

    def watch(self, batch: pl.DataFrame, first_row: int, file: str) -> pl.DataFrame:
        """Return the rows to keep.

        `first_row` is the batch's place in the source, from 0; `file` the one of a folder, or "".
        """
        ...

    def finish(self, run: RunDraft, stored: StoredTable) -> None:
        """Add to the run what was found; raise `CheckFailedError` to refuse the whole source."""
        ...


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a source: the version, whether it is new, and rows in all and added."""

    version: Version
    is_new: bool
    rows: int
    rows_added: int
    size_bytes: int
    source: str


class DataVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A data version and where its rows are."""

    version: Version
    artifact: Artifact
    manifest_digest: Digest
    rows: int


def ingest(  # noqa: PLR0913 - a source, where it goes, and how
    record: Record,
    name: str,
    source: object,
    *,
    append: bool = False,
    key: Sequence[str] = (),
    watchers: Sequence[Watcher] = (),
    at: datetime | None = None,
    because: str = "",
    schema: Mapping[str, pl.DataType] | None = None,
    unread: Unread | None = None,
    again: bool = False,
) -> Ingested:
    """Read a source once, from beginning to end, into the next version of `data:NAME`.

    Rows equal to the newest version add nothing. With `append` they are added to the newest
    version; a delivery that it holds already adds nothing, unless `again` (one that was there
    before the rows were replaced as a whole is added). Memory holds one fragment. One source at a
    time for a name: another process waits. `unread` is told of rows that cannot be read as their
    columns are declared; without it they are an error.

    Raises:
        InvalidInputError: the source cannot be read, or its columns do not fit.
        CheckFailedError: a watcher refused it; nothing was added.
    """
    ref = ref_name(record, KIND, name)
    wish = _Wish(
        append=append, key=tuple(key), watchers=tuple(watchers), at=at, because=because,
        schema=schema or {}, again=again, unread=unread,
    )  # fmt: skip
    with sole(record, f"ingest:{ref}", wait_s=WAIT_S) as held:
        return _ingested(record, ref, source, wish, held)


def open_data(record: Record, pointer: str, at: datetime | None = None) -> DataVersion:
    """Return a data version by a pointer; without a selector the newest, or that at `at`.

    Raises:
        NotFoundError: no such data, or none as early as `at`.
    """
    return data_of(record, version_at(record, pointer, at))


def data_of(record: Record, version: Version) -> DataVersion:
    """Return a version with the place of its rows. Raises as `manifest_of`."""
    artifact = find_artifact(record, version.artifact)
    return DataVersion(
        version=version, artifact=artifact, manifest_digest=manifest_of(artifact),
        rows=int(artifact.summary.get("rows") or 0),
    )  # fmt: skip


def version_at(record: Record, pointer: str, at: datetime | None = None) -> Version:
    """Return the version that a pointer names, whatever it is. Raises as `open_data`."""
    named = pointer.partition("@")[0].partition(":")[0]
    kind = named if ":" in pointer.partition("@")[0] and named in TABLE_KINDS else KIND
    parsed = parse_pointer(pointer, project=record.project, kind=kind)
    if at is not None and parsed.number is None and parsed.word is None and parsed.at is None:
        parsed = msgspec.structs.replace(parsed, at=at)
    return resolve(record, parsed)


def scan_data(record: Record, pointer: str, at: datetime | None = None) -> pl.LazyFrame:
    """Return the rows of a data version, read when collected. Raises as `open_data`."""
    from tidemill.practices.versioning.tables import scan_table  # noqa: PLC0415 - brings Polars

    data = open_data(record, pointer, at)
    return scan_table(record.ports.objects, data.manifest_digest, data.artifact.id)


def manifest_of(artifact: Artifact) -> Digest:
    """Return the manifest of a table artifact.

    Raises:
        InvalidInputError: it is no table, or its bytes were removed.
    """
    if artifact.kind == "external":
        raise InvalidInputError(
            f"these data are external, not held: they lie at {artifact.summary.get('place')}",
            fix="use them in a pipeline (tm.data), or add them without --external",
        )
    if artifact.id.startswith("tree1:"):
        raise InvalidInputError(
            f"{artifact} is a folder of files and has no rows",
            fix="get its files: tidemill data get NAME --out FOLDER",
        )
    if artifact.kind not in TABLE_KINDS or artifact.manifest is None:
        raise InvalidInputError(
            f"{artifact} is no table whose rows are here", fix="name a data version: data:NAME@N"
        )
    return artifact.manifest


TABLE_KINDS = ("table", "quarantine", "predictions", "labels", "sample")
"""Kinds of artifacts that are tables: `td1` ids, with a table manifest."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Wish:
    """How a source is to be added."""

    append: bool
    key: tuple[str, ...]
    watchers: tuple[Watcher, ...]
    at: datetime | None
    because: str
    schema: Mapping[str, pl.DataType]
    again: bool
    unread: Unread | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Base:
    """The version that an append adds to."""

    version: Version
    manifest: TableManifest


def _newest(record: Record, ref: RefName) -> _Base | None:
    from tidemill.practices.versioning.tables import read_manifest  # noqa: PLC0415 - as above

    version = newest_version(record, ref)
    if not isinstance(version, Version):
        return None
    artifact = find_artifact(record, version.artifact)
    manifest = read_manifest(record.ports.objects, manifest_of(artifact), artifact.id)
    return _Base(version=version, manifest=manifest)


def _ingested(
    record: Record, ref: RefName, source: object, wish: _Wish, held: HeldLease
) -> Ingested:
    from tidemill.practices.versioning.tables import TableWriter, table_schema  # noqa: PLC0415

    base = _newest(record, ref) if wish.append else None
    types = {**(table_schema(base.manifest) if base else {}), **wish.schema}
    given = record.ports.sources.open(source, schema=types, unread=wish.unread)
    place = record.ports.sources.place(source)
    writer = TableWriter(record.ports.objects, key=wish.key, base=base.manifest if base else None)
    _begin(record, wish.watchers, base)
    came = _stream(record, given, writer, wish.watchers, held)
    stored = writer.finish()
    since = kept(record, f"since:{ref}")
    delivered = kept(record, f"delivery:{ref}:{since.said}:{came}")
    if base and delivered.said and not wish.again:
        return _added_before(record, ref, delivered.said, given.name)
    with opened(
        record, kind="ingest", name=ref.name, at=wish.at, because=wish.because,
        params={
            "source": given.name, "append": wish.append,
            **place_params(record, place.path if place else None),
        },
    ) as run:  # fmt: skip
        if base:
            run.used(base.version.artifact, name="base", source=base.version.run)
            run.require(RefAt(ref=ref, number=base.version.number))
        for watcher in wish.watchers:
            watcher.finish(run, stored)
        run.made(stored.artifact, name="data", objects=stored.objects)
        pending = run.version(ref, stored.artifact)
        if base is None and not _is_newest(record, ref, stored):
            since.give(run)
            delivered = Kept(key=f"delivery:{ref}:{run.id}:{came}")
        delivered.give(run)
    return Ingested(
        version=pending.version, is_new=pending.is_new, rows=stored.manifest.rows,
        rows_added=writer.rows_written if pending.is_new else 0,
        size_bytes=stored.artifact.size_bytes, source=given.name,
    )  # fmt: skip


def _is_newest(record: Record, ref: RefName, stored: StoredTable) -> bool:
    newest = newest_version(record, ref)
    return isinstance(newest, Version) and newest.artifact == stored.artifact.id


def _begin(record: Record, watchers: Sequence[Watcher], base: _Base | None) -> None:
    from tidemill.practices.versioning.tables import scan_manifest  # noqa: PLC0415 - as above

    rows = scan_manifest(record.ports.objects, base.manifest) if base else None
    for watcher in watchers:
        watcher.begin(rows)


def _stream(
    record: Record,
    given: TableSource,
    writer: TableWriter,
    watchers: Sequence[Watcher],
    held: HeldLease,
) -> str:
    """Read the source through the watchers into the writer; returns the identity of what came."""
    from tidemill.kernels.table_digest import TableHasher  # noqa: PLC0415 - brings Polars

    hasher: TableHasher | None = None
    rows = 0
    for batch in given.batches():
        hasher = hasher or TableHasher(batch.schema)
        hasher.update(batch)
        kept = batch
        for watcher in watchers:
            kept = watcher.watch(kept, rows, given.file)
        writer.write(kept)
        rows += batch.height
        record.tell.progress(f"reading {given.name}, rows", rows)
        record.tell.check()
        held.renew()
    if not rows:
        raise InvalidInputError(
            f"{given.name} has no rows; nothing was added",
            fix="give a source with rows in it; the newest version stays as it is",
        )
    return hasher.finish().id if hasher else ""


def _added_before(record: Record, ref: RefName, run: RunId, source: str) -> Ingested:
    where = (Where("ref", "=", str(ref)), Where("run", "=", run))
    found = record.ports.ledger.find(Query(Version, where=where, limit=1))
    newest = newest_version(record, ref)
    version = found[0] if found else newest
    if not isinstance(version, Version):
        raise InvalidInputError(
            f"{source} was added to {ref.kind}:{ref.name} before, by a run without a version",
            fix="add it with --again",
        )
    artifact = find_artifact(record, version.artifact)
    return Ingested(
        version=version, is_new=False, rows=int(artifact.summary.get("rows") or 0), rows_added=0,
        size_bytes=artifact.size_bytes, source=source,
    )  # fmt: skip
