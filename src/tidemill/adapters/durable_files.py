"""What survives a power cut, and what tells the living from the dead: syncing and file locks."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path


def sync(descriptor: int) -> None:
    """Return when an open file's bytes are on the disk itself."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync alone stops at the drive's cache
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_file_system(folder: Path) -> bool:
    """Return whether everything of the file system of a folder is on the disk itself now.

    One wait instead of one a file (Linux only, where `syncfs` waits for all of it).
    """
    if not sys.platform.startswith("linux"):
        return False
    import ctypes  # noqa: PLC0415 - few puts are of so many files

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return bool(ctypes.CDLL(None, use_errno=True).syncfs(descriptor) == 0)
    except AttributeError:  # a C library without it
        return False
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk itself."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def lock(path: Path, *, wait: bool) -> int | None:
    """Return a descriptor that holds the lock of a file or folder until it is closed.

    None: another process holds it (unless `wait`), or the path is gone. The lock goes with the
    last descriptor, so a process that dies lets go of it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def boot_id() -> str:
    """Return what this start of the machine is called, "" where nothing tells (macOS)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
