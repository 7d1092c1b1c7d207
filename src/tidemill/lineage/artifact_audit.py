"""The audit of artifacts: bytes and manifests are those of their ids, and none is missing.

What the record says of an artifact (kind, size, summary, manifest of a table) is under the seal of
the run that vouches for it: that made it, or took it from no other run (`journal_facts.py`). Its
bytes need no entry: its id is their digest. Nothing is changed: a damaged object is told, and stays
where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.digest import TreeEntry
from tidemill.core.query import EdgeRow, Query
from tidemill.core.ref import Version
from tidemill.lineage.artifacts import is_content_of
from tidemill.lineage.paging import every

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tidemill.core.digest import ArtifactId, Digest
    from tidemill.lineage.record import Record
    from tidemill.ports.ledger import Ledger
    from tidemill.ports.object_store import ObjectStore

    LookInto = Callable[["ObjectAudit", Digest, ArtifactId], str]
    """Returns what is wrong with a table behind its manifest, "" where nothing is."""

PAGE_ROWS = 1000
_NAMED_REFS = 5
_GONE = "has no bytes any more, and no removal is journaled"


class ArtifactProblem(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact that is not what its id says, or that is gone, and the versions that name it."""

    where: str
    what: str


class ObjectAudit:
    """Objects by digest, each looked at once; with `is_quick` only whether it is there."""

    def __init__(self, objects: ObjectStore, *, is_quick: bool) -> None:
        self.objects, self.is_quick = objects, is_quick
        self._known: dict[Digest, str] = {}

    def fault(self, digest: Digest, *, is_manifest: bool = False) -> str:
        """Return what is wrong with an object, "" where nothing is; a manifest is always read."""
        if digest not in self._known:
            if digest not in self.objects.has([digest]):
                self._known[digest] = _GONE
            elif self.is_quick and not is_manifest:
                return ""
            else:
                self._known[digest] = self.objects.fault(digest)
        return self._known[digest]

    def first_fault(self, digests: Iterable[Digest]) -> str:
        """Return what is wrong with the first of these that is not sound."""
        return next((fault for digest in digests if (fault := self.fault(digest))), "")


def artifact_problems(
    record: Record, *, is_quick: bool = False, look_into: LookInto | None = None
) -> Iterator[ArtifactProblem]:
    """Yield what is wrong with artifacts; reads every object that one names, once.

    Args:
        record: what is audited; nothing in it is changed.
        is_quick: read manifests and small bytes only; of large ones look whether they are there.
        look_into: what looks behind the manifest of a table, smaller tables first.
    """
    ledger = record.ports.ledger
    audit = ObjectAudit(record.ports.objects, is_quick=is_quick)
    # Who names an artifact comes first: what is written meanwhile then is found among artifacts.
    runs, refs = _vouching(ledger), _refs(ledger)
    missing = runs.keys() | refs.keys()
    tables: list[Artifact] = []
    for artifact in every(ledger, Query(Artifact, limit=PAGE_ROWS)):
        missing.discard(artifact.id)
        record.tell.check()
        what = _wrong_bytes(audit, artifact)
        if what:
            yield ArtifactProblem(where=_where(artifact, refs), what=what)
        elif artifact.id.startswith("td1:"):
            tables.append(artifact)
    for artifact in sorted(tables, key=lambda table: table.size_bytes) if look_into else ():
        record.tell.check()
        what = look_into(audit, artifact.manifest, artifact.id)  # type: ignore[misc, arg-type]
        if what:
            yield ArtifactProblem(where=_where(artifact, refs), what=what)
    for identity in sorted(missing):
        who = ", ".join(refs.get(identity) or [f"run {runs.get(identity)}"])
        yield ArtifactProblem(
            where=f"artifact {identity}", what=f"is missing from the record; {who} names it"
        )


def _vouching(ledger: Ledger) -> dict[str, str]:
    """Return a run of each artifact that a run made, or took from no other run."""
    edges = every(ledger, Query(EdgeRow, limit=PAGE_ROWS))
    return {
        str(edge.artifact): str(edge.run)
        for edge in edges
        if edge.role == "made" or edge.source is None
    }


def _refs(ledger: Ledger) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for version in every(ledger, Query(Version, limit=PAGE_ROWS)):
        found.setdefault(str(version.artifact), []).append(str(version))
    return found


def _where(artifact: Artifact, refs: dict[str, list[str]]) -> str:
    itself = f"artifact {artifact.kind} {artifact.id}"
    named = refs.get(artifact.id)
    if not named:
        return itself
    more = f" and {len(named) - _NAMED_REFS} more" if len(named) > _NAMED_REFS else ""
    return f"{', '.join(named[:_NAMED_REFS])}{more} ({itself})"


def _wrong_bytes(audit: ObjectAudit, artifact: Artifact) -> str:
    """Return what is wrong with an artifact's bytes, "" where nothing is."""
    if artifact.inline is not None:
        is_right = is_content_of(artifact.id, artifact.inline)
        return "" if is_right else "has other bytes than its id is the digest of"
    if artifact.manifest is None:
        return _GONE
    if not artifact.id.startswith("b3:"):
        return _wrong_manifest(audit, artifact, artifact.manifest)
    if str(artifact.manifest) != artifact.id:
        return "points at other bytes than its id is the digest of"
    return audit.fault(artifact.manifest)


def _wrong_manifest(audit: ObjectAudit, artifact: Artifact, manifest: Digest) -> str:
    fault = audit.fault(manifest, is_manifest=True)
    if fault:
        return fault
    data = b"".join(audit.objects.get(manifest))
    if not is_content_of(artifact.id, data):
        return "has the manifest of another artifact"
    is_tree = artifact.id.startswith("tree1:")
    files = msgspec.json.decode(data, type=list[TreeEntry]) if is_tree else ()
    return audit.first_fault(file.digest for file in files)
