"""Processes that die, and processes that run the same pipeline at the same time."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.lineage.journal import verify_journal

SLOW = """
import time
from pathlib import Path

@step
def slow(n: int) -> int:
    with open(Path(__file__).parent / "bodies", "a") as file:
        file.write(f"{n}\\n")
    time.sleep(0.05)
    return n

@step
def total(parts: list) -> int:
    return sum(parts)

@pipeline
def flow(n: int = 40):
    total([slow(i) for i in range(n)])
"""


def start(mill, **params) -> subprocess.Popen:
    return subprocess.Popen(
        mill.command("flow", params), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(holds, within_s=20.0):
    deadline = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def answer(process: subprocess.Popen):
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return json.loads(out)


def finished(mill) -> set[str]:
    query = Query(Run, where=(Where("kind", "=", "step"), Where("status", "=", "done")))
    return {str(run.params["n"]) for run in mill.record.ports.ledger.find(query) if run.params}


def workers_of(folder: Path) -> list[str]:
    """Return command lines of living step workers of a project."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().decode().replace("\0", " ")
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if "step_worker" in command and str(folder) in command and state not in "ZX":
            found.append(command)
    return found


def test_after_a_kill_nothing_that_had_finished_is_computed_again(mill) -> None:
    mill.write(SLOW)
    process = start(mill)
    until(lambda: len(finished(mill)) >= 8)
    process.kill()
    process.communicate()
    kept = finished(mill)
    assert kept
    assert len(kept) < 40
    if Path("/proc").exists():
        until(lambda: not workers_of(mill.folder))
    before = mill.bodies
    result = mill.run_elsewhere()
    assert [step["state"] for step in result["steps"]].count("reused") >= len(kept)
    again = mill.bodies[len(before) :]
    assert not kept & set(again)
    assert set(before) | set(again) == {str(n) for n in range(40)}
    lost = Query(Run, where=(Where("kind", "=", "pipeline"), Where("status", "=", "lost")))
    assert len(mill.record.ports.ledger.find(lost)) == 1
    assert verify_journal(mill.record).problems == ()
    assert mill.run_elsewhere()["is_reused"]


def test_two_processes_share_the_steps_and_no_body_runs_twice(mill) -> None:
    mill.write(SLOW)
    results = [answer(process) for process in [start(mill), start(mill), start(mill)]]
    assert {result["status"] for result in results} == {"done"}
    assert sorted(mill.bodies, key=int) == [str(n) for n in range(40)]
    counts = [[step["state"] for step in result["steps"]].count("done") for result in results]
    assert sum(counts) == 41
    assert verify_journal(mill.record).problems == ()


def test_a_process_that_dies_hands_its_steps_to_the_one_that_waits(mill) -> None:
    mill.write(SLOW.replace("time.sleep(0.05)", "time.sleep(0.3)"))
    first = start(mill, n="6")
    until(lambda: mill.bodies)
    second = start(mill, n="6")
    time.sleep(0.4)
    first.kill()
    first.communicate()
    assert answer(second)["status"] == "done"
    assert len(mill.bodies) <= 6 + 2 * 4  # what the first had claimed


@pytest.mark.parametrize("times", [1])
def test_ctrl_c_keeps_what_has_finished_and_leaves_no_process(mill, times) -> None:
    mill.write(SLOW)
    process = start(mill)
    until(lambda: len(finished(mill)) >= 4)
    os.kill(process.pid, signal.SIGINT)
    told = answer(process)
    assert told["error"] == "TM800"
    assert "that had finished are kept" in told["what"]
    if Path("/proc").exists():
        assert not workers_of(mill.folder)
    (run,) = mill.record.ports.ledger.find(Query(Run, where=(Where("kind", "=", "pipeline"),)))
    assert run.status == "cancelled"
    kept = finished(mill)
    before = len(mill.bodies)
    mill.run_elsewhere()
    assert not kept & set(mill.bodies[before:])
