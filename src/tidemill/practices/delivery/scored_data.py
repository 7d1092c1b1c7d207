"""The data version that is scored, as a scoring process reads it: a table, or a folder of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.lineage.artifacts import find_artifact, tree_entries
from tidemill.practices.delivery.scoring_job import ScoredFile, ScoringJob
from tidemill.practices.versioning.data import TABLE_KINDS, manifest_of
from tidemill.practices.versioning.tables import TableManifest, read_manifest

if TYPE_CHECKING:
    from tidemill.core.digest import ArtifactId
    from tidemill.lineage.record import Record


class ScoredData(msgspec.Struct, frozen=True, kw_only=True):
    """What is scored. Either `manifest` and `fragments`, or `files`."""

    manifest: TableManifest | None = None
    fragments: tuple[str, ...] = ()
    files: tuple[ScoredFile, ...] = ()

    def told(self, job: ScoringJob) -> ScoringJob:
        """Return a job on these data."""
        return msgspec.structs.replace(
            job, manifest=self.manifest, fragments=self.fragments, files=self.files
        )


def scored_data(record: Record, identity: ArtifactId) -> ScoredData:
    """Return where the rows of a table lie, or the files of a folder.

    Raises:
        InvalidInputError: it is neither, or its bytes were removed.
    """
    objects, data = record.ports.objects, find_artifact(record, identity)
    if data.kind not in TABLE_KINDS and data.id.startswith("tree1:"):
        files = tuple(
            ScoredFile(
                path=entry.path, object=str(objects.path(entry.digest)), size_bytes=entry.size_bytes
            )
            for entry in tree_entries(record, data)
        )
        return ScoredData(files=files)
    manifest = read_manifest(objects, manifest_of(data), data.id)
    paths = tuple(str(objects.path(fragment.digest)) for fragment in manifest.fragments)
    return ScoredData(manifest=manifest, fragments=paths)
