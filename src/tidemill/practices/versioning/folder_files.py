"""The files of a folder on this machine: which of them are data, and their bytes, read once.

Decided here: hidden files are data, `.gitignore` says nothing, names are taken as they are. A link
to a file of the folder is that file; a link that leads out of the folder, a link to a folder, a
pipe or a device is an error. What systems and version control put there by themselves is left out
(`LEFT_OUT`), and so are folders without files.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from tidemill.core.digest import Digest
from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.lineage.links import refuse_link_out

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_OUT = frozenset({".git", ".tidemill", ".DS_Store", "Thumbs.db", "desktop.ini", ".dvc"})
PIECE_BYTES = 1 << 20
_READINGS = 3


class FoundFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its path inside the folder, where it lies, and what the system says of it."""

    name: str
    path: str
    size_bytes: int
    mtime_ns: int
    is_executable: bool


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a folder by name, and what was left out."""

    files: tuple[FoundFile, ...]
    left_out: tuple[str, ...]


def found_files(folder: Path, *, may_lead_out: bool = False) -> Found:
    """Return the files of a folder and of the folders in it, by name.

    Args:
        folder: where they are.
        may_lead_out: whether links may lead out of it, as where no byte is stored.

    Raises:
        InvalidInputError: something in it can be no data; names it.
        NotFoundError: it is gone, or there is no file in it.
    """
    files: list[FoundFile] = []
    left_out: list[str] = []
    home = folder.resolve()
    for entry, name in _entries(folder, ""):
        if entry.name in LEFT_OUT:
            left_out.append(name)
            continue
        files.append(_found(entry, name))
        if not may_lead_out and entry.is_symlink():
            refuse_link_out(Path(entry.path), name, home)
    if not files:
        raise NotFoundError(
            f"there is no file in {folder.name!r}", fix="give a folder with files in it"
        )
    files.sort(key=lambda file: file.name)
    return Found(files=tuple(files), left_out=tuple(left_out))


def _entries(folder: Path, inside: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError as error:
        raise _unreadable(inside or folder.name, error) from error
    for entry in found:
        name = inside + entry.name
        _check_name(name)
        if entry.name in LEFT_OUT or not entry.is_dir(follow_symlinks=False):
            yield entry, name
        else:
            yield from _entries(Path(entry.path), f"{name}/")


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            f"the name of the file {os.fsencode(name)!r} is not UTF-8",
            fix="rename it; names are kept as text",
        ) from None


def _found(entry: os.DirEntry[str], name: str) -> FoundFile:
    try:
        known = entry.stat()
    except OSError as error:
        if entry.is_symlink():
            raise InvalidInputError(
                f"{name} is a link to {str(Path(entry.path).readlink())!r}, which is not there",
                fix="remove the link, or bring back what it points at",
            ) from error
        raise _unreadable(name, error) from error
    if stat.S_ISDIR(known.st_mode):
        raise InvalidInputError(
            f"{name} is a link to a folder; links may go round in circles",
            fix="copy the folder to its place (cp -rL), or remove the link",
        )
    if not stat.S_ISREG(known.st_mode):
        raise InvalidInputError(
            f"{name} is no file but a pipe, socket or device", fix="remove it from the folder"
        )
    return FoundFile(
        name=name, path=entry.path, size_bytes=known.st_size, mtime_ns=known.st_mtime_ns,
        is_executable=bool(known.st_mode & stat.S_IXUSR),
    )  # fmt: skip


def file_digest(file: FoundFile) -> tuple[Digest, bytes | None]:
    """Return the digest of a file, and its bytes where they are few (at most 1 MiB).

    Raises:
        InvalidInputError: it cannot be read, or changes each time that it is.
    """
    for _ in range(_READINGS):
        try:
            with open(file.path, "rb", buffering=0) as opened:  # noqa: PTH123 - 100,000 of them
                before = _state(opened.fileno())
                hasher, held, size_bytes = blake3(), b"", 0
                while piece := opened.read(PIECE_BYTES):
                    hasher.update(piece)
                    size_bytes += len(piece)
                    held = piece
                after = _state(opened.fileno())
        except OSError as error:
            raise _unreadable(file.name, error) from error
        if before == after and size_bytes == before[0]:
            few = held if size_bytes == len(held) else None
            return Digest(f"b3:{hasher.hexdigest()}"), few
    raise changing(file.name)


def pieces(file: FoundFile) -> Iterator[bytes]:
    """Yield the bytes of a file. Raises as `file_digest`."""
    try:
        with open(file.path, "rb", buffering=0) as opened:  # noqa: PTH123 - as above
            while piece := opened.read(PIECE_BYTES):
                yield piece
    except OSError as error:
        raise _unreadable(file.name, error) from error


def changing(name: str) -> InvalidInputError:
    """Return the error that somebody writes a file while it is read."""
    return InvalidInputError(
        f"{name} changes while it is read; nothing was added",
        fix="wait until whoever writes it is done, or add a copy",
    )


def _state(descriptor: int) -> tuple[int, int]:
    known = os.fstat(descriptor)
    return known.st_size, known.st_mtime_ns


def _unreadable(name: str, error: OSError) -> InvalidInputError:
    return InvalidInputError(
        f"{name} cannot be read: {error.strerror}; nothing was added",
        fix="see who may read it (ls -l), or take it out of the folder",
    )
