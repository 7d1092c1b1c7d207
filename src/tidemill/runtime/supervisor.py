"""The supervisor: one a project, keeps its services and other long tasks going, one thread each."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

from tidemill.core.errors import LeaseHeldError, TidemillError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.query import Lease
    from tidemill.ports.clock import Clock
    from tidemill.ports.ledger import Ledger

LEASE_S = 30.0
LONGEST_PAUSE_S = 30.0
_log = logging.getLogger("tidemill.supervisor")


class Task(Protocol):
    """Something that is done again and again: reconciling services, sealing windows, triggers."""

    name: str
    interval_s: float

    def step(self) -> None:
        """Do what is due now."""
        ...

    def stop(self) -> None:
        """Let go of everything; called once, after the last step."""
        ...


class Guard(Protocol):
    """What makes sure that there is one supervisor only."""

    def hold(self) -> bool:
        """Take it or prolong it; False: another one has it."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


class Guards:
    """Several guards, all of which must hold."""

    def __init__(self, *guards: Guard) -> None:
        self._guards = guards

    def hold(self) -> bool:
        """Take or prolong all of them; False: one of them is not to be had."""
        return all(guard.hold() for guard in self._guards)

    def release(self) -> None:
        """Give all of them back."""
        for guard in self._guards:
            guard.release()


class LeaseGuard:
    """The ledger's lease `supervisor:PROJECT`: one supervisor, on whichever machine it runs."""

    def __init__(self, ledger: Ledger, project: str) -> None:
        self._ledger, self._key = ledger, f"supervisor:{project}"
        self._lease: Lease | None = None

    def hold(self) -> bool:
        """Take the lease or prolong it; False: another machine's supervisor has it."""
        if self._lease is not None and self._ledger.renew(self._lease, LEASE_S):
            return True
        try:
            self._lease = self._ledger.lease(self._key, self._ledger.owner(), LEASE_S)
        except LeaseHeldError as error:
            _log.warning("%s", error.what)
            return False
        return True

    def release(self) -> None:
        """Give the lease back."""
        if self._lease is not None:
            self._ledger.release(self._lease)


class Supervisor:
    """Runs tasks until told to stop, or until the guard is lost.

    A task that fails is logged and tried again, later each time, and disturbs no other task.
    """

    def __init__(self, tasks: Sequence[Task], guard: Guard, clock: Clock) -> None:
        self._tasks, self._guard, self._clock = tuple(tasks), guard, clock
        self._told = threading.Event()
        self._is_lost = False

    def stop(self) -> None:
        """Ask it to stop; safe in a signal handler and in any thread."""
        self._told.set()

    def run(self) -> bool:
        """Run until told to stop; then stop every task. False: the guard was lost.

        Where it is lost, or never had, tasks are not stopped: another supervisor has them.
        """
        if not self._guard.hold():
            return False
        threads = [threading.Thread(target=self._repeated, args=(task,)) for task in self._tasks]
        for thread in threads:
            thread.start()
        while not self._told.wait(LEASE_S / 3):
            if not self._still_held():
                self._is_lost = True
                self._told.set()
        for thread in threads:
            thread.join()
        if self._is_lost:
            return False
        for task in self._tasks:
            task.stop()
        self._guard.release()
        return True

    def _still_held(self) -> bool:
        try:
            return self._guard.hold()
        except TidemillError as error:
            _log.warning("whether this is the only supervisor cannot be told now: %s", error.what)
            return True

    def _repeated(self, task: Task) -> None:
        failures = 0
        while not self._told.is_set():
            try:
                task.step()
            except Exception:  # noqa: BLE001 - one of the two outermost loops
                failures += 1
                _log.exception("task %s failed", task.name)
            else:
                failures = 0
            pause_s = min(task.interval_s * 2**failures, max(LONGEST_PAUSE_S, task.interval_s))
            self._told.wait(pause_s)
