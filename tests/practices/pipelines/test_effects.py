"""Operations in a pipeline: ordered steps after its candidates are registered, never memoized."""

import json

import pytest

from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.lineage.refs import resolve

FLOW = """
import lightgbm
import numpy as np
import polars as pl

import tidemill as tm


@tm.step
def rows() -> pl.DataFrame:
    random = np.random.default_rng(1)
    x = random.normal(size=1500)
    late = (x + random.normal(size=1500) > 0).astype(np.int64)
    return pl.DataFrame({"x": x, "late": late})


@tm.step
def train(table: pl.DataFrame) -> tm.Model:
    signature = tm.infer_signature(table.select("x"))
    settings = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1}
    data = lightgbm.Dataset(table.select("x").to_numpy(), table["late"].to_numpy())
    task = tm.Task(kind="binary", label="late")
    return tm.Model(lightgbm.train(settings, data, 10), signature=signature, task=task)


@tm.pipeline
def delay() -> None:
    table = rows()
    model = train(table)
    made = tm.candidate("delay", model, report=tm.evaluate(model, table), sample=table)
    tm.check(made, only=("model",))
    tm.promote(made, "champion", because="the gates say yes")
    tm.deploy(made, because="from the pipeline")
"""
GATES = """
[gates]
max_latency_ms = 1000
max_batch_latency_ms = 5000
max_calibration_error = 0.5
"""


@pytest.fixture
def mill(project, record):
    (project / "flow.py").write_text(FLOW)
    file = project / "tidemill.toml"
    file.write_text(file.read_text() + GATES + "min_auc = 0.45\n")
    yield project
    record.ports.target.stop()


def steps(run: dict) -> dict[str, str]:
    return {line["name"]: line["state"] for line in run["steps"]}


def operations(record) -> list[Run]:
    found = record.ports.ledger.find(Query(Run, where=(Where("kind", "=", "operation"),)))
    return sorted(found, key=lambda run: run.id)


def test_one_pipeline_trains_checks_promotes_and_deploys(mill, tidemill, record) -> None:
    planned = json.loads(tidemill("run", "delay", "--plan", "--json").stdout)
    assert [line["name"] for line in planned["steps"]][-3:] == ["check", "promote", "deploy"]
    assert operations(record) == [], "a plan does nothing"

    done = tidemill("run", "delay", "--json")
    assert done.returncode == 0, done.stderr
    ran = json.loads(done.stdout)
    assert steps(ran) | {"rows": "done", "train": "done", "deploy": "done"} == steps(ran)
    assert resolve(record, "model:delay@champion").number == 1
    assert record.ports.target.status("delay").state == "ready"
    found = operations(record)
    assert [run.name for run in found] == ["check", "promote", "deploy"]
    assert {run.parent for run in found} == {ran["run"]}
    assert {str(run.actor) for run in found} == {"ada"}
    used = record.ports.ledger.edges([found[2].id], "up", 1)
    assert resolve(record, "model:delay@1").artifact in {edge.artifact for edge in used}

    deployed = resolve(record, "deployment:delay").number
    again = json.loads(tidemill("run", "delay", "--json").stdout)
    assert steps(again)["deploy"] == "done", "an effect is never memoized"
    assert resolve(record, "deployment:delay").number == deployed, "and changes nothing twice"


def test_a_check_that_fails_ends_what_comes_after_it(mill, tidemill, record) -> None:
    file = mill / "tidemill.toml"
    file.write_text(file.read_text().replace("min_auc = 0.45", "min_auc = 0.99"))
    done = tidemill("run", "delay")
    assert done.returncode == 3, done.stderr
    assert "check: it said no" in done.stderr
    assert "registered are kept" in done.stderr
    assert resolve(record, "model:delay").number == 1
    assert [(run.name, run.status) for run in operations(record)] == [("check", "failed")]


def test_the_role_of_the_actor_is_asked_for_each(mill, tidemill, record) -> None:
    tidemill("role", "set", "bob", "contributor", "--because", "new")
    done = tidemill("run", "delay", TIDEMILL_ACTOR="bob")
    assert done.returncode == 7, done.stderr
    assert "needs a maintainer" in done.stderr
    assert [run.status for run in operations(record)] == ["done", "failed"]


def test_an_answer_that_is_not_there_yet_cannot_be_asked(mill, tidemill) -> None:
    (mill / "flow.py").write_text(
        FLOW.replace("    tm.check(made", "    if tm.check(made").replace(
            'only=("model",))\n    tm.promote', 'only=("model",)):\n        tm.promote'
        )
    )
    done = tidemill("run", "delay")
    assert done.returncode == 2, done.stderr
    assert "check is done after the pipeline's candidates are registered" in done.stderr
