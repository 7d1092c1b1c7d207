"""Artifacts and their bytes: values as canonical JSON, bytes, directories of files."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tidemill.core.artifact import INLINE_LIMIT_BYTES, Artifact
from tidemill.core.canonical import canonical_json
from tidemill.core.digest import ArtifactId, Digest, TreeEntry, digest_of, tree_id
from tidemill.core.errors import CorruptError, NotFoundError
from tidemill.core.query import Query, Where

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record

T = TypeVar("T")


def put_bytes(
    record: Record, kind: str, data: bytes, *, summary: Mapping[str, Scalar] | None = None
) -> Artifact:
    """Store bytes as an artifact named by them: inline when small, else as an object."""
    given = summary or {}
    identity = ArtifactId(digest_of(data))
    if len(data) <= INLINE_LIMIT_BYTES:
        return Artifact(id=identity, kind=kind, size_bytes=len(data), inline=data, summary=given)
    (manifest,) = record.ports.objects.put_many([[data]])
    return Artifact(id=identity, kind=kind, size_bytes=len(data), manifest=manifest, summary=given)


def put_value(
    record: Record, kind: str, value: object, *, summary: Mapping[str, Scalar] | None = None
) -> Artifact:
    """Store a struct as an artifact named by its canonical JSON."""
    return put_bytes(record, kind, canonical_json(value), summary=summary)


def put_files(
    record: Record,
    kind: str,
    files: Sequence[tuple[str, Path]],
    *,
    summary: Mapping[str, Scalar] | None = None,
) -> Artifact:
    """Store files as a directory artifact; `files` are (path inside it, file)."""
    digests = record.ports.objects.put_many(_pieces(path) for _, path in files)
    entries = [
        TreeEntry(
            path=name, digest=digest, size_bytes=path.stat().st_size,
            is_executable=os.access(path, os.X_OK),
        )
        for (name, path), digest in zip(files, digests, strict=True)
    ]  # fmt: skip
    return put_entries(record, kind, entries, summary=summary)


def put_entries(
    record: Record,
    kind: str,
    entries: Sequence[TreeEntry],
    *,
    summary: Mapping[str, Scalar] | None = None,
) -> Artifact:
    """Make a directory artifact of files whose bytes are stored already."""
    ordered = sorted(entries, key=lambda entry: entry.path)
    (manifest,) = record.ports.objects.put_many([[canonical_json(ordered)]])
    return Artifact(
        id=tree_id(ordered), kind=kind, size_bytes=sum(entry.size_bytes for entry in ordered),
        manifest=manifest, summary=summary or {"files": len(ordered)},
    )  # fmt: skip


def tree_entries(record: Record, artifact: Artifact) -> list[TreeEntry]:
    """Return the files of a directory artifact."""
    return msgspec.json.decode(read_bytes(record, artifact), type=list[TreeEntry])


def checkout(record: Record, artifact: Artifact, folder: Path) -> Path:
    """Write the files of a directory artifact into `folder` and return it."""
    for entry in tree_entries(record, artifact):
        target = folder / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(record.ports.objects.path(entry.digest), target)
        target.chmod(0o755 if entry.is_executable else 0o644)
    return folder


def read_bytes(record: Record, artifact: Artifact) -> bytes:
    """Return an artifact's bytes (of a directory or table: its manifest's), verified.

    Raises:
        CorruptError: they are not the bytes that its id is the digest of.
        NotFoundError: they are not in this record.
    """
    if artifact.inline is None and artifact.manifest is None:
        raise NotFoundError(
            f"{artifact} has no bytes in this record",
            fix="its bytes were removed, or live elsewhere",
        )
    if artifact.inline is not None:
        data = artifact.inline
    else:
        data = b"".join(record.ports.objects.get(Digest(str(artifact.manifest))))
    # The object store has compared bytes and manifest: large ones need no second digest.
    is_compared = artifact.inline is None and str(artifact.manifest) == artifact.id
    if not is_compared and not is_content_of(artifact.id, data):
        raise CorruptError(
            f"the bytes of {artifact} are not those that its id is the digest of: the record was"
            " changed",
            fix="tidemill audit verify, then bring the record back from a backup",
        )
    return data


def is_content_of(identity: str, data: bytes) -> bool:
    """Return whether these are the bytes of `b3:`, the manifest of `tree1:` or `td1:`."""
    scheme = identity.partition(":")[0]
    if scheme == "b3":
        return digest_of(data) == identity
    try:
        if scheme == "tree1":
            return tree_id(msgspec.json.decode(data, type=list[TreeEntry])) == identity
        return msgspec.json.decode(data, type=_Named).id == identity
    except msgspec.DecodeError:
        return False


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    """What every table manifest says of itself."""

    id: str


def read_value(record: Record, artifact: Artifact, type_: type[T]) -> T:
    """Return the struct that an artifact holds."""
    return msgspec.json.decode(read_bytes(record, artifact), type=type_)


def find_artifact(record: Record, identity: str) -> Artifact:
    """Return an artifact by its whole id.

    Raises:
        NotFoundError: the record does not know it.
    """
    found = record.ports.ledger.find(Query(Artifact, where=(Where("id", "=", identity),), limit=1))
    if not found:
        raise NotFoundError(
            f"the record knows no artifact {identity[:20]}", fix="tidemill search " + identity[:14]
        )
    return found[0]


def find_artifacts(record: Record, identities: Sequence[str]) -> dict[str, Artifact]:
    """Return those artifacts that the record knows, by id."""
    wanted = tuple(dict.fromkeys(identities))
    query = Query(Artifact, where=(Where("id", "in", wanted),), limit=max(len(wanted), 1))
    return {artifact.id: artifact for artifact in record.ports.ledger.find(query)}


def _pieces(path: Path) -> list[bytes]:
    return [path.read_bytes()]
