"""The whole loop: train, deploy, be asked over HTTP, learn the labels, train again, replace."""

import json
import urllib.request
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.core.times import microseconds
from tidemill.lineage.refs import resolve
from tidemill.practices.monitoring.labels import add_labels
from tidemill.practices.training.operations import tick

APRIL, MAY, JUNE = (datetime(2013, month, 1, tzinfo=UTC) for month in (4, 5, 6))

PIPELINE = '''
from datetime import date

import lightgbm
import numpy as np
import polars as pl

import tidemill as tm

TASK = tm.Task(kind="binary", label="late")


@tm.step
def rows(until: date) -> pl.DataFrame:
    """The labels of March are half wrong; by May somebody has mended them."""
    random = np.random.default_rng(1)
    x = random.normal(size=1500)
    wrong = random.random(1500) < (0.48 if until < date(2013, 5, 1) else 0.0)
    late = ((x + random.normal(size=1500) > 0) ^ wrong).astype(np.int64)
    return pl.DataFrame({"x": x, "late": late, "flight": [str(n) for n in range(1500)],
                         "when": [0] * 1500})


@tm.step
def train(table: pl.DataFrame) -> tm.Model:
    signature = tm.infer_signature(
        table.select("x"), context=table.select("flight", "when"), time="when", row_key="flight"
    )
    settings = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1}
    data = lightgbm.Dataset(tm.matrix(signature, table), table["late"].to_numpy().astype(float))
    return tm.Model(lightgbm.train(settings, data, 10), signature=signature, task=TASK)


@tm.pipeline
def delay(until: date) -> None:
    table = rows(until)
    model = train(table)
    tm.candidate("delay", model, report=tm.evaluate(model, table), sample=table)
'''

TRIGGER = """
[gates]
min_auc = 0.45
max_latency_ms = 1000
max_batch_latency_ms = 5000
max_calibration_error = 0.5

[[trigger]]
name = "monthly"
kind = "schedule"
every = "month"
pipeline = "delay"
model = "delay"
params = { until = "{window.start}" }
promote_first = true
deploy = true
"""


@pytest.fixture
def served(record, project_folder):
    (project_folder / "delay_loop.py").write_text(PIPELINE)
    (project_folder / "test_delay.py").write_text("def test_nothing():\n    pass\n")
    file = project_folder / "tidemill.toml"
    file.write_text(file.read_text() + TRIGGER)
    yield record
    record.ports.target.stop()


def ask(record, rows: pl.DataFrame) -> None:
    address = record.ports.target.status("delay").address
    for part in rows.iter_slices(500):
        tensors = [
            {"name": name, "shape": [part.height], "datatype": kind, "data": part[name].to_list()}
            for name, kind in (("x", "FP64"), ("flight", "BYTES"), ("when", "INT64"))
        ]
        request = urllib.request.Request(
            f"{address}/v2/models/delay/infer", json.dumps({"inputs": tensors}).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200


def month_of_rows(first: datetime, days: int) -> pl.DataFrame:
    random = np.random.default_rng(9)
    count = days * 60
    x = random.normal(size=count)
    start = microseconds(first)
    return pl.DataFrame(
        {"x": x, "flight": [f"f{n}" for n in range(count)],
         "when": [start + n * 86_400_000_000 // 60 for n in range(count)],
         "late": (x + random.normal(size=count) > 0).astype(np.int64)}
    )  # fmt: skip


def test_a_better_challenger_replaces_the_champion_on_evidence_alone(served) -> None:
    tick(served, at=APRIL)
    (first,) = tick(served, at=MAY).decisions
    assert (first.promoted, first.deployed) == (True, True), str(first)

    month = month_of_rows(MAY, 31)
    ask(served, month)
    add_labels(served, "delay", month, key="flight", label="late", at=JUNE)

    (second,) = tick(served, at=JUNE).decisions
    assert (second.promoted, second.deployed) == (True, True), str(second)
    assert second.champion == "model:delay@1"
    assert second.low > 0.0
    assert "better than model:delay@1" in second.outcome
    assert resolve(served, "model:delay@champion").number == 2
    assert resolve(served, "deployment:delay").number == 2

    where = (Where("kind", "=", "move"),)
    move = max(served.ports.ledger.find(Query(Run, where=where)), key=lambda run: run.id)
    assert (move.actor.kind, move.cause) == ("trigger", "monthly:2013-06-01T00:00:00+00:00")
    assert "better than model:delay@1" in move.because
    used = {e.name for e in served.ports.ledger.edges([move.id], "up", 1) if e.run == move.id}
    assert used == {"champion", "verdict"}
