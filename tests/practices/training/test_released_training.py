"""A trigger that names a release: trained, gated, promoted and deployed by what was released."""

import json

import pytest

from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.lineage.refs import resolve

FLOW = """
from datetime import date

import lightgbm
import numpy as np
import polars as pl

import tidemill as tm


@tm.step
def rows(until: date) -> pl.DataFrame:
    random = np.random.default_rng(until.month)
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
def delay(until: date) -> None:
    table = rows(until)
    model = train(table)
    tm.candidate("delay", model, report=tm.evaluate(model, table), sample=table)
"""
RULES = """
[gates]
min_auc = 0.45
max_latency_ms = 1000
max_batch_latency_ms = 5000
max_calibration_error = 0.5

[[trigger]]
name = "monthly"
kind = "schedule"
every = "month"
pipeline = "delay@prod"
model = "delay"
params = { until = "{window.start}" }
promote_first = true
deploy = true
"""


@pytest.fixture
def mill(project, record, tidemill):
    (project / "flow.py").write_text(FLOW)
    (project / "test_flow.py").write_text("def test_nothing():\n    pass\n")
    file = project / "tidemill.toml"
    plain = file.read_text()
    file.write_text(plain + RULES.replace("delay@prod", "delay"))
    assert tidemill("release", "delay").returncode == 0
    file.write_text(plain + RULES)
    assert tidemill("release", "delay").returncode == 0
    for number in (1, 2):
        assert tidemill("promote", f"pipeline:delay@{number}", "prod", "--because", "x").stdout
    yield project
    record.ports.target.stop()


def test_it_trains_promotes_and_deploys_whatever_lies_in_the_folder(mill, tidemill, record) -> None:
    tidemill("trigger", "tick", "--at", "2013-04-01")
    (mill / "flow.py").write_text("this is no Python")
    file = mill / "tidemill.toml"
    file.write_text(file.read_text().replace("min_auc = 0.45", "min_auc = 0.99"))
    done = tidemill("trigger", "tick", "--at", "2013-05-01", "--json")
    assert done.returncode == 0, done.stderr
    (decision,) = json.loads(done.stdout)["decisions"]
    assert (decision["promoted"], decision["deployed"]) == (True, True), decision
    assert decision["ran"] == "pipeline:delay@2"
    assert resolve(record, "model:delay@champion").number == 1
    assert record.ports.target.status("delay").state == "ready"
    (training,) = record.ports.ledger.find(Query(Run, where=(Where("kind", "=", "retraining"),)))
    release = resolve(record, "pipeline:delay@2")
    used = {edge.artifact for edge in record.ports.ledger.edges([training.id], "up", 1)}
    assert release.artifact in used
    assert str(training.actor) == "trigger:monthly"
    assert "pipeline:delay@2" in tidemill("why", "model:delay@1").stdout
