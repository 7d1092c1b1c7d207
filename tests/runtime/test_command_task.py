"""Commands that the supervisor repeats: fresh processes, one at a time, told to end with it."""

import sys
import threading
import time
from datetime import timedelta

import pytest

from tidemill.adapters.local.clock import SystemClock
from tidemill.app.supervisor import project_tasks
from tidemill.core.errors import InvalidInputError
from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.core.settings import resolve_settings
from tidemill.practices.training.past import RETRAINING
from tidemill.runtime.command_task import CommandTask

MARK = "import os, sys; open(sys.argv[1], 'a').write(f'{os.getpid()} ')"
WAITS = MARK + "; open(sys.argv[1] + '.up', 'w'); sys.stdin.read(); import time; time.sleep(600)"
DEADLINE_S = 30.0


class TurnedClock(SystemClock):
    now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return TurnedClock()


def until(condition) -> None:
    waited, end = threading.Event(), time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        waited.wait(0.01)


def task_of(path, clock, code=MARK, every_s=60.0) -> CommandTask:
    return CommandTask("marking", (sys.executable, "-c", code, str(path)), every_s, clock)


def marks(path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def at_rest(task) -> None:
    until(lambda: not task._is_at_work())


def test_a_command_runs_at_once_and_again_when_its_pause_is_over(tmp_path, clock) -> None:
    path = tmp_path / "marks"
    task = task_of(path, clock)
    for second, count in ((0.0, 1), (59.9, 1), (60.0, 2), (119.0, 2), (121.0, 3)):
        clock.now_s = second
        task.step()
        at_rest(task)
        assert len(set(marks(path))) == count, second


def test_two_never_run_at_once_and_one_at_work_is_told_to_end(tmp_path, clock) -> None:
    path = tmp_path / "marks"
    task = task_of(path, clock, WAITS)
    task.step()
    until((tmp_path / "marks.up").exists)
    clock.now_s = 1000.0
    task.step()
    assert len(marks(path)) == 1
    task.stop()
    assert not task._is_at_work()
    task.stop()


def test_a_command_that_fails_is_told_of_and_run_again(tmp_path, clock, caplog) -> None:
    path = tmp_path / "marks"
    task = task_of(path, clock, MARK + "; sys.exit(7)")
    task.step()
    at_rest(task)
    assert "marking ended with exit code 7" in caplog.text
    clock.now_s = 60.0
    task.step()
    at_rest(task)
    assert len(marks(path)) == 2


def test_a_project_says_what_is_repeated_and_nothing_is_by_itself(tmp_path, clock) -> None:
    assert project_tasks(tmp_path, resolve_settings({}, {}), clock) == []
    file = {"supervisor": {"triggers": "1m", "collect": "1h"}}
    tasks = project_tasks(tmp_path, resolve_settings(file, {}), clock)
    assert [(task.name, task._every_s, task._command[-2:]) for task in tasks] == [
        ("supervisor.triggers", 60.0, ("trigger", "tick")),
        ("supervisor.collect", 3600.0, ("predictions", "collect-days")),
    ]
    wrong = resolve_settings({"supervisor": {"triggers": "often"}}, {})
    with pytest.raises(InvalidInputError, match="often"):
        project_tasks(tmp_path, wrong, clock)


PIPELINE = """
import tidemill as tm


@tm.step
def one() -> int:
    return 1


@tm.pipeline
def learn() -> None:
    one()
"""
SETTINGS = """
[supervisor]
triggers = "1s"

[[trigger]]
name = "daily"
kind = "schedule"
every = "day"
pipeline = "learn"
model = "delay"
"""


def test_a_living_supervisor_asks_the_triggers_of_its_project(project, record, tidemill) -> None:
    file = project / "tidemill.toml"
    (project / "learning.py").write_text(PIPELINE)
    file.write_text(file.read_text() + SETTINGS)
    yesterday = record.now() - timedelta(days=1)
    assert tidemill("trigger", "tick", "--at", f"{yesterday:%Y-%m-%d}").returncode == 0
    trained = Query(Run, where=(Where("kind", "=", RETRAINING), Where("status", "!=", "running")))
    try:
        assert record.ports.target.start()
        until(lambda: bool(record.ports.ledger.find(trained)))
    finally:
        record.ports.target.stop()
    (run,) = record.ports.ledger.find(trained)
    assert run.cause.startswith("daily:")
