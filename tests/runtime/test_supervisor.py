"""One supervisor, many tasks: none disturbs another, and whoever loses the guard lets go."""

import threading

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.ledger import SqliteLedger
from tidemill.runtime.supervisor import LeaseGuard, Supervisor


class Task:
    """Counts its steps; ends the supervisor after some; may fail at every step."""

    def __init__(self, name: str, *, fails: bool = False) -> None:
        self.name, self.interval_s, self.fails = name, 0.001, fails
        self.steps, self.is_stopped = 0, False
        self.has_stepped = threading.Event()

    def step(self) -> None:
        self.steps += 1
        if self.steps >= 3:
            self.has_stepped.set()
        if self.fails:
            message = "it always does"
            raise ValueError(message)

    def stop(self) -> None:
        self.is_stopped = True


class Guard:
    """A guard that is there, or not."""

    def __init__(self, *, holds: bool) -> None:
        self.holds, self.is_released = holds, False

    def hold(self) -> bool:
        return self.holds

    def release(self) -> None:
        self.is_released = True


def test_a_task_that_fails_is_tried_again_and_disturbs_no_other(caplog) -> None:
    tasks, guard = [Task("good"), Task("bad", fails=True)], Guard(holds=True)
    supervisor = Supervisor(tasks, guard, SystemClock())
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(supervisor.run()))
    thread.start()
    for task in tasks:
        assert task.has_stepped.wait(20)
    supervisor.stop()
    thread.join()
    assert ended == [True]
    assert all(task.is_stopped for task in tasks)
    assert guard.is_released
    assert "task bad failed" in caplog.text


def test_without_the_guard_nothing_is_stepped_and_nothing_stopped() -> None:
    task = Task("services")
    assert not Supervisor([task], Guard(holds=False), SystemClock()).run()
    assert (task.steps, task.is_stopped) == (0, False)


def test_the_lease_lets_one_project_have_one_supervisor(tmp_path) -> None:
    ledgers = [SqliteLedger(tmp_path / "ledger.db", SystemClock()) for _ in range(2)]

    class Elsewhere:
        """The same ledger, asked from another machine."""

        def __getattr__(self, name: str):
            return getattr(ledgers[1], name)

        def owner(self) -> str:
            return "another.machine/boot/1/1"

    here, there = LeaseGuard(ledgers[0], "p"), LeaseGuard(Elsewhere(), "p")
    assert here.hold()
    assert here.hold()
    assert not there.hold()
    here.release()
    assert there.hold()
    assert not here.hold()
    for ledger in ledgers:
        ledger.close()
