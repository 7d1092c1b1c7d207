"""From a pipeline's candidate to a drift test: evaluation, sample and business figure hang on."""

from datetime import UTC, datetime

import numpy as np
import pytest
from served_world import START, days_of_rows

from tidemill.core.times import microseconds
from tidemill.lineage.artifacts import find_artifact, put_value
from tidemill.lineage.refs import ref_name, resolve
from tidemill.lineage.writing import opened
from tidemill.practices.delivery.deployment import DeploymentSpec
from tidemill.practices.drift.operations import test_drift
from tidemill.practices.monitoring.deployments import read_deployment
from tidemill.practices.monitoring.figures import report_window
from tidemill.practices.monitoring.labels import add_labels
from tidemill.practices.monitoring.window_rows import evaluation_report
from tidemill.practices.pipelines.operations import run_pipeline
from tidemill.practices.versioning.data import ingest
from tidemill.practices.versioning.registry import load_model
from tidemill.wire.prediction_block import LoggedColumn, PredictionBlock, encode_block

APRIL, MAY = datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 5, 1, tzinfo=UTC)

PIPELINE = """
import numpy as np
import polars as pl
import lightgbm
import tidemill as tm

TASK = tm.Task(kind="binary", label="late")


@tm.business_figure(name="worth", unit="euro")
def worth(rows):
    return (rows["decision"] == rows["label"]).cast(pl.Float64)


@tm.step
def train(rows: pl.DataFrame) -> tm.Model:
    signature = tm.infer_signature(
        rows.select("x"), context=rows.select("flight", "when", "carrier"),
        time="when", row_key="flight",
    )
    data = lightgbm.Dataset(rows.select("x").to_numpy(), rows["late"].to_numpy())
    settings = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1}
    return tm.Model(lightgbm.train(settings, data, 10), signature=signature, task=TASK)


@tm.pipeline
def delay():
    rows = tm.data("rows")
    model = train(rows)
    report = tm.evaluate(model, rows, time="when", slices=("carrier",), business=worth)
    tm.candidate("delay", model, report=report, sample=rows)
"""


@pytest.fixture
def deployed(record, project):
    (project / "pipeline.py").write_text(PIPELINE)
    rows = days_of_rows(START, 40)
    ingest(record, "rows", rows, append=False, key=(), watchers=(), at=START, because="")
    done = run_pipeline(record, "delay", at=MAY)
    assert done.status == "done", str(done)
    version = resolve(record, "model:delay")
    model = load_model(record, "model:delay")
    spec = DeploymentSpec(
        name="delay", model=str(version.ref), number=version.number, artifact=version.artifact,
        run=version.run, signature=model.signature, host="127.0.0.1", threads=1, log="fast",
        max_rows=1024,
    )  # fmt: skip
    artifact = put_value(record, "deployment", spec)
    with opened(record, kind="rollout", name="delay", at=START) as run:
        run.made(artifact)
        run.version(ref_name(record, "deployment", "delay"), artifact)
    return record, model, artifact.id, version.artifact


def logged(record, model, deployment, artifact, rows):
    at_us = rows["when"].dt.timestamp("us").to_numpy()
    ids = [list(bytes.fromhex(record.ports.clock.new_id())) for _ in range(rows.height)]
    columns = [("flight", "context"), ("carrier", "context"), ("x", "input")]
    found = [
        LoggedColumn(
            name=name, role=role,
            values=rows[name].to_numpy() if name == "x"
            else np.array(rows[name].to_list(), dtype=object),
        )
        for name, role in columns
    ]  # fmt: skip
    score = LoggedColumn(name="score", role="output", values=model.predict(rows)["score"])
    return encode_block(
        PredictionBlock(
            deployment=deployment, model=artifact, ids=np.array(ids, dtype=np.uint8),
            received_us=microseconds(record.now()), at_us=at_us, columns=(*found, score),
            contract_bits=np.zeros(rows.height, np.uint64),
        )
    )  # fmt: skip


def test_what_a_pipeline_registers_is_what_a_window_is_judged_by(deployed) -> None:
    record, model, deployment, artifact = deployed
    served = read_deployment(record, deployment)
    identity, report = evaluation_report(record, served)
    assert find_artifact(record, identity).kind == "report"
    assert report.primary.value > 0.6
    assert report.figure("worth").unit == "euro"
    assert len(report.days) == 40
    rows = days_of_rows(APRIL, 20, seed=3, shift=1.2)
    writer = record.ports.stream.writer("delay")
    assert writer.append(logged(record, model, deployment, artifact, rows))
    writer.close()
    add_labels(record, "delay", rows.select("flight", label="late"), key="flight", at=MAY)
    window = report_window(record, "delay", window="2013-04", at=MAY)
    assert window.labelled == 1200
    assert window.figure("worth").value > 0
    assert {part.column for part in window.slices} == {"carrier"}
    result = test_drift(record, "delay", window="2013-04", at=MAY)
    assert result.has_alarm
    assert result.checks[0].alert
