"""The open tail of predictions in memory-mapped segments: what was appended outlives its process.

A stream is a folder: segments `000000000001.seg` (`adapters/segment_files.py`), the lock of its
writer, how many blocks were dropped, and how far its blocks are forgotten. Space is reserved before
it is mapped, so a full disk drops blocks and never kills the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from tidemill.adapters.durable_files import boot_id, sync
from tidemill.adapters.segment_files import (
    FIRST_OFFSET,
    backlog_bytes,
    blocks,
    framed_bytes,
    make_segment,
    put_block,
    reserve,
    segment_file,
    segments,
)
from tidemill.core.errors import InvalidInputError, LeaseHeldError, UnavailableError
from tidemill.ports.stream import StreamPosition

if TYPE_CHECKING:
    from collections.abc import Iterator

SEGMENT_BYTES = 16 << 20
BACKLOG_BYTES = 1 << 30
_SYNC_EVERY_S = 1.0
_LOOK_AGAIN_S = 0.1
"""How long a stream without room drops blocks before it looks for room again."""


class MappedStream:
    """Streams under a folder. One writer a name, any number of readers, in any process.

    Args:
        root: the folder; made when a stream is first written.
        segment_bytes: size of a segment; a larger block gets a segment of its own.
        backlog_bytes: most bytes of all streams together; beyond it blocks are dropped.
    """

    def __init__(
        self, root: Path, *, segment_bytes: int = SEGMENT_BYTES, backlog_bytes: int = BACKLOG_BYTES
    ) -> None:
        self._root = Path(root).absolute()
        self._segment_bytes = segment_bytes
        self._backlog_bytes = backlog_bytes

    def writer(self, name: str, *, durable: bool = False) -> MappedWriter:
        """Open the writing end; it goes on after the last whole block.

        Raises:
            LeaseHeldError: another writer has it; names its process.
            UnavailableError: the folder cannot be written.
        """
        folder = self._folder(name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return MappedWriter(
                folder, durable=durable, segment_bytes=self._segment_bytes,
                backlog_bytes=self._backlog_bytes,
            )  # fmt: skip
        except OSError as error:
            raise UnavailableError(
                f"stream {name!r} cannot be written in {folder}: {error.strerror}",
                fix="make room there, or see who owns the folder",
            ) from error

    def names(self, prefix: str = "") -> list[str]:
        """Return the streams that there are, sorted."""
        if not self._root.is_dir():
            return []
        names = (unquote(folder.name) for folder in self._root.iterdir() if folder.is_dir())
        return sorted(name for name in names if name.startswith(prefix))

    def read(
        self, name: str, after: StreamPosition | None = None
    ) -> Iterator[tuple[StreamPosition, bytes]]:
        """Yield whole blocks after a position, oldest first, up to the newest there is now.

        A segment that is not the newest when the segments are listed gets no more blocks; if a
        newer one has come meanwhile, the reading goes on where it was.
        """
        folder = self._folder(name)
        position = max(after or _START, _forgotten(folder))
        known: list[int] = []
        while (found := segments(folder)) != known:
            known = found
            for segment in known:
                if segment < position.segment:
                    continue
                start = position.offset if segment == position.segment else 0
                for end, block in blocks(folder, segment, start):
                    position = StreamPosition(segment=segment, offset=end)
                    yield position, block

    def dropped(self, name: str) -> int:
        """Return how many blocks the writers of a stream have dropped, over all its life."""
        try:
            return int.from_bytes((self._folder(name) / "dropped").read_bytes()[:8], "little")
        except FileNotFoundError:
            return 0

    def forget(self, name: str, up_to: StreamPosition) -> None:
        """Let go of blocks up to and including a position; whole segments give back their room."""
        folder = self._folder(name)
        if not folder.is_dir():
            return
        mark = max(up_to, _forgotten(folder))
        temporary = folder / f"forgotten.{os.getpid()}.{threading.get_native_id()}.tmp"
        with temporary.open("wb") as file:
            file.write(struct.pack("<QQ", mark.segment, mark.offset))
            file.flush()
            sync(file.fileno())
        temporary.replace(folder / "forgotten")
        for segment in segments(folder)[:-1]:
            is_read = segment < mark.segment or (
                segment == mark.segment and not any(blocks(folder, segment, mark.offset))
            )
            if is_read:
                segment_file(folder, segment).unlink(missing_ok=True)

    def _folder(self, name: str) -> Path:
        spelled = quote(name, safe="").replace(".", "%2E")
        if not 0 < len(spelled) <= 200:
            raise InvalidInputError(
                f"{name[:40]!r} cannot name a stream", fix="use 1 to 200 plain characters"
            )
        return self._root / spelled


class MappedWriter:
    """The writing end of one stream. Safe in threads; not to be used in a forked child."""

    def __init__(
        self, folder: Path, *, durable: bool, segment_bytes: int, backlog_bytes: int
    ) -> None:
        self._folder, self._is_durable = folder, durable
        self._segment_bytes, self._backlog_bytes = segment_bytes, backlog_bytes
        self._lock = threading.Lock()
        self._look_again_at = 0.0
        self._unsynced = False
        self._map: mmap.mmap | None = None
        self._segment, self._offset, self._file = 0, 0, -1
        self._left: list[int] = []
        self._lease, has_rebooted = _take_lease(folder)
        self._count = _open_count(folder)
        self._go_on(after_reboot=has_rebooted)
        self._closed = threading.Event()
        self._syncer = threading.Thread(target=self._sync_now_and_then, daemon=True)
        self._syncer.start()

    def append(self, block: bytes) -> bool:
        """Append a block; False: there was no room, it was dropped and counted. Never waits."""
        size_bytes = framed_bytes(block)
        with self._lock:
            if not self._has_put(size_bytes, block) or self._map is None:
                self._count[:8] = (self.dropped() + 1).to_bytes(8, "little")
                return False
            start, self._offset = self._offset, self._offset + size_bytes
            self._unsynced = True
            if self._is_durable:
                page = start - start % mmap.ALLOCATIONGRANULARITY
                self._map.flush(page, self._offset - page)
            return True

    def dropped(self) -> int:
        """Return how many blocks this stream has dropped, over all its life."""
        return int.from_bytes(self._count[:8], "little")

    def close(self) -> None:
        """Close the writing end; the tail stays, and is on the disk."""
        if self._lease < 0:
            return
        self._closed.set()
        self._syncer.join()
        with self._lock:
            self._leave()
            self._sync_left()
            self._count.close()
            os.close(self._lease)
            self._lease = -1

    def _go_on(self, *, after_reboot: bool) -> None:
        """Map the newest segment and stand after its last whole block; wipe what is torn.

        After a reboot begin another: the newest may have lost blocks that a reader has seen, and
        what is written in their place would lie before the reader's position.
        """
        known = segments(self._folder)
        self._segment = max([*known, _forgotten(self._folder).segment])
        if after_reboot or self._segment not in known:
            return
        self._enter(segment_file(self._folder, self._segment))
        assert self._map is not None
        for end, _ in blocks(self._folder, self._segment, 0):
            self._offset = end
        for start in range(self._offset, len(self._map), len(_ZEROS)):
            rest = self._map[start : start + len(_ZEROS)]
            if rest != _ZEROS[: len(rest)]:
                self._map[start : start + len(rest)] = bytes(len(rest))

    def _has_put(self, size_bytes: int, block: bytes) -> bool:
        if not self._has_room(size_bytes) or self._map is None:
            return False
        return put_block(self._map, self._file, (self._segment, self._offset), block)

    def _has_room(self, block_bytes: int) -> bool:
        """Make and map the next segment where it is needed; False: backlog or disk are full."""
        if self._map is not None and self._offset + block_bytes <= len(self._map):
            return True
        now = time.monotonic()
        if now < self._look_again_at:
            return False
        size_bytes = max(self._segment_bytes, FIRST_OFFSET + block_bytes)
        if backlog_bytes(self._folder.parent) + size_bytes <= self._backlog_bytes:
            with contextlib.suppress(OSError):
                path = make_segment(
                    self._folder, self._segment + 1, size_bytes, durable=self._is_durable
                )
                self._leave()
                self._segment += 1
                self._enter(path)
                return True
        self._look_again_at = now + _LOOK_AGAIN_S
        return False

    def _enter(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR)
        self._map = mmap.mmap(self._file, 0)
        self._offset = FIRST_OFFSET

    def _leave(self) -> None:
        """Let go of the segment; its file is synced and closed by the syncer, not by `append`."""
        if self._map is not None:
            self._map.close()
            self._map = None
            self._left.append(self._file)

    def _sync_left(self) -> None:
        while self._left:
            descriptor = self._left.pop()
            sync(descriptor)
            os.close(descriptor)

    def _sync_now_and_then(self) -> None:
        """A power cut takes a second of blocks at most."""
        while not self._closed.wait(_SYNC_EVERY_S):
            with self._lock:
                if self._unsynced and self._map is not None:
                    self._left.append(os.dup(self._file))
                self._unsynced = False
            self._sync_left()


_ZEROS = bytes(1 << 20)
_START = StreamPosition(segment=0, offset=0)


def _forgotten(folder: Path) -> StreamPosition:
    try:
        segment, offset = struct.unpack("<QQ", (folder / "forgotten").read_bytes())
    except (FileNotFoundError, struct.error):
        return _START
    return StreamPosition(segment=segment, offset=offset)


def _take_lease(folder: Path) -> tuple[int, bool]:
    """Return what holds the lock, and whether the machine started anew since the last writer."""
    descriptor = os.open(folder / "writer", os.O_RDWR | os.O_CREAT, 0o644)
    holder, _, boot = os.pread(descriptor, 100, 0).decode().partition(" ")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LeaseHeldError(
            f"process {holder} is writing the stream {unquote(folder.name)!r} already",
            fix=f"stop it first (kill {holder}), or write to a stream of another name",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} {boot_id()}".encode(), 0)
    return descriptor, boot != boot_id()


def _open_count(folder: Path) -> mmap.mmap:
    descriptor = os.open(folder / "dropped", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if os.fstat(descriptor).st_size < 8:
            reserve(descriptor, 8)
        return mmap.mmap(descriptor, 8)
    finally:
        os.close(descriptor)
