"""The audit of a table: its fragments are sound, and its rows those that its id stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tidemill.core.errors import TidemillError
from tidemill.kernels.table_digest import TableHasher
from tidemill.practices.versioning.tables import read_manifest, scan_manifest, table_schema

if TYPE_CHECKING:
    from tidemill.core.digest import ArtifactId, Digest
    from tidemill.lineage.artifact_audit import ObjectAudit
    from tidemill.practices.versioning.tables import TableManifest

_BATCH_ROWS = 131_072

Fragments = tuple["Digest", ...]


class TableAudit:
    """Looks into tables, one after the other; memory for a batch of rows.

    A table that goes on after the fragments of one that was found sound is hashed from there.
    """

    def __init__(self) -> None:
        self._sound: dict[Fragments, TableManifest] = {}

    def __call__(self, audit: ObjectAudit, manifest: Digest, table: ArtifactId) -> str:
        """Return what is wrong with a table, "" where nothing is; quick audits hash no rows."""
        try:
            found = read_manifest(audit.objects, manifest, table)
            fragments = tuple(fragment.digest for fragment in found.fragments)
            fault = audit.first_fault(fragments)
            if fault or audit.is_quick:
                return fault
            identity = self._hashed(audit, found)
        except TidemillError as error:
            return error.what
        except pl.exceptions.PolarsError as error:
            return f"has rows that cannot be read: {error}"
        if identity != table:
            return f"has other rows than its id is the digest of: they are {identity[:20]}"
        self._sound[fragments] = found
        return ""

    def _hashed(self, audit: ObjectAudit, manifest: TableManifest) -> ArtifactId:
        schema = table_schema(manifest)
        base = self._base(manifest)
        hasher = TableHasher(schema)
        if base is not None:
            chunks = [column.chunks for column in base.columns]
            hasher = TableHasher.resume(schema, chunks, base.rows)
        rows = scan_manifest(audit.objects, manifest).slice(hasher.rows)
        for batch in rows.collect_batches(
            chunk_size=_BATCH_ROWS, maintain_order=True, lazy=True, engine="streaming"
        ):
            hasher.update(batch)
        return hasher.finish().id

    def _base(self, manifest: TableManifest) -> TableManifest | None:
        fragments = tuple(fragment.digest for fragment in manifest.fragments)
        for end in range(len(fragments) - 1, 0, -1):
            base = self._sound.get(fragments[:end])
            if base is not None and base.polars_schema == manifest.polars_schema:
                return base
        return None
