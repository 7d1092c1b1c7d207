"""Sweeps: one run a point, ranked by a figure, gone on with, killed, several at once."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill.core.errors import CancelledError, MissingExtraError, UsageError
from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.lineage.journal import verify_journal
from tidemill.lineage.operations import listing, show, why
from tidemill.lineage.record import Tell
from tidemill.practices.pipelines.operations import sweep
from tidemill.practices.pipelines.sweep_optuna import optuna

FLOW = """
import time
from pathlib import Path

def note(text):
    with open(Path(__file__).parent / "bodies", "a") as file:
        file.write(f"{text}\\n")

@step
def base(n: int) -> list:
    note("base")
    return list(range(n))

@step
def fit(rows: list, trees: int, depth: int) -> float:
    note(f"{trees}/{depth}")
    time.sleep(0.02)
    if depth == 13:
        raise ValueError("unlucky")
    score = 1 - abs(trees - 100) / 1000 - abs(depth - 6) / 100
    tidemill.figure("auc", score)
    tidemill.figure("waste", float(trees))
    if trees != 7:
        tidemill.figure("rare", score)
    return score

@pipeline
def flow(n: int = 3, trees: int = 10, depth: int = 4):
    fit(base(n), trees, depth)
"""
GRID = ("trees=50,100,200", "depth=4,8")


def runs(record, kind) -> list[Run]:
    return record.ports.ledger.find(Query(Run, where=(Where("kind", "=", kind),)))


@pytest.fixture
def flow(mill):
    mill.write(FLOW)
    return mill


def test_every_point_is_a_child_run_and_the_best_is_told_with_what_it_is_worth(flow) -> None:
    found = sweep(flow.record, "flow", grid=GRID, by="auc", params={"n": "2"}, because="to see")
    assert [point.rank for point in found.points] == [1, 2, 3, 4, 5, 6]
    assert found.best.params == {"trees": 100, "depth": 4}
    assert found.best.figure == pytest.approx(0.98)
    (parent,) = runs(flow.record, "sweep")
    children = runs(flow.record, "pipeline")
    assert {run.parent for run in children} == {parent.id} == {found.run}
    assert {run.id for run in children} == {point.run for point in found.points}
    assert all(run.params["n"] == 2 and run.because == "to see" for run in children)
    assert len({run.at for run in children}) == 1
    assert "the best of 6 points looks better than it is" in str(found)
    assert flow.bodies.count("base") == 1
    shown = str(show(flow.record, f"run:{found.run}"))
    assert "best: depth=4 trees=100, auc 0.98" in shown
    assert [item.name for item in listing(flow.record, "sweep").items] == ["sweep:flow@1"]
    assert "point 6" in str(why(flow.record, "sweep:flow"))
    assert verify_journal(flow.record).problems == ()


def test_a_sweep_given_again_computes_nothing_and_says_so(flow) -> None:
    first = sweep(flow.record, "flow", grid=GRID, by="auc")
    before = flow.bodies
    again = sweep(flow.record, "flow", grid=GRID, by="auc")
    assert flow.bodies == before
    assert again.reused == 6
    assert again.points == first.points
    assert len(runs(flow.record, "pipeline")) == 6
    assert listing(flow.record, "sweep").items[0].name == "sweep:flow@1"


def test_a_point_that_fails_costs_that_point(flow) -> None:
    found = sweep(flow.record, "flow", grid=("depth=4,13,8",), by="auc")
    assert [point.params["depth"] for point in found.points] == [4, 8, 13]
    assert "unlucky" in found.points[2].error
    assert found.points[2].rank == 0
    assert "1 without a figure" in str(found)


def test_where_every_point_fails_the_sweep_has_no_best_and_has_failed(flow) -> None:
    found = sweep(flow.record, "flow", grid=("depth=13",), by="auc")
    assert found.best is None
    assert runs(flow.record, "sweep")[0].status == "failed"


def test_a_figure_that_a_point_does_not_tell_costs_that_point(flow) -> None:
    found = sweep(flow.record, "flow", grid=("trees=7,100",), by="rare", maximize=True)
    assert found.ranked == 1
    assert "told no rare" in found.points[1].error


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"grid": ("leaves=3",), "by": "auc"}, "no parameter 'leaves'"),
        ({"grid": ("trees=many",), "by": "auc"}, "takes int"),
        ({"grid": GRID}, "nothing says what is best"),
        ({"grid": GRID, "by": "waste"}, "higher or a lower waste"),
        ({"grid": GRID, "by": "auc", "maximize": True, "minimize": True}, "cannot maximize and"),
        ({"grid": GRID, "by": "auc", "parallel": 0}, "0 points at once"),
        ({"points": [], "by": "auc"}, "there are no points"),
    ],
)
def test_what_cannot_be_swept_or_ranked_is_refused(flow, wish, told) -> None:
    with pytest.raises(UsageError, match=told):
        sweep(flow.record, "flow", **wish)


def test_a_figure_of_unknown_direction_is_ranked_as_asked(flow) -> None:
    found = sweep(flow.record, "flow", grid=("trees=50,100",), by="fit.waste", minimize=True)
    assert found.best.params == {"trees": 50}
    assert found.better == "lower"


def test_points_at_the_same_time_share_their_steps_and_give_the_same_table(flow) -> None:
    found = sweep(flow.record, "flow", grid=GRID, by="auc", parallel=3)
    assert [point.rank for point in found.points] == [1, 2, 3, 4, 5, 6]
    assert sorted(flow.bodies) == sorted(
        ["base", *(f"{trees}/{depth}" for trees in (50, 100, 200) for depth in (4, 8))]
    )
    one_by_one = sweep(flow.record, "flow", grid=GRID, by="auc")
    assert one_by_one.points == found.points


def test_steps_that_two_lanes_need_run_once(mill) -> None:
    mill.write(FLOW.replace("fit(base(n), trees, depth)", "fit(base(n + depth), trees, depth)"))
    sweep(mill.record, "flow", grid=("depth=4,8", "trees=50,100,200"), by="auc", parallel=3)
    assert mill.bodies.count("base") == 2


def test_a_generator_is_told_and_a_point_asked_for_twice_runs_once(flow) -> None:
    heard = []

    def climbing():
        for depth in (4, 5, 4):
            score = yield {"depth": depth}
            heard.append(score)

    found = sweep(flow.record, "flow", points=climbing(), by="auc", parallel=2)
    assert len(found.points) == 2
    assert heard == pytest.approx([0.89, 0.90, 0.89])


def test_optuna_asks_through_the_same_door_and_goes_on_where_it_was(flow) -> None:
    space = {"trees": "log:10..1000", "depth": [4, 5, 6, 8]}
    first = sweep(flow.record, "flow", points=optuna(space, trials=6, seed=3), by="auc")
    before = len(flow.bodies)
    longer = sweep(
        flow.record, "flow", points=optuna(space, trials=9, seed=3), by="auc", parallel=1
    )
    assert longer.reused == len(first.points)
    assert len(flow.bodies) - before == len(longer.points) - len(first.points)


REPORT = """
import numpy as np
import polars as pl
import tidemill as tm

class Scaled:
    def __init__(self, folder, by: float = 1.0):
        self.by = by

    def predict(self, rows: pl.DataFrame):
        return rows["x"].to_numpy() * self.by

@step
def rows(n: int) -> pl.DataFrame:
    return pl.DataFrame({"x": [float(i) for i in range(n)], "y": [2.0 * i for i in range(n)]})

@step
def train(rows: pl.DataFrame, by: float) -> tm.Model:
    made = tm.PythonModel(Scaled, config={"by": by})
    signature = tm.infer_signature(rows.select("x"))
    return tm.Model(made, signature=signature, task=tm.Task(kind="regression", label="y"))

@pipeline
def flow(n: int = 40, by: float = 1.0):
    table = rows(n)
    model = train(table, by)
    tm.candidate("scaled", model, report=tm.evaluate(model, table))
"""


def test_the_figure_that_decides_the_task_ranks_by_itself_with_its_interval(mill) -> None:
    mill.write(REPORT)
    found = sweep(mill.record, "flow", grid=("by=1.0,1.8,2.5",))
    assert {point.error for point in found.points} == {""}
    assert (found.by, found.better) == ("mean_absolute_error", "lower")
    assert [point.params["by"] for point in found.points] == [1.8, 2.5, 1.0]
    best = found.best
    assert best.low <= best.figure <= best.high
    assert best.versions == ("model:scaled@2",)
    assert "model:scaled@2" in str(why(mill.record, "sweep:flow"))


def test_without_optuna_the_error_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match="not installed") as caught:
        optuna({"trees": "1..9"}, trials=2)
    assert "tidemill[optuna]" in caught.value.fix


@pytest.mark.parametrize(
    ("space", "trials"), [({}, 3), ({"a": "1..9"}, 0), ({"a": 7}, 3), ({"a": "9..1"}, 3)]
)
def test_a_space_without_a_choice_is_refused(space, trials) -> None:
    with pytest.raises(UsageError):
        optuna(space, trials=trials)


class StopAfter(Tell):
    """Asks to stop after some calls of `check`."""

    def __init__(self, record, points: int) -> None:
        self.record, self.points = record, points

    @property
    def is_cancelled(self) -> bool:
        done = [run for run in runs(self.record, "pipeline") if run.status == "done"]
        return len(done) >= self.points


def test_a_sweep_that_is_stopped_keeps_what_had_finished(flow) -> None:
    stopping = dataclasses.replace(flow.record, tell=StopAfter(flow.record, 2))
    with pytest.raises(CancelledError, match="points that had finished are kept"):
        sweep(stopping, "flow", grid=GRID, by="auc")
    (parent,) = runs(flow.record, "sweep")
    assert parent.status == "cancelled"
    assert sweep(flow.record, "flow", grid=GRID, by="auc").reused >= 2
    assert {run.status for run in runs(flow.record, "sweep")} == {"cancelled", "done"}


SWEEP = """
import sys
from pathlib import Path
import msgspec
from tidemill.app.places import open_record
from tidemill.practices.pipelines.operations import sweep

record = open_record(Path(sys.argv[1]))
grid = ("trees=" + ",".join(map(str, range(20, 50))),)
found = sweep(record, "flow", grid=grid, by="auc", parallel=2)
print(msgspec.json.encode(found).decode())
record.ports.close()
"""


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", SWEEP, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen):
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return json.loads(out)


def finished(record) -> int:
    return sum(run.status == "done" for run in runs(record, "pipeline"))


def test_after_a_kill_a_sweep_goes_on_where_it_was(flow) -> None:
    process = start(flow.folder)
    while finished(flow.record) < 5:
        assert process.poll() is None, process.communicate()[1]
        flow.record.ports.clock.sleep(0.01)
    process.kill()
    process.communicate()
    kept = finished(flow.record)
    assert kept < 30
    found = answer(start(flow.folder))
    assert found["reused"] >= kept
    assert len(found["points"]) == 30
    assert [point["rank"] for point in found["points"]] == list(range(1, 31))
    statuses = sorted(run.status for run in runs(flow.record, "sweep"))
    assert statuses == ["done", "lost"]
    assert not [run for run in runs(flow.record, "pipeline") if run.status == "running"]
    assert verify_journal(flow.record).problems == ()


def test_two_sweeps_at_once_share_their_points(flow) -> None:
    found = [answer(process) for process in [start(flow.folder), start(flow.folder)]]
    assert found[0]["points"] == found[1]["points"]
    assert len(flow.bodies) == 31
    assert verify_journal(flow.record).problems == ()


def test_the_command_ranks_points_and_a_sweep_without_a_figure_is_a_failed_check(
    flow, tidemill
) -> None:
    done = tidemill("sweep", "flow", "--n", "4", "--grid", "trees=50,100", "--by", "auc")
    assert done.returncode == 0, done.stderr
    assert "best: trees=100, auc 0.98" in done.stdout
    done = tidemill(
        "sweep", "flow", "--random", "2", "depth=13..14", "--by", "nothing", "--minimize"
    )
    assert done.returncode == 3


def test_a_sweep_refuses_what_each_of_its_points_would_do_to_the_world(mill) -> None:
    mill.write(
        """
        import tidemill as tm

        @pipeline
        def flow(n: int = 3):
            tm.figure("loss", n)
            tm.promote("model:late", "champion", because="each point would")
        """
    )
    with pytest.raises(UsageError, match="each would promote") as raised:
        sweep(mill.record, "flow", grid=("n=1,2",), by="loss", minimize=True)
    assert "tidemill promote" in raised.value.fix
