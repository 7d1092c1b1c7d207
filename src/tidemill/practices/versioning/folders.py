"""Folders in the object store: files by path behind a manifest, named by `tree1`.

Each file is stored once, whatever it is called and in however many versions it is. Needs an object
store and no record, so that step workers use it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.canonical import canonical_json
from tidemill.core.digest import TreeEntry, tree_id
from tidemill.core.errors import CorruptError
from tidemill.core.text import counted, on_one_line, table
from tidemill.practices.versioning.folder_files import (
    changing,
    file_digest,
    found_files,
    pieces,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tidemill.core.digest import ArtifactId, Digest
    from tidemill.core.run import Scalar
    from tidemill.ports.object_store import ObjectStore
    from tidemill.practices.versioning.folder_files import FoundFile

KIND = "folder"
TOGETHER_FILES, TOGETHER_BYTES = 20_000, 64 * 1024 * 1024
"""Small files that are published together; memory holds their bytes."""

_LISTED = 20


class StoredFolder(msgspec.Struct, frozen=True, kw_only=True):
    """A folder whose bytes are stored: the artifact to record, and the objects that it needs."""

    artifact: Artifact
    entries: tuple[TreeEntry, ...]
    left_out: tuple[str, ...] = ()

    @property
    def objects(self) -> tuple[Digest, ...]:
        """Every object that the folder needs."""
        manifest = (self.artifact.manifest,) if self.artifact.manifest else ()
        return (*manifest, *dict.fromkeys(entry.digest for entry in self.entries))


class FolderDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two folders: paths, each list whole and in order."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    """Old and new path of files whose bytes are the same."""
    unchanged: int

    def __str__(self) -> str:
        counts = [
            f"{len(self.added):,} added", f"{len(self.removed):,} removed",
            f"{len(self.changed):,} changed", f"{len(self.renamed):,} renamed",
        ]  # fmt: skip
        rows = [
            *(["added", name] for name in self.added),
            *(["removed", name] for name in self.removed),
            *(["changed", name] for name in self.changed),
            *(["renamed", f"{old} -> {new}"] for old, new in self.renamed),
        ]
        head = f"files: {', '.join(counts)}, {self.unchanged:,} unchanged"
        more = f"\n… and {len(rows) - _LISTED:,} more (--json has all)" if rows[_LISTED:] else ""
        listed = [[what, on_one_line(name)] for what, name in rows[:_LISTED]]
        return f"{head}\n{table(['what', 'file'], listed)}{more}" if rows else head

    __repr__ = __str__


class SuffixCount(msgspec.Struct, frozen=True, kw_only=True):
    """Files of one suffix, and their bytes."""

    suffix: str
    files: int
    size_bytes: int


class FolderView(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder is: its files by suffix, and the first of them."""

    files: int
    size_bytes: int
    suffixes: tuple[SuffixCount, ...]
    first: tuple[str, ...]

    def __str__(self) -> str:
        head = f"{counted(self.files, 'file')}, {counted(self.size_bytes, 'byte')}"
        rows = [
            [on_one_line(one.suffix) or "-", one.files, one.size_bytes] for one in self.suffixes
        ]
        more = f"\n… and {self.files - len(self.first):,} more" if self.files > _LISTED else ""
        names = "\n".join(f"  {on_one_line(name)}" for name in self.first)
        return f"{head}\n{table(['suffix', 'files', 'bytes'], rows)}\n{names}{more}"

    __repr__ = __str__


def store_folder(
    objects: ObjectStore,
    folder: Path,
    *,
    base: Iterable[TreeEntry] = (),
    tell: Callable[[int, int], None] = lambda _done, _of: None,
) -> StoredFolder:
    """Store the files of a folder as one artifact.

    Args:
        objects: where to.
        folder: whose files.
        base: files that stay, unless the folder holds others of their names.
        tell: is told of files that are done, and of how many there are.

    Raises:
        InvalidInputError: something in it can be no data, cannot be read, or changes meanwhile.
        NotFoundError: there is no file in it.
    """
    found = found_files(folder)
    writer = _Writer(objects)
    for done, file in enumerate(found.files):
        if not done % 200:
            tell(done, len(found.files))
        writer.add(file)
    entries = {entry.path: entry for entry in (*base, *writer.finish())}
    artifact, ordered = folder_artifact(objects, tuple(entries.values()))
    return StoredFolder(artifact=artifact, entries=ordered, left_out=found.left_out)


def folder_artifact(
    objects: ObjectStore, entries: Sequence[TreeEntry]
) -> tuple[Artifact, tuple[TreeEntry, ...]]:
    """Return the artifact of files that are stored, its manifest stored too, and them in order."""
    ordered = tuple(sorted(entries, key=lambda entry: entry.path))
    (manifest,) = objects.put_many([[canonical_json(ordered)]])
    size_bytes = sum(entry.size_bytes for entry in ordered)
    summary: Mapping[str, Scalar] = {"files": len(ordered), "bytes": size_bytes}
    artifact = Artifact(
        id=tree_id(ordered), kind=KIND, size_bytes=size_bytes, manifest=manifest, summary=summary
    )
    return artifact, ordered


def read_folder(objects: ObjectStore, manifest: Digest, identity: ArtifactId) -> list[TreeEntry]:
    """Return the files of a folder, by path.

    Raises:
        CorruptError: it is the manifest of another folder; and as `ObjectStore.get`.
    """
    entries = msgspec.json.decode(b"".join(objects.get(manifest)), type=list[TreeEntry])
    if tree_id(entries) != identity:
        raise CorruptError(
            f"folder {identity[:18]} has the manifest of another one: the record was changed",
            fix="tidemill audit verify, then bring the record back from a backup",
        )
    return entries


def folder_diff(old: Sequence[TreeEntry], new: Sequence[TreeEntry]) -> FolderDiff:
    """Return what differs between two folders. O(files)."""
    before, after = ({entry.path: entry for entry in side} for side in (old, new))
    removed = {name: before[name].digest for name in before if name not in after}
    added = {name: after[name].digest for name in after if name not in before}
    gone: dict[Digest, list[str]] = {}
    for name in sorted(removed, reverse=True):
        gone.setdefault(removed[name], []).append(name)
    renamed = [
        (gone[digest].pop(), name) for name, digest in sorted(added.items()) if gone.get(digest)
    ]
    left, came = {pair[0] for pair in renamed}, {pair[1] for pair in renamed}
    both = [name for name in before if name in after]
    changed = sorted(name for name in both if before[name] != after[name])
    return FolderDiff(
        added=tuple(sorted(added.keys() - came)), removed=tuple(sorted(removed.keys() - left)),
        changed=tuple(changed), renamed=tuple(renamed), unchanged=len(both) - len(changed),
    )  # fmt: skip


def folder_view(entries: Sequence[TreeEntry]) -> FolderView:
    """Return what a folder is."""
    groups: dict[str, list[int]] = {}
    for entry in entries:
        groups.setdefault(suffix_of(entry.path), []).append(entry.size_bytes)
    suffixes = (
        SuffixCount(suffix=suffix, files=len(sizes), size_bytes=sum(sizes))
        for suffix, sizes in groups.items()
    )
    return FolderView(
        files=len(entries), size_bytes=sum(entry.size_bytes for entry in entries),
        suffixes=tuple(sorted(suffixes, key=lambda one: (-one.files, one.suffix))),
        first=tuple(entry.path for entry in entries[:_LISTED]),
    )  # fmt: skip


def suffix_of(path: str) -> str:
    """Return the suffix of a path in small letters, "" where it has none.

    >>> suffix_of("cats/1.PNG"), suffix_of("cats/.hidden")
    ('.png', '')
    """
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


class _Writer:
    """Stores files; small ones together, those that are there already not again."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._entries: list[TreeEntry] = []
        self._waiting: dict[Digest, bytes] = {}
        self._bytes = 0

    def add(self, file: FoundFile) -> None:
        digest, few = file_digest(file)
        if few is None:
            self._put_large(file, digest)
        elif digest not in self._waiting:
            self._waiting[digest] = few
            self._bytes += len(few)
        size_bytes = len(few) if few is not None else file.size_bytes
        self._entries.append(
            TreeEntry(path=file.name, digest=digest, size_bytes=size_bytes,
                      is_executable=file.is_executable)
        )  # fmt: skip
        if len(self._waiting) >= TOGETHER_FILES or self._bytes >= TOGETHER_BYTES:
            self._flush()

    def finish(self) -> list[TreeEntry]:
        self._flush()
        return self._entries

    def _put_large(self, file: FoundFile, digest: Digest) -> None:
        if digest in self._objects.has([digest]):
            return
        (stored,) = self._objects.put_many([pieces(file)])
        if stored != digest:
            raise changing(file.name)

    def _flush(self) -> None:
        known = self._objects.has(self._waiting)
        new = [[data] for digest, data in self._waiting.items() if digest not in known]
        if new:
            self._objects.put_many(new)
        self._waiting, self._bytes = {}, 0
