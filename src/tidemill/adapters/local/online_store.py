"""Feature values by key in one memory-mapped file (LMDB): many readers, nobody waits for a writer.

One process may open an LMDB file only once and must not use it after a fork, so all stores of one
folder share an environment, which a forked child opens anew. The map is address space, not disk:
the file grows with what is in it, and the map is doubled when it is full.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Protocol

import lmdb
from blake3 import blake3

from tidemill.core.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

MAP_BYTES = 1 << 30
_POLL_S = 0.0002
_YIELD_S = 0.0001
"""How long a read steps back while a thread of this process writes: Python's lock is not fair, and
threads that read on and on let a writer wait for seconds."""
_TABLE_BYTES = 16
_LONGEST_KEY_BYTES = 511 - _TABLE_BYTES - 1
"""LMDB takes keys of 511 bytes; ours begin with their table and one byte that says what follows."""


class _Transaction(Protocol):
    def get(self, key: bytes) -> bytes | None: ...
    def put(self, key: bytes, value: bytes) -> bool: ...
    def cursor(self) -> _Cursor: ...


class _Cursor(Protocol):
    def set_range(self, key: bytes) -> bool: ...
    def key(self) -> bytes: ...
    def delete(self) -> bool: ...


class _Environment:
    """One folder, opened once in this process; its map grows only while nothing else goes on.

    `_busy` holds the threads that are in a transaction. Adding to a set is atomic, so beginning one
    takes no lock; a thread that finds the gate shut after it has added itself steps back and waits.
    """

    def __init__(self, folder: str, map_bytes: int) -> None:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - the registry's keys are text
        self.users = 0
        self._busy: set[int] = set()
        self._writing: set[int] = set()
        self._gate = threading.Event()
        self._gate.set()
        self._resizer = threading.Lock()
        self.environment = lmdb.open(
            folder, map_size=map_bytes, max_readers=1024, metasync=False, max_spare_txns=8
        )
        self.environment.reader_check()

    @contextlib.contextmanager
    def transaction(self, *, write: bool) -> Iterator[_Transaction]:
        """Run a transaction while the map keeps its size."""
        thread = threading.get_ident()
        try:
            if write:
                self._writing.add(thread)
            elif self._writing:
                time.sleep(_YIELD_S)
            self._busy.add(thread)
            while not self._gate.is_set():
                self._busy.discard(thread)
                self._gate.wait()
                self._busy.add(thread)
            with self.environment.begin(write=write) as transaction:
                yield transaction
        finally:
            self._busy.discard(thread)
            self._writing.discard(thread)

    def resize(self, map_bytes: int | None = None) -> None:
        """Double the map, or (0) take over the size that another process gave it."""
        with self._resizer:
            self._gate.clear()
            try:
                while self._busy:
                    time.sleep(_POLL_S)
                if map_bytes is None:
                    map_bytes = 2 * self.environment.info()["map_size"]
                self.environment.set_mapsize(map_bytes)
            finally:
                self._gate.set()


class _Registry:
    """The environments of this process, by folder."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, _Environment] = {}

    def after_fork(self) -> None:
        """Let go of the parent's environments; the child's stores open their own when used."""
        self._lock = threading.Lock()
        for known in self._open.values():
            known.environment.close()
        self._open = {}

    def take(self, folder: str, map_bytes: int) -> _Environment:
        with self._lock:
            if folder not in self._open:
                self._open[folder] = _Environment(folder, map_bytes)
            self._open[folder].users += 1
            return self._open[folder]

    def give_back(self, folder: str, environment: _Environment) -> None:
        with self._lock:
            environment.users -= 1
            if environment.users == 0 and self._open.get(folder) is environment:
                del self._open[folder]
                environment.environment.close()


_registry = _Registry()
os.register_at_fork(after_in_child=_registry.after_fork)


class LmdbOnlineStore:
    """Values by table and key. Safe for many threads and processes, and after a fork.

    Args:
        path: the folder; made when it is first used.
        map_bytes: size of the map to begin with.
    """

    def __init__(self, path: Path, *, map_bytes: int = MAP_BYTES) -> None:
        self._folder = str(path.absolute())
        self._map_bytes = map_bytes
        self._taken: tuple[int, _Environment] | None = None
        self._lock = threading.Lock()

    def read(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key as of one moment, None where there is none.

        Raises:
            UnavailableError: the file cannot be read.
        """
        prefix = _prefix(table)
        spelled = [_key(prefix, key) for key in keys]
        with self._errors():
            while True:
                environment = self._environment()
                try:
                    with environment.transaction(write=False) as transaction:
                        return [transaction.get(key) for key in spelled]
                except lmdb.MapResizedError:
                    environment.resize(0)

    def write(self, table: str, values: Mapping[bytes, bytes]) -> None:
        """Set values, all together and durably.

        Raises:
            UnavailableError: no room left, or the file cannot be written; nothing was changed.
        """
        prefix = _prefix(table)
        spelled = sorted((_key(prefix, key), value) for key, value in values.items())

        def put(transaction: _Transaction) -> None:
            for key, value in spelled:
                transaction.put(key, value)

        self._change(put)

    def clear(self, table: str) -> None:
        """Forget a table, all at once. O(values of the table)."""
        prefix = _prefix(table)

        def delete(transaction: _Transaction) -> None:
            cursor = transaction.cursor()
            is_inside = cursor.set_range(prefix)
            while is_inside and cursor.key().startswith(prefix):
                is_inside = cursor.delete()

        self._change(delete)

    def close(self) -> None:
        """Let go of the folder; a later call opens it again."""
        with self._lock:
            if self._taken and self._taken[0] == os.getpid():
                _registry.give_back(self._folder, self._taken[1])
            self._taken = None

    def _change(self, work: Callable[[_Transaction], None]) -> None:
        """Run `work` in a transaction; where the map is too small, make it larger and try again."""
        with self._errors():
            while True:
                environment = self._environment()
                try:
                    with environment.transaction(write=True) as transaction:
                        return work(transaction)
                except lmdb.MapFullError:
                    environment.resize()
                except lmdb.MapResizedError:
                    environment.resize(0)

    def _environment(self) -> _Environment:
        taken = self._taken
        if taken is not None and taken[0] == os.getpid():
            return taken[1]
        with self._lock:
            if self._taken is None or self._taken[0] != os.getpid():
                self._taken = (os.getpid(), _registry.take(self._folder, self._map_bytes))
            return self._taken[1]

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (lmdb.Error, OSError) as error:
            raise UnavailableError(
                f"the online store in {self._folder} cannot be used: {error}",
                fix="make room on its disk; if it is damaged, delete the folder and materialize"
                " the features again",
            ) from error


def _prefix(table: str) -> bytes:
    return blake3(table.encode()).digest(length=_TABLE_BYTES)


def _key(prefix: bytes, key: bytes) -> bytes:
    if len(key) <= _LONGEST_KEY_BYTES:
        return prefix + b"\0" + key
    return prefix + b"\1" + blake3(key).digest()
