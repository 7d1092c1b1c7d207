"""Commands that the supervisor repeats: fresh processes, one at a time, told to end with it."""

import dataclasses
import sys
import threading
import time
from datetime import timedelta

import pytest

from tidemill.adapters.local.clock import SystemClock
from tidemill.app.supervisor import project_tasks
from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.core.settings import resolve_settings
from tidemill.practices.infrastructure.repeated_tasks import repeated_tasks
from tidemill.practices.training.past import RETRAINING
from tidemill.runtime.command_task import CommandTask, Repeated

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


def task_of(path, clock, code=MARK, every_s=60.0, **given) -> CommandTask:
    command = (sys.executable, "-c", code, str(path))
    return CommandTask(Repeated(name="marking", command=command, every_s=every_s, **given), clock)


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


def test_a_command_that_fails_is_told_of_and_run_again_later_each_time(
    tmp_path, clock, caplog
) -> None:
    path, ends = tmp_path / "marks", []
    caplog.set_level("INFO")
    code = MARK + "; sys.exit('out of ink')"
    task = task_of(path, clock, code, ended=lambda *end: ends.append(end))
    runs = []
    for second in range(0, 1000, 10):
        clock.now_s = float(second)
        before = len(marks(path))
        task.step()
        at_rest(task)
        if len(marks(path)) > before:
            runs.append(second)
    assert runs == [0, 120, 360, 840]  # after 2, 4, 8 times its pause
    assert ends == [(count, "out of ink") for count in (1, 2, 3, 4)]
    assert "marking ended with exit code 1 (4 in a row)" in caplog.text
    assert "out of ink" in caplog.text


def test_what_is_not_needed_is_not_started_and_one_that_goes_well_is_said(tmp_path, clock) -> None:
    path, ends, needed = tmp_path / "marks", [], []
    task = task_of(path, clock, is_needed=lambda: bool(needed), ended=lambda *end: ends.append(end))
    task.step()
    assert not task._is_at_work()
    needed.append(1)
    clock.now_s = 60.0
    task.step()
    at_rest(task)
    assert (len(marks(path)), ends) == (1, [(0, "")])


def with_settings(record, **given: str):
    settings = resolve_settings({"supervisor": given} if given else {}, {})
    return dataclasses.replace(record, settings=settings)


def test_triggers_are_asked_and_days_sealed_by_default_and_off_turns_it_off(record) -> None:
    tasks = project_tasks(with_settings(record))
    assert [(t.name, t._every_s, t._repeated.command[-2:]) for t in tasks] == [
        ("supervisor.triggers", 60.0, ("trigger", "tick")),
        ("supervisor.collect", 300.0, ("predictions", "collect-days")),
    ]
    (collector,) = project_tasks(with_settings(record, triggers="off", collect="1h"))
    assert (collector.name, collector._every_s) == ("supervisor.collect", 3600.0)
    assert project_tasks(with_settings(record, triggers="off", collect="off")) == []


def test_nothing_is_started_for_a_project_without_triggers_and_deployments(record, project) -> None:
    triggers, collector = project_tasks(with_settings(record))
    assert not triggers._repeated.is_needed()
    assert not collector._repeated.is_needed()
    file = project / "tidemill.toml"
    file.write_text(file.read_text() + RULE)
    assert triggers._repeated.is_needed()
    file.write_text("this is no TOML")
    assert triggers._repeated.is_needed()  # the command says what is wrong


PIPELINE = """
import tidemill as tm


@tm.step
def one() -> int:
    return 1


@tm.pipeline
def learn() -> None:
    one()
"""
RULE = """
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
    file.write_text(file.read_text().replace('triggers = "off"', 'triggers = "1s"') + RULE)
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


def test_a_supervisor_whose_triggers_cannot_be_read_goes_on_and_says_so(
    project, record, tidemill
) -> None:
    file = project / "tidemill.toml"
    rule = RULE.replace("learn", "unlearned")
    file.write_text(file.read_text().replace('triggers = "off"', 'triggers = "1s"') + rule)
    try:
        assert record.ports.target.start()
        until(lambda: bool(repeated_tasks(record)))
        (task,) = repeated_tasks(record)
        assert task.failures
        told = tidemill("status").stdout
        assert "the supervisor tells" in told
        assert "supervisor.triggers at" in told
        assert "'unlearned' that the project does not declare" in told
        log = (project / ".tidemill" / "supervisor.log").read_text()
        assert "supervisor.triggers ended with exit code 5 (1 in a row); again in 2 s" in log
        assert not record.ports.target.start()  # it lives
    finally:
        record.ports.target.stop()
