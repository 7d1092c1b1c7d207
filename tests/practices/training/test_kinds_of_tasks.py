"""Every kind of task goes the whole way: train, gates, deploy, HTTP, labels, report, compare."""

import json
import urllib.request
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from tidemill.core.times import microseconds
from tidemill.lineage.refs import resolve
from tidemill.practices.delivery.operations import deploy
from tidemill.practices.drift.operations import test_drift as drift_of
from tidemill.practices.integration.project_check import run_gates
from tidemill.practices.monitoring.deployments import read_deployment
from tidemill.practices.monitoring.figures import report_window
from tidemill.practices.monitoring.labels import add_labels
from tidemill.practices.monitoring.seals import known_seals, scan_seals
from tidemill.practices.monitoring.window_rows import evaluation_report
from tidemill.practices.pipelines.operations import run_pipeline
from tidemill.practices.training.comparison import compare

APRIL, MAY = (datetime(2013, month, 1, tzinfo=UTC) for month in (4, 5))
DAY_US = 86_400_000_000
ROWS_A_DAY = 60

PROJECT = """
from datetime import date

import lightgbm
import numpy as np
import polars as pl

import tidemill as tm

TASK = {task}


@tm.step
def rows(until: date) -> pl.DataFrame:
    random = np.random.default_rng(1)
    x, z = random.normal(size=2400), random.normal(size=2400)
    start = 1356998400000000  # the first of January 2013
    return pl.DataFrame({{
        "x": x, "z": z, "answer": {label}, "part": np.where(np.arange(2400) % 2, "odd", "even"),
        "key": [str(n) for n in range(2400)],
        "when": [start + n * 86_400_000_000 // 40 for n in range(2400)],
    }})


@tm.step
def train(table: pl.DataFrame, trees: int) -> tm.Model:
    signature = tm.infer_signature(
        table.select("x", "z"), context=table.select("key", "when", "part"), time="when",
        row_key="key",
    )
    codes = table["answer"]
    if TASK.kind == "multiclass":
        codes = codes.replace_strict({{name: n for n, name in enumerate(TASK.classes)}})
    settings = {{**{settings}, "num_leaves": 4, "verbosity": -1, "num_threads": 1}}
    data = lightgbm.Dataset(tm.matrix(signature, table), codes.to_numpy().astype(float))
    return tm.Model(lightgbm.train(settings, data, trees), signature=signature, task=TASK)


@tm.pipeline
def learn(until: date, trees: int = 2) -> None:
    table = rows(until)
    model = train(table, trees)
    report = tm.evaluate(model, table, time="when", slices=("part",))
    tm.candidate("answer", model, report=report, sample=table)
"""

KINDS = {
    "multiclass": {
        "task": 'tm.Task(kind="multiclass", label="answer", classes=("low", "mid", "very high"))',
        "label": 'np.select([x < -0.5, x < 0.5], ["low", "mid"], "very high")',
        "settings": '{"objective": "multiclass", "num_class": 3}',
    },
    "regression": {
        "task": 'tm.Task(kind="regression", label="answer")',
        "label": "3 * x + z",
        "settings": '{"objective": "regression"}',
    },
}
OUTPUTS = {
    "multiclass": ["score.low", "score.mid", "score.very high"],
    "regression": ["score"],
}

GATES = """
[gates]
max_latency_ms = 1000
max_batch_latency_ms = 5000
max_calibration_error = 0.9
max_single_feature = 1.1
"""


@pytest.fixture(params=["multiclass", "regression"])
def kind(request):
    return request.param


@pytest.fixture
def mill(record, project_folder, kind):
    (project_folder / "learning.py").write_text(PROJECT.format(**KINDS[kind]))
    (project_folder / "test_learning.py").write_text("def test_nothing():\n    pass\n")
    file = project_folder / "tidemill.toml"
    file.write_text(file.read_text() + GATES)
    yield record
    record.ports.target.stop()


def april(kind: str) -> pl.DataFrame:
    random = np.random.default_rng(9)
    count = 30 * ROWS_A_DAY
    x, z = random.normal(size=count), random.normal(size=count)
    told = {
        "multiclass": np.select([x < -0.5, x < 0.5], ["low", "mid"], "very high"),
        "regression": 3 * x + z,
    }[kind]
    return pl.DataFrame(
        {"x": x, "z": z, "key": [f"a{n}" for n in range(count)],
         "when": [microseconds(APRIL) + n * DAY_US // ROWS_A_DAY for n in range(count)],
         "part": np.where(np.arange(count) % 2, "odd", "even"), "answer": told}
    )  # fmt: skip


def asked(record, rows: pl.DataFrame) -> np.ndarray:
    """Ask the deployment over HTTP; returns the output `score` as it is answered."""
    address = record.ports.target.status("answer").address
    types = {"x": "FP64", "z": "FP64", "key": "BYTES", "when": "INT64", "part": "BYTES"}
    answers = []
    for part in rows.iter_slices(600):
        tensors = [
            {"name": name, "shape": [part.height], "datatype": type_, "data": part[name].to_list()}
            for name, type_ in types.items()
        ]
        request = urllib.request.Request(
            f"{address}/v2/models/answer/infer", json.dumps({"inputs": tensors}).encode(),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=30) as answer:
            outputs = {one["name"]: one for one in json.load(answer)["outputs"]}
        score = outputs["score"]
        answers.append(np.array(score["data"]).reshape(score["shape"]))
    return np.concatenate(answers)


def trained(record, trees: int):
    made = run_pipeline(record, "learn", params={"until": "2013-03-01", "trees": str(trees)})
    assert made.status == "done", str(made)
    return resolve(record, "model:answer")


def test_from_training_to_the_comparison_of_two_models(mill, kind) -> None:
    first = trained(mill, trees=2)
    assert run_gates(mill, str(first)).has_passed
    deploy(mill, str(first), at=APRIL)

    month = april(kind)
    score = asked(mill, month)
    assert score.shape == ((month.height, 3) if kind == "multiclass" else (month.height,))
    add_labels(mill, "answer", month, key="key", label="answer", at=MAY)

    report = report_window(mill, "answer", window="2013-04", at=MAY)
    assert (report.task.kind, report.labelled) == (kind, month.height)
    assert report.primary.value is not None
    assert {part.level for part in report.slices} == {"odd", "even"}
    assert len(report.days) == 30
    sealed = scan_seals(mill, known_seals(mill, "answer")).collect().sort("at", "key")
    logged = [name for name in sealed.columns if name.startswith("score")]
    assert logged == OUTPUTS[kind]
    shown = month.with_row_index().sort("when", "key")["index"].to_numpy()
    assert (sealed.select(logged).to_numpy() == score[shown].reshape(len(shown), -1)).all()

    evaluated = evaluation_report(mill, read_deployment(mill, sealed["deployment"][0]))[1]
    assert {one.name for one in evaluated.figures} == {one.name for one in report.figures}
    drift = drift_of(mill, "answer", window="2013-04", at=MAY)
    assert {check.state for check in drift.checks} <= {"pass", "fail"}, str(drift)

    better = trained(mill, trees=60)
    assert run_gates(mill, str(better)).has_passed
    found = compare(mill, str(better), str(first), window="2013-04", at=MAY)
    assert found.is_better, str(found)
    (same,) = [finding for finding in found.findings if finding.rule == "logged"]
    assert (same.state, same.rows_checked) == ("pass", month.height)
