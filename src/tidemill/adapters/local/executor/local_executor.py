"""The local executor: step workers on this machine, looked after by one thread.

Workers start when they are needed and are kept. While orders are short, several are under way to
each worker; those behind one that dies or is killed go back to the queue unharmed.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.adapters.local.executor.worker_pool import Worker
from tidemill.ports.executor import StepOutcome
from tidemill.wire.step_protocol import decode_outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.ports.executor import StepOrder

SHORT_S = 0.02
"""Orders that take less than this are sent ahead."""
AHEAD = 4
"""How many short orders are under way to one worker."""
LINES_KEPT = 1000
"""Printed lines that wait to be fetched; older ones are dropped."""
LOOK_S = 1.0
"""How often to see whether a busy worker still lives."""

Ended = Literal["lost", "timeout", "cancelled"]


class LocalExecutor:
    """The executor port over processes of this machine; safe for threads.

    Args:
        command: what starts a worker; two descriptors are added as arguments (channel, lifeline).
        workers: how many run at once.
        folder: where workers start; default: the current folder.
    """

    def __init__(
        self, command: Sequence[str], *, workers: int = 2, folder: Path | None = None
    ) -> None:
        self._command, self._limit = tuple(command), max(1, workers)
        self._folder = folder or Path.cwd()
        self._lock = threading.Condition()
        self._queue: deque[StepOrder] = deque()
        self._cancelled: set[str] = set()
        self._outcomes: list[StepOutcome] = []
        self._lines: deque[tuple[str, str]] = deque(maxlen=LINES_KEPT)
        self._workers: list[Worker] = []
        self._seen: dict[Worker, int] = {}
        self._ahead = 1
        self._is_closing = False
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def capacity(self) -> int:
        """Return how many orders can run at once."""
        return self._limit

    def submit(self, order: StepOrder) -> None:
        """Take an order; it starts when a worker is free."""
        with self._lock:
            self._queue.append(order)
            self._start_thread()
        self._wake()

    def poll(self, timeout_s: float) -> list[StepOutcome]:
        """Return what ended, waiting at most `timeout_s` for the first."""
        with self._lock:
            if not self._outcomes and timeout_s > 0:
                self._lock.wait_for(lambda: self._outcomes or self._error, timeout_s)
            if self._error is not None:
                raise self._error
            outcomes, self._outcomes = self._outcomes, []
            return outcomes

    def lines(self) -> list[tuple[str, str]]:
        """Return what steps have printed since the last call."""
        lines: list[tuple[str, str]] = []
        while self._lines:
            lines.append(self._lines.popleft())
        return lines

    def cancel(self, order: str) -> None:
        """Stop an order, waiting or running; its outcome is `cancelled`."""
        with self._lock:
            self._cancelled.add(order)
        self._wake()

    def close(self) -> None:
        """Stop everything; no process is left."""
        with self._lock:
            self._is_closing = True
            thread = self._thread
        if thread is not None:
            self._wake()
            thread.join()

    def _start_thread(self) -> None:
        if self._thread is None:
            self._is_closing = False
            self._waker, self._woken = socket.socketpair()
            self._waker.setblocking(False)  # noqa: FBT003
            self._thread = threading.Thread(target=self._run, name="step workers", daemon=True)
            self._thread.start()

    def _wake(self) -> None:
        if self._thread is not None:
            with contextlib.suppress(BlockingIOError, OSError):
                self._waker.send(b"\0")

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as self._selector:
                self._selector.register(self._woken, selectors.EVENT_READ, None)
                while not self._is_closing:
                    self._step()
        except BaseException as error:  # noqa: BLE001 - kept, and raised to whoever polls
            with self._lock:
                self._error = error
                self._lock.notify_all()
        finally:
            for worker in self._workers:
                worker.close()
            self._workers.clear()
            self._waker.close()
            self._woken.close()
            with self._lock:
                self._thread = None

    def _step(self) -> None:
        self._cancel()
        self._assign()
        for key, events in self._selector.select(self._patience()):
            worker: Worker | None = key.data
            if worker is None:
                self._woken.recv(4096)
            elif worker in self._workers:
                self._serve(worker, key.fd, events)
        self._time_out()

    def _serve(self, worker: Worker, descriptor: int, events: int) -> None:
        if descriptor == worker.output:
            if not worker.read_output():
                self._selector.unregister(worker.output)
            self._collect_lines(worker)
            return
        if events & selectors.EVENT_WRITE:
            worker.flush()
            self._watch(worker)
        if events & selectors.EVENT_READ:
            self._receive(worker)

    def _receive(self, worker: Worker) -> None:
        data = worker.receive()
        if data is None:
            return
        if not data:
            self._end_head(worker, "lost")
            return
        for body in worker.reader.feed(data):
            outcome = decode_outcome(body)
            worker.read_output()
            self._collect_lines(worker)
            self._seen[worker] = 0
            order = worker.orders.popleft()
            worker.head_since = time.monotonic()
            self._ahead = AHEAD if outcome.wall_s < SHORT_S else 1
            printed = worker.printed_by(order.order)
            self._tell(msgspec.structs.replace(outcome, output=printed))

    def _collect_lines(self, worker: Worker) -> None:
        if worker.orders:
            lines, self._seen[worker] = worker.new_lines(self._seen.get(worker, 0))
            self._lines.extend((worker.orders[0].order, line) for line in lines)

    def _tell(self, outcome: StepOutcome) -> None:
        with self._lock:
            self._cancelled.discard(outcome.order)
            self._outcomes.append(outcome)
            self._lock.notify_all()

    def _cancel(self) -> None:
        with self._lock:
            if not self._cancelled:
                return
            doomed = set(self._cancelled)
            waiting = [order for order in self._queue if order.order in doomed]
            self._queue = deque(order for order in self._queue if order.order not in doomed)
        for order in waiting:
            self._tell(StepOutcome(order=order.order, state="cancelled", error="cancelled"))
        for worker in list(self._workers):
            if worker.orders and worker.orders[0].order in doomed:
                self._end_head(worker, "cancelled")
        under_way = {order.order for worker in self._workers for order in worker.orders}
        with self._lock:
            self._cancelled &= under_way | {order.order for order in self._queue}

    def _time_out(self) -> None:
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.orders and now - worker.head_since >= worker.orders[0].timeout_s:
                self._end_head(worker, "timeout")
            elif worker.has_died:  # and something that it started holds its channel open
                self._receive(worker)
                if worker in self._workers:
                    self._end_head(worker, "lost")

    def _end_head(self, worker: Worker, state: Ended) -> None:
        """End a worker with the order at its head; those behind it go back to the queue."""
        worker.kill()
        self._collect_lines(worker)
        self._workers.remove(worker)
        self._seen.pop(worker, None)
        for descriptor in (worker.channel, worker.output):
            with contextlib.suppress(KeyError):
                self._selector.unregister(descriptor)
        orders = list(worker.orders)
        printed = worker.printed_by(orders[0].order) if orders else ""
        wall_s = time.monotonic() - worker.head_since
        worker.close()
        with self._lock:
            self._queue.extendleft(reversed(orders[1:]))
        if orders:
            error = _why(state, worker, orders[0])
            self._tell(
                StepOutcome(
                    order=orders[0].order, state=state, error=error, output=printed, wall_s=wall_s
                )
            )

    def _assign(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    return
                order = self._queue[0]
            worker = self._worker_for(order)
            if worker is None:
                return
            with self._lock:
                self._queue.popleft()
            worker.send(order, time.monotonic())
            self._watch(worker)

    def _worker_for(self, order: StepOrder) -> Worker | None:
        fitting = [
            one for one in self._workers if (one.threads, one.code) == (order.threads, order.code)
        ]
        idle = next((worker for worker in fitting if not worker.orders), None)
        if idle is not None:
            return idle
        if len(self._workers) < self._limit:
            return self._started(order)
        other = next((worker for worker in self._workers if not worker.orders), None)
        if other is not None:
            self._end_head(other, "cancelled")
            return self._started(order)
        least = min(fitting, key=lambda worker: len(worker.orders), default=None)
        return least if least is not None and len(least.orders) < self._ahead else None

    def _started(self, order: StepOrder) -> Worker:
        worker = Worker(self._command, self._folder, order.threads, order.code)
        self._workers.append(worker)
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        self._selector.register(worker.output, selectors.EVENT_READ, worker)
        return worker

    def _watch(self, worker: Worker) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.outgoing else 0)
        self._selector.modify(worker.channel, events, worker)

    def _patience(self) -> float | None:
        ends = [
            worker.head_since + worker.orders[0].timeout_s
            for worker in self._workers
            if worker.orders
        ]
        soonest = min(ends, default=0.0) - time.monotonic()
        return min(max(soonest, 0.0), LOOK_S) if ends else None


def _why(state: Ended, worker: Worker, order: StepOrder) -> str:
    if state == "timeout":
        return f"it took longer than {order.timeout_s:g} s and was stopped"
    if state == "cancelled":
        return "cancelled"
    return f"its worker process {worker.death}"
