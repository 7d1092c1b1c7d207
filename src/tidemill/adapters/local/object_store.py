"""Immutable bytes in a local folder: `ab/cdef…` by digest, written durably, read verified.

A put writes into a folder of its own under `tmp/` (same file system), locked while its process
lives, so that what a dead one left behind can be told and swept. Order: write all, sync all, rename
all, sync each folder once; only then are the digests returned. Source of the order: Pillai et al.,
All File Systems Are Not Created Equal (OSDI 2014).
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from tidemill.adapters.durable_files import lock, sync, sync_file_system, sync_folder
from tidemill.adapters.linked_folders import linked_folder
from tidemill.core.digest import Digest
from tidemill.core.errors import CorruptError, InvalidInputError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO

    from tidemill.core.digest import TreeEntry

PIECE_BYTES = 1 << 20
MANY = 500
"""Files put together from which the whole file system is synced at once."""

_DIGEST = re.compile(r"b3:[0-9a-f]{64}")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    """A file that waits to be published under its digest; `original` goes when it has been."""

    digest: Digest
    file: Path
    size_bytes: int
    original: Path | None = None


class LocalObjectStore:
    """Objects in a folder. Safe for many threads and processes, and after a fork.

    Args:
        root: the folder; made when it is first needed. `tmp/` and `quarantine/` lie in it too.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(root).absolute()
        self._verified: dict[Digest, tuple[int, ...]] = {}
        self._has_swept = False

    def put_many(self, streams: Iterable[Iterable[bytes]]) -> list[Digest]:
        """Store and publish together; returns when all are durable.

        Raises:
            UnavailableError: no room left, or the folder cannot be written; nothing is published.
        """
        with self._session() as folder:
            written = [
                self._write(stream, folder / str(index)) for index, stream in enumerate(streams)
            ]
            self._publish(written)
        return [one.digest for one in written]

    def put_files(self, paths: Iterable[Path]) -> list[Digest]:
        """Store whole files and publish them together; afterwards they are gone from their place.

        A file of the same file system is moved without a copy. Whoever calls must be done with
        writing. Raises as `put_many`; then all files are still in their place.
        """
        with self._session() as folder:
            written = [
                self._take(Path(path), folder / str(index)) for index, path in enumerate(paths)
            ]
            self._publish(written)
        return [one.digest for one in written]

    def get(self, digest: Digest) -> Iterator[bytes]:
        """Yield the bytes in pieces of at most 1 MiB; the last comes only if the whole was right.

        Raises:
            NotFoundError: no such object.
            CorruptError: the bytes are not what the digest says; they are in quarantine now.
        """
        with self._open(digest) as file:
            hasher, held = blake3(), b""
            while piece := self._read(file):
                hasher.update(piece)
                if held:
                    yield held
                held = piece
            self._compare(digest, hasher.hexdigest(), os.fstat(file.fileno()))
        if held:
            yield held

    def path(self, digest: Digest) -> Path:
        """Return a read-only file with the bytes, verified once per process and state of the file.

        Raises as `get`.
        """
        place = self._place(digest)
        with self._open(digest) as file:
            stat = os.fstat(file.fileno())
            stamp = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
            if self._verified.get(digest) != stamp:
                self._compare(digest, self._hashed(file), stat)
                self._verified[digest] = stamp
        return place

    def folder(self, name: str, entries: Iterable[TreeEntry]) -> Path:
        """Return a read-only folder of links to these files, each verified.

        Raises as `get`.
        """
        with self._errors():
            return linked_folder(self._root / "folders" / name, entries, self._there, self.path)

    def _there(self, digest: Digest) -> Path:
        with self._open(digest):
            return self._place(digest)

    def fault(self, digest: Digest) -> str:
        """Return what is wrong with an object's bytes, "" where nothing is; moves nothing.

        Raises:
            NotFoundError: no such object.
        """
        with self._open(digest) as file:
            if self._hashed(file) == digest[3:]:
                return ""
            return _damaged(digest, os.fstat(file.fileno()).st_size)

    def has(self, digests: Iterable[Digest]) -> set[Digest]:
        """Return those that are stored; O(digests)."""
        return {digest for digest in digests if self._place(digest).is_file()}

    def all(self) -> Iterator[tuple[Digest, int]]:
        """Yield every stored digest with its size in bytes, ordered by digest."""
        for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
            with os.scandir(folder) as entries:
                found = sorted((entry.name, entry.stat().st_size) for entry in entries)
            for name, size_bytes in found:
                text = f"b3:{folder.name}{name}"
                if _DIGEST.fullmatch(text):
                    yield Digest(text), size_bytes

    def delete(self, digests: Iterable[Digest]) -> int:
        """Delete objects, absent ones too; returns the bytes freed."""
        freed = 0
        for digest in digests:
            place = self._place(digest)
            with contextlib.suppress(NotFoundError), self._errors():
                size_bytes = place.stat().st_size
                place.unlink()
                freed += size_bytes
        return freed

    def sweep(self) -> int:
        """Remove what dead processes left in `tmp/`; returns how many puts had been cut short.

        The folder of a put is locked while its process lives, so a live one is never touched.
        """
        swept = 0
        for folder in (self._root / "tmp").glob("*"):
            held = lock(folder, wait=False)
            if held is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)
                swept += 1
        return swept

    def _place(self, digest: Digest) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise InvalidInputError(
                f"{digest!r} is not the digest of an object",
                fix="use b3: and 64 lower-case hex digits",
            )
        return self._root / digest[3:5] / digest[5:]

    @contextlib.contextmanager
    def _session(self) -> Iterator[Path]:
        """Give a locked folder of the same file system; it is gone afterwards, whatever happens."""
        if not self._has_swept:
            self._has_swept = True
            self.sweep()
        folder = self._root / "tmp" / secrets.token_hex(8)
        held = None
        with self._errors():
            while held is None:  # a sweep may take the folder before the lock is ours
                folder.mkdir(parents=True, exist_ok=True)
                held = lock(folder, wait=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)

    def _write(self, stream: Iterable[bytes], file: Path) -> _Written:
        hasher, size_bytes = blake3(), 0
        with self._errors():
            sink = file.open("wb", buffering=PIECE_BYTES)
        try:
            for piece in stream:
                hasher.update(piece)
                size_bytes += len(piece)
                with self._errors():
                    sink.write(piece)
        finally:
            with self._errors():
                sink.close()
        return _Written(digest=Digest(f"b3:{hasher.hexdigest()}"), file=file, size_bytes=size_bytes)

    def _take(self, path: Path, file: Path) -> _Written:
        with self._errors():
            stat = path.lstat()
            is_ours = stat.st_nlink == 1 and stat.st_dev == file.parent.stat().st_dev
            source = path.open("rb", buffering=0)
        with source:
            if path.is_symlink() or not is_ours:
                pieces = iter(lambda: self._read(source), b"")
                return msgspec.structs.replace(self._write(pieces, file), original=path)
            digest = Digest(f"b3:{self._hashed(source)}")
        return _Written(digest=digest, file=path, size_bytes=stat.st_size)

    def _publish(self, written: list[_Written]) -> None:
        """Sync all, rename all, sync each folder once. Folders are made before the first rename."""
        places = [self._place(one.digest) for one in written]
        folders = sorted({place.parent for place in places})
        with self._errors():
            made = [folder for folder in folders if not folder.is_dir()]
            for folder in made:
                folder.mkdir(exist_ok=True)
            fresh = [
                (one, place)
                for one, place in zip(written, places, strict=True)
                if not _has_size(place, one.size_bytes)
            ]
            is_many = len(fresh) > MANY
            for one, _ in fresh:
                one.file.chmod(0o444)
            if not (is_many and sync_file_system(self._root)):
                for one, _ in fresh:
                    _sync(one.file)
            for one, place in fresh:
                one.file.replace(place)
            if not (is_many and sync_file_system(self._root)):
                for folder in [*folders, *([self._root] if made else [])]:
                    sync_folder(folder)
            for one in written:
                one.file.unlink(missing_ok=True)
                if one.original is not None:
                    one.original.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise NotFoundError(
                f"{error.filename} is not there (any more)",
                fix="do not touch files while they are being stored",
            ) from error
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> UnavailableError:
        if error.errno in _NO_ROOM:
            free = shutil.disk_usage(self._root).free if self._root.exists() else 0
            return UnavailableError(
                f"no room left for objects in {self._root}: {free:,} bytes free",
                fix="make room on that disk, or set record.objects to a folder on a larger one",
            )
        if isinstance(error, PermissionError):
            return UnavailableError(
                f"objects in {self._root} cannot be read or written by this user: {error.strerror}",
                fix="ask its owner for the right to write there, or work on a copy of the project",
            )
        return UnavailableError(
            f"objects in {self._root} cannot be read or written: {error.strerror}",
            fix="see who owns that folder and whether its disk is well",
        )

    @contextlib.contextmanager
    def _open(self, digest: Digest) -> Iterator[FileIO]:
        try:
            with self._errors():
                file = self._place(digest).open("rb", buffering=0)
        except NotFoundError:
            raise NotFoundError(
                f"no object {digest[:15]}… in {self._root}",
                fix="fetch it from a store that has it, or reproduce what made it",
            ) from None
        with file:
            yield file

    def _read(self, file: FileIO) -> bytes:
        with self._errors():
            return file.read(PIECE_BYTES)

    def _hashed(self, file: FileIO) -> str:
        hasher = blake3()
        while piece := self._read(file):
            hasher.update(piece)
        return hasher.hexdigest()

    def _compare(self, digest: Digest, found: str, stat: os.stat_result) -> None:
        if found == digest[3:]:
            return
        self._quarantine(digest, stat.st_ino)
        raise CorruptError(
            f"{_damaged(digest, stat.st_size)}; moved to {self._root / 'quarantine'}",
            fix="fetch it from a store that has it, or reproduce what made it",
        )

    def _quarantine(self, digest: Digest, inode: int) -> None:
        """Move a damaged object away, unless a writer has put a sound one there meanwhile."""
        place, folder = self._place(digest), self._root / "quarantine"
        folder.mkdir(exist_ok=True)
        target = folder / f"{digest[3:]}-{inode}"
        with contextlib.suppress(FileNotFoundError):
            place.rename(target)
            if target.stat().st_ino != inode:
                target.replace(place)
        self._verified.pop(digest, None)


def _damaged(digest: Digest, size_bytes: int) -> str:
    return f"object {digest} is damaged: its {size_bytes:,} bytes have another digest"


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def _has_size(place: Path, size_bytes: int) -> bool:
    try:
        return place.stat().st_size == size_bytes
    except FileNotFoundError:
        return False
