"""Segments of a stream: files of framed blocks that one process writes while others read.

A block is a header (commit word, check, length) and its bytes, padded to 8; the commit word is
written last, so a torn block is not there. The check covers place and bytes: after a power cut,
pages may have reached the disk in any order.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from typing import TYPE_CHECKING

from tidemill.adapters.durable_files import sync, sync_folder

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator
    from pathlib import Path

FIRST_OFFSET = 8
_WRITE_FROM_BYTES = 8192
_MAGIC = b"tidestr1"
_COMMITTED = 0x7EA1B10C
_COMMITTED_BYTES = struct.pack("<I", _COMMITTED)
_HEADER = struct.Struct("<IIQ")


def framed_bytes(block: bytes) -> int:
    """Return how many bytes of a segment a block takes."""
    return _HEADER.size + (len(block) + 7 & ~7)


def put_block(mapped: mmap.mmap, descriptor: int, place: tuple[int, int], block: bytes) -> bool:
    """Write a block at (segment, offset); a reader sees it when the last store is done.

    Large ones are written by `pwrite`, which shares the page cache with the mapping and costs half
    of touching fresh pages through it. False: the disk refused; nothing is to be seen.
    """
    segment, offset = place
    body = offset + _HEADER.size
    if len(block) < _WRITE_FROM_BYTES:
        mapped[body : body + len(block)] = block
    else:
        try:
            if os.pwrite(descriptor, block, body) != len(block):
                return False
        except OSError:
            return False
    _HEADER.pack_into(mapped, offset, 0, _check(segment, offset, block), len(block))
    mapped[offset : offset + 4] = _COMMITTED_BYTES
    return True


def make_segment(folder: Path, segment: int, size_bytes: int, *, durable: bool) -> Path:
    """Return a new empty segment with disk behind it, so that writing to its mapping cannot fail.

    Raises:
        OSError: no room; nothing is left behind.
    """
    path = segment_file(folder, segment)
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        reserve(descriptor, size_bytes)
        os.pwrite(descriptor, _MAGIC, 0)
        if durable:
            sync(descriptor)
    except OSError:
        temporary.unlink()
        raise
    finally:
        os.close(descriptor)
    temporary.replace(path)
    if durable:
        sync_folder(folder)
    return path


def _check(segment: int, offset: int, block: bytes) -> int:
    return zlib.crc32(block, zlib.crc32(struct.pack("<QQQ", segment, offset, len(block))))


def segment_file(folder: Path, segment: int) -> Path:
    """Return the place of a segment."""
    return folder / f"{segment:012d}.seg"


def segments(folder: Path) -> list[int]:
    """Return the segments of a stream, oldest first."""
    return sorted(int(path.stem) for path in folder.glob("*.seg"))


def blocks(folder: Path, segment: int, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield (end, block) of a segment's whole blocks from an offset on, up to the first torn one.

    Reads with `pread`, which shares the page cache with the writer's mapping.
    """
    try:
        descriptor = os.open(segment_file(folder, segment), os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        offset = max(start, FIRST_OFFSET)
        while len(header := os.pread(descriptor, _HEADER.size, offset)) == _HEADER.size:
            committed, check, length = _HEADER.unpack(header)
            if committed != _COMMITTED or length > os.fstat(descriptor).st_size:
                return
            block = os.pread(descriptor, length, offset + _HEADER.size)
            if len(block) != length or _check(segment, offset, block) != check:
                return
            offset += _HEADER.size + (length + 7 & ~7)
            yield offset, block
    finally:
        os.close(descriptor)


def backlog_bytes(root: Path) -> int:
    """Return the bytes of all segments of all streams under a folder."""
    total = 0
    for path in root.glob("*/*.seg"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def reserve(descriptor: int, size_bytes: int) -> None:
    """Give a file its size with disk behind it, so that writing to its mapping cannot fail."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size_bytes)
        return
    for start in range(0, size_bytes, 1 << 20):  # macOS
        os.pwrite(descriptor, bytes(min(1 << 20, size_bytes - start)), start)
