"""Folders for reading, made of links to stored files: no byte is copied where links can be made."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tidemill.core.digest import Digest, TreeEntry

_NO_LINK = frozenset({errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP})


def linked_folder(
    place: Path,
    entries: Iterable[TreeEntry],
    stored: Callable[[Digest], Path],
    verify: Callable[[Digest], Path],
) -> Path:
    """Return a folder with these files, made now or found; every file is verified.

    Args:
        place: where it is, or is to be; beside it the new one is made.
        entries: its files.
        stored: where the bytes of a digest lie.
        verify: so too, after their digest was compared; raises where it is another one.
    """
    wanted = list(entries)
    if not _is_whole(place, wanted, stored):
        made = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
        try:
            _make(made, wanted, stored)
            _put(made, place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    for entry in wanted:  # after the links: a new one changes the state that was verified
        verify(entry.digest)
    return place


def _is_whole(place: Path, entries: list[TreeEntry], stored: Callable[[Digest], Path]) -> bool:
    if not place.is_dir():
        return False
    try:
        return all(_is_same(place, entry, stored) for entry in entries)
    except OSError:
        return False


def _is_same(place: Path, entry: TreeEntry, stored: Callable[[Digest], Path]) -> bool:
    """Whether a file is the stored one itself, or a copy of it with the same bytes."""
    there, here = stored(entry.digest).stat(), (place / entry.path).lstat()
    if (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev):
        return not entry.is_executable
    hasher = blake3()
    hasher.update_mmap(place / entry.path)
    return entry.digest == f"b3:{hasher.hexdigest()}"


def _make(folder: Path, entries: list[TreeEntry], stored: Callable[[Digest], Path]) -> None:
    folder.mkdir(parents=True)
    made = {""}
    for entry in entries:
        above = entry.path.rpartition("/")[0]
        if above not in made:
            (folder / above).mkdir(parents=True, exist_ok=True)
            made.add(above)
        _link(stored(entry.digest), folder / entry.path, is_executable=entry.is_executable)


def _link(source: Path, target: Path, *, is_executable: bool) -> None:
    try:
        if not is_executable:  # the stored file is not, and its mode is the link's too
            os.link(source, target)
            return
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
    shutil.copyfile(source, target)
    target.chmod(0o555 if is_executable else 0o444)


def _put(made: Path, place: Path) -> None:
    """Give a folder its place; what is there already goes, unless another process was faster."""
    aside = made.with_name(f"{made.name}.old")
    try:
        if place.exists():
            place.rename(aside)
        made.rename(place)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT}:
            raise
    shutil.rmtree(aside, ignore_errors=True)
