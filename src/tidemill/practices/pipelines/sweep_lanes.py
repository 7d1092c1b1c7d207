"""Lanes: several runs of a pipeline at once in one process, each with an owner of its own.

A lane is a thread. To the record it is like a process: steps that two lanes need are leased by one,
and the other waits for its result, as two processes would.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from tidemill.lineage.record import Ports, Tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

    from tidemill.lineage.record import Record
    from tidemill.ports.ledger import Ledger

T = TypeVar("T")
R = TypeVar("R")

WAIT_S = 0.2


class LaneLedger:
    """The ledger, of which a lane is an owner of its own; everything else is the ledger's."""

    def __init__(self, ledger: Ledger, lane: int) -> None:
        self._ledger, self._lane = ledger, lane

    def owner(self) -> str:
        """Return the lane as an owner of leases and runs; it lives as long as its process."""
        return f"{self._ledger.owner()}/lane{self._lane}"

    def close(self) -> None:
        """Leave the ledger open: it is not the lane's."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the ledger has
        return getattr(self._ledger, name)


class LaneTell(Tell):
    """Says what a lane's steps print, stops when the sweep is stopped, and tells no progress."""

    def __init__(self, tell: Tell, stop: threading.Event) -> None:
        self._tell, self._stop = tell, stop

    def line(self, text: str) -> None:
        """Say one line that stays."""
        self._tell.line(text)

    @property
    def is_cancelled(self) -> bool:
        """Whether the sweep is to stop."""
        return self._stop.is_set() or self._tell.is_cancelled


class Lanes(Generic[T, R]):
    """Threads that do one thing after the other; what they do comes back in any order.

    Close it, or use it as a context manager: what is under way is cancelled then.
    """

    def __init__(self, record: Record, do: Callable[[Record, T], R], count: int) -> None:
        """Do `do(record of the lane, what)`; what it raises is raised where it is taken."""
        self._do, self._stop = do, threading.Event()
        self._todo: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[T, R | None, BaseException | None]] = (
            queue.SimpleQueue()
        )
        self.under_way = 0
        self._records = [_lane(record, lane, self._stop) for lane in range(count)]
        self._threads = [
            threading.Thread(target=self._work, args=(one,), name="tidemill lane", daemon=True)
            for one in self._records
        ]
        for thread in self._threads:
            thread.start()

    def give(self, what: T) -> None:
        """Let the next free lane do something."""
        self.under_way += 1
        self._todo.put(what)

    def take(self, meanwhile: Callable[[], None]) -> tuple[T, R]:
        """Return what was done and what came of it, waiting for it; calls `meanwhile` often."""
        while True:
            meanwhile()
            try:
                what, result, error = self._done.get(timeout=WAIT_S)
            except queue.Empty:
                continue
            self.under_way -= 1
            if error is not None:
                raise error
            return what, cast("R", result)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()
        for record in self._records[1:]:
            record.ports.close()

    def _work(self, record: Record) -> None:
        while (what := self._todo.get()) is not None:
            if self._stop.is_set():
                continue
            try:
                self._done.put((what, self._do(record, what), None))
            except BaseException as error:  # noqa: BLE001 - raised again by `take`
                self._done.put((what, None, error))


def _lane(record: Record, lane: int, stop: threading.Event) -> Record:
    ports = record.ports
    places = dataclasses.replace(
        ports.places,
        ledger=lambda: cast("Ledger", LaneLedger(ports.ledger, lane)),
        clock=lambda: ports.clock,
        objects=lambda: ports.objects,
        workspace=lambda: ports.workspace,
        environments=lambda: ports.environments,
    )
    if not lane:
        places = dataclasses.replace(places, executor=lambda: ports.executor)
    return dataclasses.replace(record, ports=Ports(places), tell=LaneTell(record.tell, stop))
