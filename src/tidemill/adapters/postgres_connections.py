"""Connections to a record in PostgreSQL: a few for all threads, new ones when the server returns.

What may be done again is done again on a new connection for up to `PATIENCE_S`; a server that never
answered is told at once.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg import errors, pq
from psycopg.types.numeric import Int8BinaryDumper

from tidemill.adapters.sql_dialect import first_line
from tidemill.core.errors import CorruptError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidemill.adapters.postgres_address import Address
    from tidemill.ports.clock import Clock

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long to wait for a server that went away."""
MOST = 8
"""Connections of one process; further threads wait for one."""
OLDEST_SERVER = 130000
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.02, 0.5

Connection = psycopg.Connection[tuple[Any, ...]]


class PassingError(UnavailableError):
    """The connection was lost, or two transactions stood in each other's way: try again."""


class PostgresSession:
    """A connection as the shared SQL uses it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def execute(
        self, sql: str, parameters: tuple[Any, ...] = (), /
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run one statement."""
        try:
            return self._connection.execute(_spelled(sql), parameters or None)
        except psycopg.ProgrammingError as error:
            raise _typed(error) from error

    def begin(self, *statements: str) -> None:
        """Begin a transaction with statements that have no answer; one way to the server for all.

        Each statement of the transaction sees what was committed before that one.
        """
        script = "; ".join(("BEGIN ISOLATION LEVEL READ COMMITTED", *statements))
        self._connection.execute(script.encode(), prepare=False)

    def executemany(
        self, sql: str, parameters: list[tuple[Any, ...]], /
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run one statement for many rows."""
        cursor = self._connection.cursor()
        try:
            cursor.executemany(_spelled(sql), parameters)
        except psycopg.ProgrammingError as error:
            raise _typed(error) from error
        return cursor


@lru_cache(maxsize=1024)
def _spelled(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


def _typed(error: psycopg.ProgrammingError) -> Exception:
    """Return the error of a value that the driver cannot send; others stay as they are."""
    return error if error.sqlstate else TypeError(first_line(error))


class Connections:
    """What one process has open of a record; safe for threads."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self.address, self._clock = address, clock
        self._idle: deque[Connection] = deque()
        self._turns = threading.BoundedSemaphore(MOST)
        self._has_answered = self._is_closed = False

    def patiently(self, act: Callable[[Connection], T], *, patience_s: float | None = None) -> T:
        """Return what `act` does on a connection; it is repeated, so it must not do things twice.

        Raises:
            UnavailableError: the server did not come back in time, or refuses.
        """
        until = self._clock.monotonic_s() + (PATIENCE_S if patience_s is None else patience_s)
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                with self.lent() as connection:
                    return act(connection)
            except PassingError:
                if self._clock.monotonic_s() + wait_s > until:
                    raise
            self._clock.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    @contextlib.contextmanager
    def lent(self) -> Iterator[Connection]:
        """Give a connection to one thread; what it leaves open is rolled back.

        Raises:
            PassingError: the connection was lost; trying again may help.
            UnavailableError: the server cannot be reached, or refuses.
            CorruptError: tables are missing or damaged.
        """
        with self._turns:
            connection = self._idle.pop() if self._idle else self._opened()
            try:
                yield connection
            except psycopg.Error as error:
                raise self._told(error, connection) from error
            finally:
                self._take_back(connection)

    def _take_back(self, connection: Connection) -> None:
        with contextlib.suppress(psycopg.Error):  # the first error is the one to tell
            if connection.info.transaction_status != pq.TransactionStatus.IDLE:
                connection.rollback()
        is_idle = connection.info.transaction_status == pq.TransactionStatus.IDLE
        if is_idle and not self._is_closed:
            self._idle.append(connection)
        else:
            connection.close()

    def _opened(self) -> Connection:
        if self._is_closed:
            raise UnavailableError(f"the {self.address} was closed", fix="open the ledger again")
        try:
            connection = psycopg.connect(self.address.conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            raise self._not_reached(error) from error
        try:
            self._prepare(connection)
        except psycopg.Error as error:
            connection.close()
            raise self._told(error, connection) from error
        except BaseException:
            connection.close()
            raise
        self._has_answered = True
        return connection

    def _prepare(self, connection: Connection) -> None:
        encoding = connection.info.parameter_status("server_encoding")
        version = connection.info.server_version
        if version < OLDEST_SERVER or encoding != "UTF8":
            raise UnavailableError(
                f"the {self.address} has version {version // 10000} and the encoding {encoding};"
                f" a record needs {OLDEST_SERVER // 10000} or newer, and UTF8",
                fix="make a database for it: createdb --encoding UTF8 --template template0 NAME",
            )
        # One size of whole numbers, so that a statement is prepared once.
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )

    def close(self) -> None:
        """Close all; one that is in use closes when it is given back."""
        self._is_closed = True
        self._drop_idle()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def abandon(self) -> None:
        """Let go of the parent's connections in the child of a fork, saying nothing to the server.

        Their sockets are closed here, so that the server sees it when the parent dies.
        """
        for connection in self._idle:
            with contextlib.suppress(OSError, psycopg.Error):
                os.close(connection.fileno())
        _ABANDONED.append(list(self._idle))

    def _told(self, error: psycopg.Error, connection: Connection) -> Exception:
        """Return what people read for an error of the server; our own mistakes stay as they are."""
        state, said = error.sqlstate or "", first_line(error)
        if connection.closed or state.startswith("57P"):
            connection.close()
            self._drop_idle()
            return PassingError(
                f"the {self.address} went away: {said}",
                fix="see that the server runs, and run the same command again",
            )
        if isinstance(error, errors.SerializationFailure | errors.DeadlockDetected):
            return PassingError(f"the {self.address} is busy: {said}", fix="run it again")
        if isinstance(error, errors.ReadOnlySqlTransaction | errors.InsufficientPrivilege):
            return UnavailableError(
                f"the {self.address} does not let this user write: {said}",
                fix="name the primary server, or have its owner grant the rights:"
                f" GRANT ALL ON ALL TABLES IN SCHEMA {self.address.schema} TO ...",
            )
        if state[:2] in {"53", "55", "57"}:
            return UnavailableError(
                f"the {self.address} cannot do it now: {said}",
                fix="see to the server (room, memory, connections, locks) and repeat",
            )
        if state[:2] == "XX" or state in {"42P01", "42703", "42883", "3F000"}:
            return CorruptError(
                f"the {self.address} is damaged: {said}", fix="restore it from a copy"
            )
        return error

    def _not_reached(self, error: psycopg.OperationalError) -> UnavailableError:
        said = first_line(error)
        lowered = str(error).lower()
        fix = "see that the server runs there and takes connections: pg_isready -d 'URL'"
        if "password" in lowered or "authentication" in lowered:
            fix = "give the password by PGPASSWORD in the environment or in ~/.pgpass"
        elif "does not exist" in lowered:
            fix = "make it: createdb --encoding UTF8 --template template0 NAME"
        is_passing = "starting up" in lowered or "too many" in lowered or "shutting" in lowered
        kind = PassingError if self._has_answered or is_passing else UnavailableError
        return kind(f"the {self.address} cannot be reached: {said}", fix=fix)


_ABANDONED: list[object] = []
