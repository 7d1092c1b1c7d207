"""The audit of artifacts: bytes and manifests are those of their ids, and none is missing.

What the record says of an artifact (kind, size, summary) is under the seal of the run that made it
(`journal_facts.py`). Its bytes need no entry: its id is their digest. Bytes that are not here, and
the rows of tables behind their manifests, are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.errors import CorruptError, NotFoundError
from tidemill.core.query import EdgeRow, Query, Where
from tidemill.core.ref import Version
from tidemill.lineage.artifacts import is_content_of
from tidemill.lineage.paging import every

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.lineage.record import Record
    from tidemill.ports.ledger import Ledger
    from tidemill.ports.object_store import ObjectStore

PAGE_ROWS = 1000


class ArtifactProblem(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that is not what its id says, or that is gone."""

    where: str
    what: str


def artifact_problems(record: Record) -> Iterator[ArtifactProblem]:
    """Yield what is wrong with artifacts; reads every manifest that is here, but no large bytes."""
    ledger, objects = record.ports.ledger, record.ports.objects
    # Who names an artifact comes first: what is written meanwhile then is found among artifacts.
    named = _named(ledger)
    for artifact in every(ledger, Query(Artifact, limit=PAGE_ROWS)):
        named.pop(artifact.id, None)
        what = _wrong_bytes(objects, artifact)
        if what:
            yield ArtifactProblem(where=f"artifact {artifact.kind} {artifact.id}", what=what)
    for identity, who in named.items():
        yield ArtifactProblem(
            where=f"artifact {identity}", what=f"is missing from the record; {who} names it"
        )


def _named(ledger: Ledger) -> dict[str, str]:
    made = Query(EdgeRow, where=(Where("role", "=", "made"),), limit=PAGE_ROWS)
    named = {str(edge.artifact): f"run {edge.run}" for edge in every(ledger, made)}
    versions = every(ledger, Query(Version, limit=PAGE_ROWS))
    return named | {str(version.artifact): str(version) for version in versions}


def _wrong_bytes(objects: ObjectStore, artifact: Artifact) -> str:
    """Return what is wrong with an artifact's bytes, "" where nothing is."""
    if artifact.inline is not None:
        is_right = is_content_of(artifact.id, artifact.inline)
        return "" if is_right else "has other bytes than its id is the digest of"
    if artifact.manifest is None or not objects.has([artifact.manifest]):
        return "has no bytes any more, and no removal is journaled"
    if artifact.id.startswith("b3:"):
        is_right = str(artifact.manifest) == artifact.id
        return "" if is_right else "points at other bytes than its id is the digest of"
    try:
        data = b"".join(objects.get(artifact.manifest))
    except (NotFoundError, CorruptError) as error:
        return error.what
    return "" if is_content_of(artifact.id, data) else "has the manifest of another artifact"
