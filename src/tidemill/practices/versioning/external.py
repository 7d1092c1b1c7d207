"""External data: a version records what lies elsewhere (names, sizes, times), and holds no bytes.

Its identity is the digest of that listing: a promise about a place, which is looked at again
whenever the data are used.
"""

from __future__ import annotations

import os
from glob import glob
from pathlib import Path
from typing import Literal

import msgspec

from tidemill.core.digest import Digest
from tidemill.core.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from tidemill.core.text import counted, table
from tidemill.practices.versioning.folder_files import FoundFile, file_digest, found_files

KIND = "external"
NOT_HELD = "external, not held"
_LISTED = 20


class ExternalFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file elsewhere: what could be seen of it without reading it, and its digest if read."""

    path: str
    size_bytes: int
    mtime_us: int = 0
    digest: Digest | None = None


class ExternalData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a version that is not held says of its data.

    `place` is a path (relative to the project where it is inside), a glob, or a URL.
    """

    place: str
    shape: Literal["file", "folder", "glob", "url"]
    files: tuple[ExternalFile, ...] = ()
    snapshot: str = ""
    """Snapshot id, version or etag, as whoever added it said."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def is_hashed(self) -> bool:
        """Whether the bytes were read and are compared too."""
        return bool(self.files) and all(file.digest for file in self.files)

    def __str__(self) -> str:
        head = [f"{NOT_HELD}: {self.place}"]
        if self.snapshot:
            head.append(f"snapshot {self.snapshot}, as it was said")
        if self.shape == "url":
            return "\n".join([*head, "nothing here reads this place: it was not looked at"])
        how = "digests" if self.is_hashed else "sizes and times, not bytes"
        head.append(
            f"{counted(len(self.files), 'file')}, {counted(self.size_bytes, 'byte')}; use compares"
            f" {how}"
        )
        rows = [[file.path, file.size_bytes] for file in self.files[:_LISTED]]
        more = f"\n… and {len(self.files) - _LISTED:,} more" if self.files[_LISTED:] else ""
        return "\n".join([*head, table(["file", "bytes"], rows)]) + more

    __repr__ = __str__


class ExternalDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two versions that are not held."""

    changes: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.changes) or "the same files"

    __repr__ = __str__


def looked_at(
    given: str, root: Path, *, is_hashed: bool, snapshot: str = "", place: str = ""
) -> ExternalData:
    """Return what lies at a place now.

    Args:
        given: a file, folder or glob on this machine, or a URL.
        root: where relative paths begin.
        is_hashed: read all bytes too.
        snapshot: what the caller says of which state it is.
        place: how the place is spelled in the record, where that is known already.

    Raises:
        NotFoundError: nothing is there.
        InvalidInputError: something there can be no data; a URL without a snapshot.
    """
    if "://" in given:
        if not snapshot:
            raise InvalidInputError(
                f"nothing here can look at {given}, so nothing would tell one state from another",
                fix="say which it is: --snapshot VERSION-OR-ETAG",
            )
        return ExternalData(place=given, shape="url", snapshot=snapshot)
    path = root / Path(given).expanduser()
    shape: Literal["file", "folder", "glob"] = "file"
    if path.is_dir():
        shape, found = "folder", list(found_files(path, may_lead_out=True).files)
    elif path.is_file():
        found = [_file(path, path.name)]
    else:
        shape, found = (
            "glob",
            [
                _file(Path(name), os.path.relpath(name, _fixed(path)))
                for name in sorted(glob(str(path), recursive=True))  # noqa: PTH207 - a whole path
                if Path(name).is_file()
            ],
        )
    if not found:
        raise NotFoundError(f"there is nothing at {given!r}", fix=f"ls {path.parent}")
    files = tuple(_seen(file, is_hashed=is_hashed) for file in found)
    spelled = place or _spelled(path, root)
    return ExternalData(place=spelled, shape=shape, files=files, snapshot=snapshot)


def verified(data: ExternalData, root: Path, name: str = "") -> Path:
    """Return where external data lie, after they were compared with what was recorded.

    Raises:
        ConflictError: something changed; names it.
        NotFoundError: they are gone.
        UnavailableError: nothing here can read that place.
    """
    told = name or "the external data"
    if data.shape == "url":
        raise UnavailableError(
            f"{told} lie at {data.place}, which nothing here can read",
            fix="fetch them and add the folder (tidemill data add NAME ./folder), or mount the"
            " place and add that path with --external",
        )
    try:
        now = looked_at(
            data.place, root, is_hashed=data.is_hashed, snapshot=data.snapshot, place=data.place
        )
    except NotFoundError:
        raise NotFoundError(
            f"{told} are {NOT_HELD}, and there is nothing any more at {data.place}",
            fix="bring them back to that place, or add a version of where they are now",
        ) from None
    changes = external_changes(data, now)
    if changes:
        more = f" and {len(changes) - 3} more" if changes[3:] else ""
        raise ConflictError(
            f"{told} are {NOT_HELD}, and not what was recorded any more:"
            f" {'; '.join(changes[:3])}{more}",
            fix=f"bring back what was there, or record what is there now: tidemill data add NAME"
            f" {data.place} --external",
        )
    return root / data.place


def external_files(data: ExternalData, root: Path) -> list[Path]:
    """Return where the files of external data lie, in the order of their names."""
    place = root / data.place
    if data.shape == "file":
        return [place]
    above = place if data.shape == "folder" else _fixed(place)
    return [above / file.path for file in data.files]


def external_changes(old: ExternalData, new: ExternalData) -> tuple[str, ...]:
    """Return what differs, one text a file."""
    found = []
    if old.place != new.place:
        found.append(f"place: {old.place} -> {new.place}")
    if old.snapshot != new.snapshot:
        found.append(f"snapshot: {old.snapshot or '-'} -> {new.snapshot or '-'}")
    before = {file.path: file for file in old.files}
    after = {file.path: file for file in new.files}
    found += [f"{path} is gone" for path in before if path not in after]
    found += [f"{path} is new" for path in after if path not in before]
    both = ((before[path], after[path]) for path in before if path in after)
    return (*found, *(told for one, other in both if (told := _changed(one, other))))


def _changed(old: ExternalFile, new: ExternalFile) -> str:
    if old.size_bytes != new.size_bytes:
        return f"{old.path} has {new.size_bytes:,} bytes instead of {old.size_bytes:,}"
    if old.digest and new.digest:
        return f"{old.path} has other bytes" if old.digest != new.digest else ""
    return f"{old.path} was written since" if old.mtime_us != new.mtime_us else ""


def _file(path: Path, name: str) -> FoundFile:
    known = path.stat()
    return FoundFile(
        name=name, path=str(path), size_bytes=known.st_size, mtime_ns=known.st_mtime_ns,
        is_executable=False,
    )  # fmt: skip


def _seen(file: FoundFile, *, is_hashed: bool) -> ExternalFile:
    return ExternalFile(
        path=file.name, size_bytes=file.size_bytes, mtime_us=file.mtime_ns // 1000,
        digest=file_digest(file)[0] if is_hashed else None,
    )  # fmt: skip


def _fixed(pattern: Path) -> Path:
    """Return the folder of a glob before its first wildcard."""
    parts = []
    for part in pattern.parts:
        if any(sign in part for sign in "*?["):
            break
        parts.append(part)
    return Path(*parts)


def _spelled(path: Path, root: Path) -> str:
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as they were given
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(whole)
