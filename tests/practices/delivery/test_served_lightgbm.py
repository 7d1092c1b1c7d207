"""A registered LightGBM model, deployed in a project of its own, answers as it does in Python."""

import json
import urllib.request

import lightgbm
import numpy as np
import polars as pl
import pytest

from tidemill.app.places import open_record
from tidemill.core.task import Task
from tidemill.lineage.writing import opened
from tidemill.practices.delivery.operations import deploy
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.registry import register_model, store_model
from tidemill.practices.versioning.signatures import infer_signature
from tidemill.wire.prediction_block import decode_block

ROWS = 300


@pytest.fixture
def record(tmp_path):
    (tmp_path / "tidemill.toml").write_text('[project]\nname = "p"\n')
    record = open_record(tmp_path, environment={})
    yield record
    record.ports.target.stop()
    record.ports.close()


@pytest.fixture
def frame() -> pl.DataFrame:
    random = np.random.default_rng(1)
    return pl.DataFrame(
        {
            "distance": random.random(ROWS),
            "seats": random.integers(1, 300, ROWS),
            "is_weekend": random.random(ROWS) < 0.3,
            "carrier": random.choice(["AA", "UA", "B6"], ROWS),
        }
    )


def fitted(frame: pl.DataFrame) -> Model:
    signature = infer_signature(frame, context=pl.DataFrame({"flight": ["a"]}), row_key="flight")
    numbers = np.random.default_rng(2).random((ROWS, frame.width))
    label = numbers[:, 0] > 0.5
    parameters = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    booster = lightgbm.train(parameters, lightgbm.Dataset(numbers, label), 20)
    return Model(booster, signature=signature, task=Task(kind="binary", label="late"))


def tensors(frame: pl.DataFrame) -> list[dict]:
    types = {"distance": "FP64", "seats": "INT64", "is_weekend": "BOOL"}
    columns = {name: frame[name].to_list() for name in frame.columns}
    columns["flight"] = [f"flight {row}" for row in range(len(frame))]
    return [
        {"name": name, "shape": [len(data)], "datatype": types.get(name, "BYTES"), "data": data}
        for name, data in columns.items()
    ]


def test_a_served_model_answers_bit_for_bit_as_in_python_and_every_row_is_logged(
    record, frame
) -> None:
    model = fitted(frame)
    with opened(record, kind="train", name="delay") as run:
        artifact, objects = store_model(record.ports.objects, model)
        run.made(artifact, objects=objects)
        register_model(record, "delay", artifact, run=run)
    address = deploy(record, "model:delay").address
    with_gaps = frame.with_columns(
        pl.when(pl.col("distance") > 0.2).then("distance"),
        pl.when(pl.col("seats") > 20).then("seats"),
        pl.when(pl.col("distance") < 0.9).then("is_weekend").alias("is_weekend"),
        pl.when(pl.col("seats") < 250).then("carrier").otherwise(pl.lit("never seen")),
    )
    asked = urllib.request.Request(
        f"{address}/v2/models/delay/infer",
        json.dumps({"inputs": tensors(with_gaps)}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        score, ids = json.loads(answer.read())["outputs"]
    assert score["data"] == model.predict(with_gaps)["score"].tolist()
    ((_, block),) = record.ports.stream.read("delay")
    logged = decode_block(block)
    assert [row.tobytes().hex() for row in logged.ids] == ids["data"]
    assert logged.columns[-1].values.tolist() == score["data"]
    assert logged.columns[0].values.tolist() == [f"flight {row}" for row in range(ROWS)]
