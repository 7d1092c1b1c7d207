"""Champion against challenger on a data version, where nothing was ever deployed."""

import numpy as np
import polars as pl
import pytest

from tidemill.core.check import Finding, Verdict
from tidemill.core.errors import InvalidInputError, NotAllowedError, UsageError
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.refs import resolve
from tidemill.lineage.writing import opened
from tidemill.practices.monitoring.judging import judging_of
from tidemill.practices.monitoring.report import read_report
from tidemill.practices.pipelines.operations import run_pipeline
from tidemill.practices.training.operations import compare_models, fire_trigger, list_triggers
from tidemill.practices.validation.operations import add_data
from tidemill.practices.versioning.evidence import evidence_of
from tidemill.practices.versioning.operations import promote

PROJECT = """
import lightgbm
import numpy as np
import polars as pl

import tidemill as tm

TASK = tm.Task(kind="regression", label="sales", loss="dear")


@tm.loss
def dear(rows: pl.DataFrame) -> pl.Series:
    return (rows["label"] - rows["prediction"]).abs() * 2


@tm.metric(higher_is_better=True)
def within_one(rows: pl.DataFrame) -> float:
    return float(((rows["label"] - rows["prediction"]).abs() < 1).mean())


@tm.step
def train(table: pl.DataFrame, trees: int) -> tm.Model:
    signature = tm.infer_signature(table.select("x", "z"), row_key="")
    settings = {"objective": "regression", "num_leaves": 4, "verbosity": -1, "num_threads": 1}
    matrix = tm.matrix(signature, table)
    data = lightgbm.Dataset(matrix, table["sales"].to_numpy(), weight=table["w"].to_numpy())
    return tm.Model(lightgbm.train(settings, data, trees), signature=signature, task=TASK)


@tm.pipeline
def learn(trees: int = 2) -> None:
    table = tm.data("orders")
    model = train(table, trees)
    report = tm.evaluate(
        model, table, weight="w", group="store", loss=dear, metrics=within_one, slices=("kind",)
    )
    tm.candidate("sales", model, report=report, sample=table)
"""


def orders(seed: int, rows: int = 1500, stores: int = 60) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x, z, store = rng.normal(size=rows), rng.normal(size=rows), rng.integers(0, stores, rows)
    level = rng.normal(size=stores)[store]
    return pl.DataFrame(
        {"x": x, "z": z, "store": store, "w": rng.exponential(size=rows) + 0.1,
         "kind": rng.choice(["a", "b"], rows), "sales": 3 * x + z + level}
    )  # fmt: skip


def pass_gates(record, version) -> None:
    finding = Finding(rule="r", state="pass", what="said")
    verdict = Verdict(
        check="gates", subjects=(version.artifact,), state="pass", findings=(finding,),
        at=record.now(),
    )  # fmt: skip
    summary = {"check": "gates", "state": "pass", "subject": version.artifact}
    with opened(record, kind="check", name="gates") as run:
        run.used(version.artifact)
        run.made(put_value(record, "verdict", verdict, summary=summary))


def added(record, project_folder, name: str, frame: pl.DataFrame):
    path = project_folder / f"{name}.parquet"
    frame.write_parquet(path)
    add_data(record, name, str(path))
    return resolve(record, f"data:{name}")


RULE = """
[gates]
min_r2 = -10
max_latency_ms = 1000
max_batch_latency_ms = 5000

[[trigger]]
name = "better"
kind = "manual"
pipeline = "learn"
model = "sales"
params = { trees = 80 }
"""


def test_a_trigger_compares_a_model_without_times_on_the_newest_held_out_rows(
    record, project_folder
) -> None:
    (project_folder / "learning.py").write_text(PROJECT)
    (project_folder / "test_learning.py").write_text("def test_nothing():\n    pass\n")
    added(record, project_folder, "orders", orders(0))
    run_pipeline(record, "learn", params={"trees": "2"})
    first = resolve(record, "model:sales@1")
    pass_gates(record, first)
    promote(record, str(first), "champion", because="the first")
    file = project_folder / "tidemill.toml"
    bare = file.read_text()
    file.write_text(bare + RULE)
    (state,) = list_triggers(record).triggers
    assert 'compare = "data:NAME"' in state.notes[0]
    refused = fire_trigger(record, "better", because="try")
    assert "not comparable" in refused.outcome
    assert "note: the evaluation of model:sales has no time" in str(refused)
    file.write_text(bare + RULE + 'compare = "data:holdout"\n')
    added(record, project_folder, "holdout", orders(1, rows=300))
    held_out = added(record, project_folder, "holdout", orders(2))
    (state,) = list_triggers(record).triggers
    assert not state.notes
    done = fire_trigger(record, "better", because="now with rows")
    assert done.promoted, str(done)
    assert (done.window, done.champion) == (str(held_out), "model:sales@1")
    assert f"in {held_out}" in done.outcome
    assert resolve(record, "model:sales@champion") == resolve(record, done.candidate)
    seen = RULE.replace("80", "81") + 'compare = "data:orders"\n'
    file.write_text(bare + seen)
    assert "has learned from rows of" in fire_trigger(record, "better", because="x").outcome


@pytest.fixture
def trained(record, project_folder):
    """Two versions on data that the record knows, the second far better, its gates passed."""
    (project_folder / "learning.py").write_text(PROJECT)
    (project_folder / "test_learning.py").write_text("def test_nothing():\n    pass\n")
    added(record, project_folder, "orders", orders(0))
    for trees in (2, 80):
        made = run_pipeline(record, "learn", params={"trees": str(trees)})
        assert made.status == "done", str(made)
    better = resolve(record, "model:sales@2")
    pass_gates(record, better)
    return resolve(record, "model:sales@1"), better


def test_a_better_challenger_wins_on_rows_that_neither_has_seen(record, project_folder, trained):
    old, new = trained
    held_out = added(record, project_folder, "holdout", orders(1))
    found = compare_models(record, str(new), str(old), data="data:holdout")
    assert found.is_better, str(found)
    assert found.window == str(held_out)
    assert (found.confidence, found.rows) == (0.95, 1500)
    better = found.findings[0]
    assert better.what.startswith("dear ")  # the loss of the task decides
    assert "weighted by w; rows of one store hang together" in better.what
    rules = {finding.rule: finding.state for finding in found.findings}
    assert rules["unseen by model:sales@2"] == rules["unseen by model:sales@1"] == "pass"
    assert rules["slices"] == "pass"
    again = compare_models(record, str(new), str(old), data="data:holdout")
    assert again.is_unchanged
    back = compare_models(record, str(new), str(old), data="data:holdout", group="kind")
    assert not back.is_better  # two groups are too few to know anything
    assert back.findings[0].state == "not_run"
    assert back.confidence == 0.975  # another question is another look


def test_rows_that_a_model_was_made_from_are_refused(record, project_folder, trained):
    old, new = trained
    with pytest.raises(NotAllowedError, match=r"made from data:orders@1"):
        compare_models(record, str(new), str(old), data="data:orders")
    added(record, project_folder, "holdout", orders(0).head(900).vstack(orders(1).head(300)))
    with pytest.raises(NotAllowedError, match=r"900 of them are in data:orders@1"):
        compare_models(record, str(new), str(old), data="data:holdout")
    added(record, project_folder, "holdout", orders(0).head(100).vstack(orders(1)))
    found = compare_models(record, str(new), str(old), data="data:holdout")
    told = {finding.rule: finding for finding in found.findings}["unseen by model:sales@2"]
    assert told.state == "warn"
    assert "100 of 1,600 rows are equal" in told.what


def test_what_is_asked_wrongly_is_told(record, project_folder, trained):
    old, new = trained
    added(record, project_folder, "holdout", orders(1))
    with pytest.raises(UsageError, match="one of them"):
        compare_models(record, str(new), str(old))
    with pytest.raises(UsageError, match="one of them"):
        compare_models(record, str(new), str(old), data="data:holdout", window="2013-04")
    with pytest.raises(UsageError, match="as they did in the challenger's evaluation"):
        compare_models(record, str(new), str(old), window="2013-04", group="store")
    with pytest.raises(InvalidInputError, match="did you mean 'store'"):
        compare_models(record, str(new), str(old), data="data:holdout", group="stores")
    bare = added(record, project_folder, "bare", orders(1).drop("sales"))
    with pytest.raises(InvalidInputError, match=r"no column 'sales' \(label\)"):
        compare_models(record, str(new), str(old), data=str(bare))


def test_functions_of_ones_own_come_from_the_code_that_made_the_model(
    record, project_folder, trained
):
    _, new = trained
    file = project_folder / "learning.py"
    file.write_text(PROJECT.replace(".abs() * 2", ".abs() * 1000").replace("< 1)", "< 0)"))
    report = read_report(record, evidence_of(record, new).report)
    assert (report.weight, report.group, report.loss) == ("w", "store", "dear")
    judging = judging_of(record, report.task, report, new)
    rows = pl.DataFrame({"label": [1.0, 3.0], "prediction": [1.5, 5.0]})
    assert judging.loss.row_values(rows).tolist() == [1.0, 4.0]
    (own,) = judging.metrics
    assert own.value(rows) == 0.5
    assert judging.notes == ()
    unknown = judging_of(record, report.task, report, None)
    assert any("loss dear is the project's of now" in note for note in unknown.notes)
