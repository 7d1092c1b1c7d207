"""What changes from one release to another: code by file, lock by package, and all it declares."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.text import WIDTH, cut, table
from tidemill.lineage.artifacts import find_artifacts, read_bytes, tree_entries
from tidemill.lineage.changes import Part, changes
from tidemill.lineage.fields import fields_of
from tidemill.lineage.wording import short_id
from tidemill.practices.delivery.locked_packages import locked_packages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.core.artifact import Artifact
    from tidemill.core.digest import ArtifactId, TreeEntry
    from tidemill.lineage.record import Record
    from tidemill.practices.pipelines.release import Release

SHOWN_LINES = 30
"""Changed lines of one file that are drawn; the value holds all up to `KEPT_LINES`."""
KEPT_LINES = 2000
_LARGEST_BYTES = 1 << 20


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One file that is not the same. `diff` has lines that begin with + and -, of text files."""

    path: str
    state: str
    """`changed`, `added` or `removed`."""
    added: int = 0
    removed: int = 0
    diff: tuple[str, ...] = ()


class ReleaseDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What changes from one release to another."""

    files: tuple[FileChange, ...]
    parts: tuple[Part, ...]

    @property
    def has_changes(self) -> bool:
        """Whether anything differs."""
        return bool(self.files or self.parts)

    def __str__(self) -> str:
        if not self.has_changes:
            return "no difference"
        drawn = []
        if self.files:
            rows = [[f.path, f.state, f"+{f.added}", f"-{f.removed}"] for f in self.files]
            drawn.append(table(["code", "", "", ""], rows))
        for file in self.files:
            if file.diff and file.state == "changed":
                more = len(file.diff) - SHOWN_LINES
                end = [f"… and {more} more lines (--json has them)"] if more > 0 else []
                lines = [cut(line, WIDTH) for line in file.diff[:SHOWN_LINES]]
                drawn.append("\n".join([file.path, *lines, *end]))
        return "\n\n".join([*drawn, *map(str, self.parts)])

    __repr__ = __str__


def release_difference(
    record: Record, old: Release, new: Release, unwritten: Mapping[ArtifactId, Artifact]
) -> ReleaseDifference:
    """Return what changes from `old` to `new`.

    `unwritten` are artifacts that the releases name and the record does not know yet.
    """
    wanted = [one for side in (old, new) for one in _named(side)]
    known: dict[str, Artifact] = {**find_artifacts(record, wanted)}
    known |= {str(identity): one for identity, one in unwritten.items()}

    def contents(named: Mapping[str, ArtifactId]) -> dict[str, str]:
        return {
            f"{name}.{field}": text
            for name, identity in named.items()
            for field, text in _fields(record, known[identity]).items()
        }

    parts = [
        changes("lock", _packages(record, old, known), _packages(record, new, known)),
        changes("parameter", _parameters(old), _parameters(new)),
        changes("contract", contents(old.contracts), contents(new.contracts)),
        changes("view", contents(old.views), contents(new.views)),
        changes("trigger", fields_of(old.triggers), fields_of(new.triggers)),
        changes("setting", fields_of(old.settings), fields_of(new.settings)),
    ]
    return ReleaseDifference(
        files=_files(record, known[old.code], known[new.code]),
        parts=tuple(part for part in parts if part.changes),
    )


def _named(release: Release) -> list[ArtifactId]:
    return [release.code, release.lock, *release.contracts.values(), *release.views.values()]


def _fields(record: Record, artifact: Artifact) -> dict[str, str]:
    return dict(fields_of(msgspec.json.decode(read_bytes(record, artifact))))


def _packages(record: Record, release: Release, known: Mapping[str, Artifact]) -> dict[str, str]:
    data = read_bytes(record, known[release.lock])
    return {"python": release.python} | locked_packages(release.lock_form, data)


def _parameters(release: Release) -> dict[str, str]:
    return {
        one.name: one.type if one.is_needed else f"{one.type} = {one.default}"
        for one in release.parameters
    }


def _files(record: Record, old: Artifact, new: Artifact) -> tuple[FileChange, ...]:
    if old.id == new.id:
        return ()
    before = {entry.path: entry for entry in tree_entries(record, old)}
    after = {entry.path: entry for entry in tree_entries(record, new)}
    return tuple(
        _file(record, path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    )


def _file(record: Record, path: str, old: TreeEntry | None, new: TreeEntry | None) -> FileChange:
    lines = [
        line
        for line in difflib.unified_diff(_lines(record, old), _lines(record, new), n=0, lineterm="")
        if line[:1] in "+-" and line[:3] not in {"+++", "---"}
    ]
    state = "added" if old is None else "removed" if new is None else "changed"
    return FileChange(
        path=path, state=state, added=sum(line[0] == "+" for line in lines),
        removed=sum(line[0] == "-" for line in lines), diff=tuple(lines[:KEPT_LINES]),
    )  # fmt: skip


def _lines(record: Record, entry: TreeEntry | None) -> list[str]:
    """Return the lines of a file; of one that is no text, or large, its digest."""
    if entry is None:
        return []
    if entry.size_bytes <= _LARGEST_BYTES:
        try:
            return b"".join(record.ports.objects.get(entry.digest)).decode().splitlines()
        except UnicodeDecodeError:
            pass
    return [f"{entry.size_bytes:,} bytes {short_id(entry.digest)}"]
