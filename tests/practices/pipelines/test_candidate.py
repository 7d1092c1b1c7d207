"""Candidates: models that a pipeline registers with the seal of its run."""

import json
import subprocess

import pytest

from tidemill.core.errors import UsageError
from tidemill.core.facts import KeyIs
from tidemill.core.query import Query, Where
from tidemill.core.ref import Version
from tidemill.core.run import Run
from tidemill.lineage.journal import verify_journal
from tidemill.lineage.refs import resolve
from tidemill.practices.versioning.registry import load_model

TRAINING = """
import numpy as np
import polars as pl
from tidemill.core.task import Task
from tidemill.practices.pipelines.candidate import candidate
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.signatures import infer_signature

@step
def rows(n: int) -> pl.DataFrame:
    x = np.random.default_rng(1).normal(size=n)
    return pl.DataFrame({"x": x, "y": np.round(x) * 2})

@step
def train(frame: pl.DataFrame, trees: int = 5) -> Model:
    import lightgbm
    made = lightgbm.train(
        {"objective": "regression", "verbose": -1, "num_threads": 1, "deterministic": True},
        lightgbm.Dataset(frame["x"].to_numpy().reshape(-1, 1), frame["y"].to_numpy()), trees,
    )
    signature = infer_signature(frame.select("x"))
    return Model(made, signature=signature, task=Task(kind="regression", label="y"))

@step
def worst(model: Model, frame: pl.DataFrame) -> float:
    (found,) = model.predict(frame.select("x")).values()
    return float(np.abs(found - frame["y"].to_numpy()).max())

@pipeline
def flow(trees: int = 5):
    frame = rows(200)
    model = train(frame, trees=trees)
    candidate("delay", model, report=worst(model, frame), sample=frame)

@pipeline
def wrong():
    candidate("delay", 5)
"""


def test_a_model_is_registered_once_for_equal_work(mill) -> None:
    mill.write(TRAINING)
    first = mill.run()
    assert first.versions == ("model:delay@1",)
    again = mill.run()
    assert (again.is_reused, again.versions) == (True, ("model:delay@1",))
    assert mill.run(params={"trees": "7"}).versions == ("model:delay@2",)
    version = resolve(mill.record, "model:delay@1")
    assert version.run == first.run
    (train,) = [line.run for line in first.steps if line.name == "train"]
    used = mill.record.ports.ledger.edges([first.run], "up", 1)
    assert (version.artifact, train) in {(edge.artifact, edge.source) for edge in used}
    assert load_model(mill.record, "model:delay@2").task.kind == "regression"


@pytest.mark.parametrize("attempt", range(3))
def test_two_equal_runs_at_once_register_one_version(mill, attempt) -> None:
    mill.write(TRAINING)
    command = mill.command(params={"trees": str(5 + attempt)})
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outs
    results = [json.loads(out) for out, _ in outs]
    assert {result["status"] for result in results} == {"done"}
    assert [result["versions"] for result in results] == [["model:delay@1"]] * 2
    assert len({result["run"] for result in results}) == 1
    assert [result["is_reused"] for result in results].count(True) == 1
    assert len(mill.record.ports.ledger.find(Query(Version))) == 1
    assert verify_journal(mill.record).problems == ()
    open_runs = Query(Run, where=(Where("status", "=", "running"),))
    assert mill.record.ports.ledger.find(open_runs) == []


def test_who_finds_the_key_taken_at_its_seal_adopts_that_run(mill, monkeypatch) -> None:
    """Another run seals between our look at the key and our seal."""
    mill.write(TRAINING)
    ledger = mill.record.ports.ledger
    commit, others = ledger.commit, []

    def commit_after_another_run(batch):
        keys = [c.key for c in batch.conditions if isinstance(c, KeyIs)]
        if not others and any(key.startswith("memo:pipeline:") for key in keys):
            others.append(None)  # the other run commits too
            others.append(mill.run())
        return commit(batch)

    monkeypatch.setattr(ledger, "commit", commit_after_another_run)
    ours = mill.run()
    other = others[1]
    assert not other.is_reused
    assert (ours.run, ours.versions) == (other.run, other.versions)
    assert ours.is_reused
    assert "unchanged, same as run:" in str(ours)
    assert ours.versions == ("model:delay@1",)


def test_a_candidate_must_be_what_a_step_returned(mill) -> None:
    mill.write(TRAINING)
    with pytest.raises(UsageError, match="model of candidate 'delay' is a int"):
        mill.run("wrong")
