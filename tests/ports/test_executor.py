"""The executor port: every adapter keeps these promises."""

import os
import sys
import time
from pathlib import Path

import pytest

from tidemill.adapters.local.executor.local_executor import LocalExecutor
from tidemill.adapters.local.object_store import LocalObjectStore
from tidemill.adapters.local.workspace import LocalWorkspace
from tidemill.app.step_worker import worker_command
from tidemill.ports.executor import StepOrder
from tidemill.practices.pipelines import codecs
from tidemill.practices.pipelines.code_identity import identity_of_sources

STEPS = """
import os, random, signal, subprocess, sys, time

def double(x):
    return x * 2

def fails(x):
    print("about to fail")
    raise ValueError(f"bad {x}")

def odd_error():
    class Odd(Exception):
        def __init__(self, a, b): self.lock = open(os.devnull)
        def __str__(self): raise RuntimeError("no message")
    raise Odd(1, 2)

def leaves(status):
    sys.exit(status)

def vanishes(status):
    os._exit(status)

def dies():
    os.kill(os.getpid(), signal.SIGKILL)

def crashes():
    import ctypes
    ctypes.string_at(0)

def forks_and_sleeps(note, seconds):
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
    with open(note, "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    time.sleep(seconds)

def sleeps_with_output_open(note):
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
    with open(note, "w") as file:
        file.write(str(pid))
    os._exit(1)

def notes(path, text):
    with open(path, "a") as file:
        file.write(text)
    return text

def says(lines):
    for number in range(lines):
        print("line", number)
    sys.stderr.write("the end")

def odd():
    return lambda: 1

def draws():
    import numpy
    return [random.random(), float(numpy.random.random()), hash("tide")]

def threads():
    return [os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"]]

def changes(rows):
    rows.append(4)
    return len(rows)
"""


class Place:
    """One executor over a project of steps, and what its tests need to drive it."""

    def __init__(self, folder: Path, executor: LocalExecutor) -> None:
        self.executor, self.objects = executor, LocalObjectStore(folder / "objects")
        self.code = identity_of_sources(folder, LocalWorkspace(folder).sources())
        self.sent = 0

    def submit(
        self, name: str, *, outputs=("result",), timeout_s=60.0, threads=1, code="", **arguments
    ):
        self.sent += 1
        order = StepOrder(
            order=f"order-{self.sent}", module="steps", qualname=name, project="here",
            arguments=arguments, outputs=outputs, seed=7, threads=threads, timeout_s=timeout_s,
            code=code or self.code,
        )  # fmt: skip
        self.executor.submit(order)
        return order.order

    def outcomes(self, orders, within_s=30.0):
        wanted, found = set(orders), {}
        deadline = time.monotonic() + within_s
        while wanted - set(found) and time.monotonic() < deadline:
            found |= {one.order: one for one in self.executor.poll(0.2)}
        assert set(found) == wanted
        return [found[order] for order in orders]

    def result(self, name, **arguments):
        (outcome,) = self.outcomes([self.submit(name, **arguments)])
        assert outcome.state == "done", outcome
        return codecs.load(self.objects, outcome.values[0])


@pytest.fixture(params=["local"])
def place(tmp_path: Path):
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "objects").mkdir()
    executor = LocalExecutor(
        worker_command(tmp_path, tmp_path, tmp_path / "objects"), workers=2, folder=tmp_path
    )
    yield Place(tmp_path, executor)
    executor.close()


def read_when_there(path: Path) -> str:
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return path.read_text()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] not in "ZX"


def test_the_result_of_a_step_is_a_stored_value(place) -> None:
    assert place.result("double", x=21) == 42
    assert place.result("double", x={"$tuple": [1, 2]}) == (1, 2, 1, 2)


def test_a_failed_step_names_the_error_the_line_and_what_it_printed(place) -> None:
    (outcome,) = place.outcomes([place.submit("fails", x=3)])
    assert (outcome.state, outcome.error, outcome.where) == (
        "failed",
        "ValueError: bad 3",
        "steps.py:9",
    )
    assert outcome.output == "about to fail\n"


@pytest.mark.parametrize(
    ("name", "arguments", "state", "error"),
    [
        ("odd_error", {}, "failed", "Odd: (its message cannot be printed: RuntimeError)"),
        ("leaves", {"status": 3}, "failed", "it called sys.exit(3); a step returns or raises"),
        ("vanishes", {"status": 3}, "lost", "its worker process ended by itself with status 3"),
        ("dies", {}, "lost", "its worker process was killed by SIGKILL"),
        ("crashes", {}, "lost", "its worker process was killed by SIGSEGV"),
        ("no_such_step", {}, "failed", "module 'steps' has no attribute 'no_such_step'"),
        ("odd", {}, "failed", "which has no spelling"),
    ],
)
def test_every_way_to_end_badly_has_an_outcome(place, name, arguments, state, error) -> None:
    (outcome,) = place.outcomes([place.submit(name, **arguments)])
    assert outcome.state == state
    assert error in outcome.error


def test_a_result_that_cannot_be_stored_names_the_step_and_what_can(place) -> None:
    (outcome,) = place.outcomes([place.submit("odd")])
    assert "step odd" in outcome.error
    assert "Model" in outcome.fix


def test_a_worker_that_dies_costs_its_own_order_only(place, tmp_path) -> None:
    note = tmp_path / "note"
    orders = []
    for number in range(60):
        orders.append(place.submit("notes", path=str(note), text=f"{number},"))
        if number == 20:
            orders.append(place.submit("dies"))
    outcomes = place.outcomes(orders)
    assert [one.state for one in outcomes].count("done") == 60
    assert outcomes[21].state == "lost"
    assert sorted(note.read_text().split(","))[1:] == sorted(map(str, range(60)))


@pytest.mark.parametrize("how", ["timeout", "cancelled"])
def test_timeout_and_cancel_end_the_whole_process_tree(place, tmp_path, how) -> None:
    note = tmp_path / "note"
    timeout = 1.0 if how == "timeout" else 60.0
    order = place.submit("forks_and_sleeps", note=str(note), seconds=60, timeout_s=timeout)
    pids = [int(pid) for pid in read_when_there(note).split()]
    assert len(pids) == 2
    if how == "cancelled":
        place.executor.cancel(order)
    (outcome,) = place.outcomes([order], within_s=10)
    assert outcome.state == how
    assert not any(lives(pid) for pid in pids)
    assert place.result("double", x=1) == 2


def test_a_child_that_holds_on_does_not_hide_the_death_of_its_worker(place, tmp_path) -> None:
    note = tmp_path / "note"
    (outcome,) = place.outcomes([place.submit("sleeps_with_output_open", note=str(note))], 10)
    assert outcome.state == "lost"
    assert not lives(int(note.read_text()))


def test_an_order_that_waits_can_be_cancelled_and_never_runs(place, tmp_path) -> None:
    busy = [
        place.submit("forks_and_sleeps", note=str(tmp_path / f"busy{i}"), seconds=60)
        for i in range(2)
    ]
    for i in range(2):
        read_when_there(tmp_path / f"busy{i}")
    waiting = place.submit("notes", path=str(tmp_path / "ran"), text="x")
    place.executor.cancel(waiting)
    assert place.outcomes([waiting])[0].state == "cancelled"
    for order in busy:
        place.executor.cancel(order)
    assert {one.state for one in place.outcomes(busy)} == {"cancelled"}
    assert not (tmp_path / "ran").exists()


def test_a_thousand_orders_come_back_right(place) -> None:
    orders = [place.submit("double", x=x) for x in range(1000)]
    outcomes = place.outcomes(orders)
    values = [codecs.load(place.objects, one.values[0]) for one in outcomes]
    assert values == [2 * x for x in range(1000)]


def test_other_code_than_planned_is_refused(place) -> None:
    (outcome,) = place.outcomes([place.submit("double", x=1, code="b3:" + "0" * 64)])
    assert outcome.state == "failed"
    assert "code changed after this step was planned" in outcome.error


def test_the_end_of_what_a_step_prints_is_kept_whatever_it_prints(place) -> None:
    (outcome,) = place.outcomes([place.submit("says", lines=100_000)])
    assert outcome.state == "done"
    assert outcome.output.endswith("line 99999\nthe end")
    assert len(outcome.output) <= 16 * 1024


def test_lines_are_streamed_with_their_order(place) -> None:
    order = place.submit("says", lines=3)
    place.outcomes([order])
    assert place.executor.lines() == [(order, "line 0"), (order, "line 1"), (order, "line 2")]


def test_random_numbers_and_hashes_are_the_same_in_every_worker(place) -> None:
    first = place.result("draws")
    assert place.result("draws") == first
    place.outcomes([place.submit("dies"), place.submit("dies")])
    assert place.result("draws") == first


def test_threads_are_pinned_as_ordered(place) -> None:
    assert place.result("threads", threads=3) == ["3", "3"]
    assert place.result("threads", threads=1) == ["1", "1"]


def test_an_argument_that_a_step_changes_is_fresh_for_the_next(place) -> None:
    assert [place.result("changes", rows=[1, 2, 3]) for _ in range(3)] == [4, 4, 4]


def test_a_tuple_of_other_length_than_declared_is_an_error(place) -> None:
    (outcome,) = place.outcomes([place.submit("double", outputs=("a", "b"), x=1)])
    assert "declares a tuple of 2 and returned int" in outcome.error


def test_closing_leaves_no_process(place, tmp_path) -> None:
    place.submit("forks_and_sleeps", note=str(tmp_path / "note"), seconds=60)
    pids = [int(pid) for pid in read_when_there(tmp_path / "note").split()]
    place.executor.close()
    assert not any(lives(pid) for pid in pids)


def test_a_command_that_cannot_start_a_worker_is_a_lost_order(tmp_path) -> None:
    executor = LocalExecutor((sys.executable, "-c", "import no_such_module"), folder=tmp_path)
    executor.submit(
        StepOrder(order="1", module="m", qualname="q", project="p", arguments={}, outputs=("r",),
                  seed=0, threads=1, timeout_s=9.0, code="")
    )  # fmt: skip
    deadline = time.monotonic() + 20
    outcomes = []
    while not outcomes and time.monotonic() < deadline:
        outcomes = executor.poll(0.2)
    executor.close()
    assert outcomes[0].state == "lost"
    assert "no_such_module" in outcomes[0].output
