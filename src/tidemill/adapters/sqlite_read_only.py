"""Reading a SQLite file in WAL mode that may not be written, nor its folder: a mount, another's.

SQLite needs two files beside it, `-wal` and `-shm`, and makes them where they are not. Where it may
not, one of three ways is left: both are there (somebody writes now) and are read in place; no log
is, so the file itself is whole; or only a log is (its process died, or somebody made a copy): then
a private copy of both is opened, which SQLite may repair.
Source: sqlite.org/wal.html, section 5, "Read-Only Databases".
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from tidemill.core.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ATTEMPTS = 5
"""How often a file is copied again that was written meanwhile."""

State = tuple[tuple[int, int, int], ...]


def is_read_only(path: Path) -> bool:
    """Return whether a database is there and this process may not write it, or beside it."""
    if not path.exists():
        return False
    return not (os.access(path.parent, os.W_OK | os.X_OK) and os.access(path, os.W_OK))


class ReadOnlyConnections:
    """What one process has open of a database that it can only read; safe for threads.

    Args:
        path: the file.
        timeout_s: how long to wait for somebody who holds it.
        told: makes the error that people read of SQLite's.
    """

    def __init__(
        self, path: Path, timeout_s: float, told: Callable[[sqlite3.Error, Path], Exception]
    ) -> None:
        self._path, self._timeout_s, self._told = path, timeout_s, told
        self._readers: deque[tuple[sqlite3.Connection, State | None]] = deque()
        self.is_committed = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that reads, to one thread at a time.

        Raises:
            UnavailableError: it cannot be opened, or somebody wrote what is read as unchanging.
        """
        try:
            connection, state = self._reader()
            try:
                yield connection
            finally:
                self._readers.append((connection, state))
            if state is not None and state != _state_of(self._path):
                raise UnavailableError(
                    f"the record {self._path.name} was written while it was read",
                    fix="run the same command again",
                )
        except sqlite3.Error as error:
            raise self._told(error, self._path) from error

    def writing(
        self, _synchronous: str, _before: str = ""
    ) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """Refuse to write.

        Raises:
            UnavailableError: always.
        """
        raise UnavailableError(
            f"the record {self._path.name} can only be read by this user: "
            f"{self._path.parent} or the file is write-protected",
            fix="ask its owner for the right to write there, or work on a copy of the project",
        )

    def close(self) -> None:
        """Close all that is not in use."""
        while self._readers:
            self._readers.pop()[0].close()

    def abandon(self) -> None:
        """Let go without closing, as SQLite demands of the child of a fork."""
        _ABANDONED.append(list(self._readers))
        self._readers.clear()

    def _reader(self) -> tuple[sqlite3.Connection, State | None]:
        while self._readers:
            connection, state = self._readers.pop()
            if state is None or state == _state_of(self._path):
                return connection, state
            connection.close()
        return self._opened()

    def _opened(self) -> tuple[sqlite3.Connection, State | None]:
        """Return a connection, and the state that it takes as unchanging (None: it does not)."""
        state = _state_of(self._path)
        if _size(f"{self._path}-wal") == 0:
            return _connected(self._path, "mode=ro&immutable=1", self._timeout_s), state
        if os.access(f"{self._path}-shm", os.R_OK):
            connection = _connected(self._path, "mode=ro", self._timeout_s)
            try:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:  # nobody lives who could give it the index of the log
                connection.close()
            else:
                return connection, None
        for _ in range(ATTEMPTS):
            connection = self._copied()
            if state == (now := _state_of(self._path)):
                return connection, state
            connection.close()
            state = now
        raise UnavailableError(
            f"the record {self._path.name} is written so often that no copy of it can be read",
            fix="run the same command again",
        )

    def _copied(self) -> sqlite3.Connection:
        """Return a connection to a copy of file and log, made one file whose name is gone."""
        with tempfile.TemporaryDirectory(prefix="tidemill-") as folder:
            copy = Path(folder, "copy.db")
            shutil.copyfile(self._path, copy)
            shutil.copyfile(f"{self._path}-wal", f"{copy}-wal")
            whole = _connected(copy, "mode=rw", self._timeout_s)
            try:
                whole.execute("PRAGMA journal_mode = DELETE")
            finally:
                whole.close()
            connection = _connected(copy, "mode=ro&immutable=1", self._timeout_s)
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return connection


_ABANDONED: list[object] = []


def _connected(path: Path, how: str, timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(os.fspath(path.absolute()))}?{how}", uri=True, timeout=timeout_s,
        isolation_level=None, check_same_thread=False, cached_statements=256,
    )  # fmt: skip


def _state_of(path: Path) -> State:
    """Return inode, size and time of a database and its log; what is not there counts 0."""
    return tuple(_state(part) for part in (str(path), f"{path}-wal"))


def _state(path: str) -> tuple[int, int, int]:
    with contextlib.suppress(FileNotFoundError):
        found = Path(path).stat()
        return (found.st_ino, found.st_size, found.st_mtime_ns)
    return (0, 0, 0)


def _size(path: str) -> int:
    return _state(path)[1]
