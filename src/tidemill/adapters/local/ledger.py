"""The embedded ledger: one SQLite file in WAL mode, shared by any number of processes.

Writers queue at a lock file (SQLite's own waiting polls, and starves writers for seconds); within a
process waiting batches share one transaction. Facts are synced before `commit` returns; leases and
cells are not, and may be lost with the power. Reads use connections of their own and never wait.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import sys
import weakref
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from tidemill.adapters import sql_coordination
from tidemill.adapters.process_forks import forgets_in_child
from tidemill.adapters.process_owner import is_alive, process_owner
from tidemill.adapters.sql_commit import write_batches
from tidemill.adapters.sql_dialect import Dialect
from tidemill.adapters.sql_graph import keys_with, walk
from tidemill.adapters.sql_group_commit import GroupCommit, Request
from tidemill.adapters.sql_query import find
from tidemill.adapters.sql_schema import MIGRATIONS, migrate, require_known, schema_number
from tidemill.adapters.sqlite_read_only import ReadOnlyConnections, is_read_only
from tidemill.core.errors import CorruptError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tidemill.adapters.sql_commit import Outcome
    from tidemill.core.digest import ArtifactId
    from tidemill.core.facts import Batch, Direction, Receipt
    from tidemill.core.query import Cell, EdgeRow, Lease, Query
    from tidemill.core.run import RunId
    from tidemill.ports.clock import Clock

T = TypeVar("T")

BUSY_S = 60.0
"""How long to wait for a tool that opened the file without our lock."""

SQLITE = Dialect(
    serial="INTEGER PRIMARY KEY",
    number="INTEGER PRIMARY KEY",
    text="TEXT",
    json="TEXT",
    bytes="BLOB",
    clustered=" WITHOUT ROWID",
    is_array=False,
    among="{} IN (SELECT value FROM json_each(?))",
    item="json_extract({}, ?)",
    item_path='$."{}"',
    item_text="json_extract({}, ?)",
    item_value="?",
    item_among="{} IN (SELECT value FROM json_each(?))",
    item_least="-1e308",
    nan="NaN",  # a float would become NULL; text is above all numbers
    refusals=(sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
    suffix="substr({}, -{}) = ?",
    contains="instr({}, ?) > 0",
)


class SqliteLedger:
    """The ledger port on a file; safe for threads, processes and forks."""

    def __init__(self, path: Path, clock: Clock, *, migrations: Sequence[str] = MIGRATIONS) -> None:
        self._path, self._clock, self._migrations = path, clock, migrations
        self._start()
        forgets_in_child(self)
        self._prepare()

    def _start(self) -> None:
        """Begin with nothing open: when made, and in the child of a fork."""
        self._connections: _Connections | ReadOnlyConnections = (
            ReadOnlyConnections(self._path, BUSY_S, _told)
            if is_read_only(self._path)
            else _Connections(self._path)
        )
        self._group = GroupCommit(self._write_group)
        self._finalizer = weakref.finalize(self, self._connections.close)

    def forget(self) -> None:
        """Leave everything open to the parent of a fork; called in the child."""
        self._finalizer.detach()
        self._connections.abandon()
        self._start()

    def commit(self, batch: Batch) -> Receipt:
        """Write all facts of a batch if all its conditions hold; durable when it returns."""
        return self._group.commit(batch)

    def find(self, query: Query[T]) -> list[T]:
        """Return what a query asks for, in its order."""
        with self._connections.reading() as connection:
            return find(connection, SQLITE, query)

    def keys(self, prefixes: Sequence[str]) -> dict[str, RunId]:
        """Return every unique key that begins with one of the prefixes, and its run."""
        with self._connections.reading() as connection:
            return keys_with(connection, prefixes)

    def edges(
        self, ids: Sequence[ArtifactId | RunId], direction: Direction, depth: int
    ) -> list[EdgeRow]:
        """Walk the graph breadth first and return the edges met, each once."""
        with self._connections.reading() as connection, _snapshot(connection):
            return walk(connection, SQLITE, ids, direction, depth)

    def owner(self) -> str:
        """Return this process as an owner of leases and runs."""
        return process_owner()

    def is_alive(self, owner: str) -> bool:
        """Return False only if `owner` is a process of this machine that has ended."""
        return is_alive(owner)

    def lease(self, key: str, owner: str, ttl_s: float) -> Lease:
        """Take a lease; see the port."""
        now = self._clock.now()
        return self._coordinate(
            lambda session: sql_coordination.grant(session, key, owner, ttl_s, now, is_alive)
        )

    def renew(self, lease: Lease, ttl_s: float) -> bool:
        """Prolong a lease; False: it was lost meanwhile."""
        now = self._clock.now()
        return self._coordinate(
            lambda session: sql_coordination.prolong(session, lease, ttl_s, now)
        )

    def release(self, lease: Lease) -> None:
        """Give a lease back; one that was lost is left alone."""
        self._coordinate(lambda session: sql_coordination.give_back(session, lease))

    def cell(self, key: str) -> Cell | None:
        """Return a cell that has not expired."""
        with self._connections.reading() as connection:
            return sql_coordination.read_cell(connection, key, self._clock.now())

    def swap(self, key: str, value: bytes | None, *, version: int | None, ttl_s: float) -> bool:
        """Set or delete a cell if its version is still `version`."""
        now = self._clock.now()
        return self._coordinate(
            lambda session: sql_coordination.swap_cell(
                session, key, value, version=version, ttl_s=ttl_s, now=now
            )
        )

    def close(self) -> None:
        """Finish what was accepted and let go of the file."""
        with self._group.turn:
            self._finalizer()

    def _prepare(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _no_room(self._path, error) from error
        if self._path.exists() and self._is_current():
            return
        with self._connections.writing("FULL", "PRAGMA journal_mode = WAL") as connection:
            migrate(connection, SQLITE, str(self._path), self._migrations)

    def _is_current(self) -> bool:
        with self._connections.reading() as connection:
            try:
                found = schema_number(connection)
            except sqlite3.OperationalError:  # a new file, which another process is migrating
                return False
        require_known(found, str(self._path), self._migrations)
        return found == len(self._migrations)

    def _write_group(self, requests: list[Request]) -> None:
        outcomes: Sequence[Outcome] = []
        connections = self._connections
        try:
            with connections.writing("FULL") as connection:
                outcomes = write_batches(
                    connection, SQLITE, self._clock, [request.batch for request in requests]
                )
        except (UnavailableError, CorruptError) as error:
            outcomes = [error] * len(requests)
        except BaseException:  # Ctrl-C too: others in the group must not be told a wrong outcome
            outcomes = outcomes if connections.is_committed else []
            raise
        finally:
            for request, outcome in zip(requests, outcomes, strict=False):
                request.outcome = outcome

    def _coordinate(self, act: Callable[[sqlite3.Connection], T]) -> T:
        with self._group.turn, self._connections.writing("NORMAL") as connection:
            return act(connection)


class _Connections:
    """Everything that one process has open of a ledger: readers, writers, the lock file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers: deque[sqlite3.Connection] = deque()
        self._writers: dict[str, sqlite3.Connection] = {}
        self._lock: int | None = None
        self._is_closed = False
        self.is_committed = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that reads, to one thread at a time."""
        try:
            connection = self._readers.pop() if self._readers else self._opened("OFF")
            try:
                yield connection
            finally:
                self._readers.append(connection)
                if self._is_closed:
                    self.close()
        except sqlite3.Error as error:
            raise _told(error, self._path) from error

    @contextlib.contextmanager
    def writing(self, synchronous: str, before: str = "") -> Iterator[sqlite3.Connection]:
        """Give a connection inside a transaction that is committed at the end of the block.

        The caller lets one thread in at a time; other processes wait at the lock file.
        """
        self.is_committed = False
        try:
            with self._locked():
                if synchronous not in self._writers:
                    self._writers[synchronous] = self._opened(synchronous)
                connection = self._writers[synchronous]
                if before:
                    connection.execute(before)
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
                    connection.execute("COMMIT")
                except BaseException as error:  # Ctrl-C too: no transaction is left open
                    is_open, is_ours = connection.in_transaction, isinstance(error, sqlite3.Error)
                    self.is_committed = not is_open and not is_ours
                    _undo(connection)
                    raise
        except sqlite3.Error as error:
            raise _told(error, self._path) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if self._lock is None:
            self._lock = _lock_file(self._path)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _opened(self, synchronous: str) -> sqlite3.Connection:
        if self._is_closed:
            raise UnavailableError(f"{self._path} was closed", fix="open the ledger again")
        connection = sqlite3.connect(
            self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False,
            cached_statements=256,
        )  # fmt: skip
        if synchronous == "OFF":
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.execute(f"PRAGMA synchronous = {synchronous}")
        if sys.platform == "darwin":
            connection.execute("PRAGMA fullfsync = ON")
        return connection

    def close(self) -> None:
        """Close all; a reader that is in use closes when it is done."""
        self._is_closed = True
        while self._readers:
            self._readers.pop().close()
        while self._writers:
            self._writers.popitem()[1].close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def abandon(self) -> None:
        """Let go of the parent's connections without closing them, as SQLite demands of a child."""
        _ABANDONED.append((list(self._readers), list(self._writers.values())))
        if self._lock is not None:
            os.close(self._lock)  # else the child would hold on to a lock of a dead parent


_ABANDONED: list[object] = []


@contextlib.contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Let several statements see the record as of one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        _undo(connection)


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):  # the first error is the one to tell
            connection.execute("ROLLBACK")


def _lock_file(path: Path) -> int:
    try:
        return os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _no_room(path, error) from error


def _no_room(path: Path, error: Exception) -> UnavailableError:
    if isinstance(error, PermissionError) or "readonly" in str(error):
        return UnavailableError(
            f"the record {path.name} cannot be written by this user: {error}",
            fix="see to the permissions of its folder, or work on a copy of the project",
        )
    place = next((folder for folder in (path, *path.parents) if folder.exists()), path)
    free = shutil.disk_usage(place).free if place.exists() else 0
    return UnavailableError(
        f"the record {path} cannot be used: {error}; its disk has {free:,} bytes free",
        fix="make room on that disk, or see to the permissions of that folder, and repeat",
    )


_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NO_ROOM = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOLFS,
}  # fmt: skip


def _told(error: sqlite3.Error, path: Path) -> Exception:
    """Return what people read for an error of SQLite; our own mistakes stay as they are."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BROKEN:
        return CorruptError(
            f"the record {path} is damaged: {error}", fix="restore the file from a copy of it"
        )
    return _no_room(path, error) if code in _NO_ROOM else error
