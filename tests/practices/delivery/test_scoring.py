"""A whole data version through a model: kept, watched and explained like served predictions."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import lightgbm
import numpy as np
import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError, UnavailableError
from tidemill.core.signature import Field, Signature
from tidemill.core.task import Task
from tidemill.lineage.artifacts import put_files
from tidemill.lineage.refs import ref_name
from tidemill.lineage.writing import opened
from tidemill.practices.delivery.scoring import predict_data
from tidemill.practices.monitoring.figures import report_window
from tidemill.practices.monitoring.labels import add_labels
from tidemill.practices.monitoring.predictions import described, find_prediction
from tidemill.practices.versioning.data import ingest
from tidemill.practices.versioning.formats.python_model import PythonModel
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.operations import frame as rows_of
from tidemill.practices.versioning.registry import register_model, store_model
from tidemill.practices.versioning.signatures import infer_signature
from tidemill.wire.prediction_ids import scored_ids

ROWS = 400


def registered(record, name, model) -> None:
    with opened(record, kind="train", name=name) as run:
        artifact, objects = store_model(record.ports.objects, model)
        run.made(artifact, objects=objects)
        register_model(record, name, artifact, run=run)


def homes(rows: int = ROWS, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    area = random.uniform(20, 200, rows)
    return pl.DataFrame(
        {"home": [f"h{row}" for row in range(rows)], "area": area,
         "town": random.choice(["Ulm", "Köln"], rows), "price": area * 3}
    )  # fmt: skip


def priced(frame: pl.DataFrame, **named) -> Model:
    inputs = frame.select("area", "town")
    codes = np.column_stack([frame["area"].to_numpy(), (frame["town"] == "Ulm").to_numpy()])
    parameters = {"objective": "regression", "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(codes, frame["price"].to_numpy()), 10)
    signature = infer_signature(inputs, **named)
    return Model(booster, signature=signature, task=Task(kind="regression", label="price"))


def test_a_regression_without_time_or_key_is_scored_labelled_by_id_reported_and_explained(
    record,
) -> None:
    frame = homes()
    model = priced(frame)
    registered(record, "price", model)
    ingest(record, "homes", frame)
    scored = predict_data(record, "model:price", "data:homes", at=datetime(2026, 3, 1, tzinfo=UTC))
    assert (scored.rows, scored.is_new, scored.predictions) == (
        ROWS, True, "predictions:price-homes@1",
    )  # fmt: skip
    rows = rows_of(record, scored.predictions).frame
    assert rows["score"].to_list() == model.predict(frame)["score"].tolist()
    assert rows["data_row"].to_list() == list(range(ROWS))
    labels = rows.select("prediction_id", label=pl.Series(frame["price"]))
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    added = add_labels(record, "price-homes", labels, key="prediction_id", at=moment)
    assert added.unknown == 0
    report = report_window(record, "price-homes", window="2026-03-01", at=moment)
    assert (report.rows, report.labelled) == (ROWS, ROWS)
    found = find_prediction(record, rows["prediction_id"][7][-8:])
    assert found.values("input")["area"] == frame["area"][7]
    assert found.values("context")["data_row"] == 7
    assert "data_row (from 0)" in str(found)
    assert any("row 8 of what was scored" in line for line in described((), found))
    assert found.model_version == "model:price@1"


def test_what_was_scored_already_adds_nothing_and_says_so(record) -> None:
    frame = homes()
    registered(record, "price", priced(frame))
    ingest(record, "homes", frame)
    first = predict_data(record, "model:price", "data:homes")
    again = predict_data(record, "model:price@1", "data:homes@1")
    assert not again.is_new
    assert again.predictions == first.predictions
    assert "nothing was added" in str(again)
    ingest(record, "homes", homes(seed=1))
    assert predict_data(record, "model:price", "data:homes").predictions.endswith("@2")


def test_times_of_rows_are_their_own_and_a_window_scores_only_its_rows(record) -> None:
    start, every = datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=4)
    frame = homes().with_columns(when=pl.Series([start + every * row for row in range(ROWS)]))
    context = frame.select("home", "when")
    registered(record, "price", priced(frame, context=context, time="when", row_key="home"))
    ingest(record, "homes", frame)
    scored = predict_data(record, "model:price", "data:homes", window="2026-02", out="february")
    wanted = frame.filter(pl.col("when").dt.month() == 2)
    rows = rows_of(record, scored.predictions).frame
    assert rows["at"].to_list() == wanted["when"].to_list()
    assert rows["home"].to_list() == wanted["home"].to_list()
    assert scored.window == "2026-02-01..2026-03-01"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.drop("area"), r"data:homes@1 has no column 'area'.*model:price@1"),
        (lambda frame: frame.with_columns(area=pl.lit("big")), r"'area' takes FP64"),
        (lambda frame: frame.with_columns(area=pl.lit([1.0, 2.0])), r"'area' takes FP64"),
        (lambda frame: frame.with_columns(town=pl.lit(1.5)), r"'town' takes BYTES"),
    ],
)
def test_data_that_do_not_fit_the_model_are_refused_by_name_and_nothing_is_kept(
    record, change, told
) -> None:
    frame = homes()
    registered(record, "price", priced(frame))
    ingest(record, "homes", change(frame))
    with pytest.raises(InvalidInputError, match=told):
        predict_data(record, "model:price", "data:homes")
    assert not record.ports.ledger.keys(["scored:"])


def boosted(frame: pl.DataFrame) -> Model:
    xgboost = pytest.importorskip("xgboost")
    rows = xgboost.DMatrix(frame.select("area").to_numpy(), label=frame["price"].to_numpy())
    return Model(
        xgboost.train({"nthread": 1}, rows, 5),
        signature=infer_signature(frame.select("area")),
        task=Task(kind="regression", label="price"),
    )


def grown(frame: pl.DataFrame) -> Model:
    ensemble = pytest.importorskip("sklearn.ensemble")
    forest = ensemble.RandomForestRegressor(5, random_state=0)
    return Model(
        forest.fit(frame.select("area").to_numpy(), frame["price"].to_numpy()),
        signature=infer_signature(frame.select("area")),
        task=Task(kind="regression", label="price"),
    )


@pytest.mark.parametrize("made", [boosted, grown])
def test_rows_with_numbers_that_the_library_cannot_take_are_refused_and_the_others_scored(
    record, made
) -> None:
    frame = homes(40)
    model = made(frame)
    registered(record, "price", model)
    areas = frame["area"].to_list()
    areas[7], areas[9], areas[30] = 1e39, float("inf"), -1e300
    ingest(record, "homes", frame.with_columns(area=pl.Series(areas)))
    scored = predict_data(record, "model:price", "data:homes")
    assert (scored.rows, scored.rejected) == (40, 3)
    assert "first row 8" in str(scored) or "first row 10" in str(scored)
    rows = rows_of(record, scored.predictions).frame
    refused = rows.filter(status="rejected")
    assert refused["data_row"].to_list() == [7, 9, 30]
    assert refused["area"].to_list() == [1e39, float("inf"), -1e300]
    assert refused["refused_because"].str.contains("'area' is (beyond float32|infinite)").all()
    answered = rows.filter(status="ok")
    fit = frame.filter(~pl.int_range(pl.len()).is_in([7, 9, 30]))
    assert answered["score"].to_list() == model.predict(fit)["score"].tolist()
    assert answered["refused_because"].null_count() == 37
    found = find_prediction(record, refused["prediction_id"][0])
    assert "'area' is" in found.values("context")["refused_because"]


def test_where_no_row_fits_the_library_all_are_refused_and_none_answered(record) -> None:
    frame = homes(40)
    registered(record, "price", boosted(frame))
    ingest(record, "homes", frame.with_columns(area=pl.lit(1e39)))
    scored = predict_data(record, "model:price", "data:homes")
    (refusal,) = scored.refusals
    assert (scored.rejected, refusal.rows, refusal.first_row) == (40, 40, 1)


class Embedding:
    """Answers an array, a text and a number a row; takes arrays."""

    def predict(self, inputs):
        pixels = inputs.columns["pixels"]
        total = pixels.reshape(len(pixels), -1).sum(axis=1)
        if (total > 1e6).any():
            message = "too bright"
            raise ValueError(message)
        return {
            "score": total,
            "embedding": pixels.reshape(len(pixels), -1)[:, :2],
            "word": np.array([f"w{int(t)}" for t in total], dtype=object),
        }


def images(rows: int = 20) -> dict:
    return {"pixels": np.arange(rows * 12, dtype=np.float32).reshape(rows, 3, 4)}


def embedding() -> Model:
    signature = infer_signature(
        images(),
        outputs={
            "score": np.zeros(1), "embedding": np.zeros((1, 2), dtype=np.float32),
            "word": np.array(["a"], dtype=object),
        },
    )  # fmt: skip
    return Model(
        PythonModel(Embedding), signature=signature, task=Task(kind="regression", label="y")
    )


def test_arrays_in_and_out_are_scored_small_ones_kept_whole(record) -> None:
    registered(record, "embed", embedding())
    ingest(record, "images", pl.DataFrame({"pixels": pl.Series(images()["pixels"])}))
    scored = predict_data(record, "model:embed", "data:images")
    rows = rows_of(record, scored.predictions).frame
    assert rows["embedding"][1] == "[12.0,13.0]"
    assert rows["pixels"][0] == "[[0.0,1.0,2.0,3.0],[4.0,5.0,6.0,7.0],[8.0,9.0,10.0,11.0]]"
    assert rows["word"][0] == "w66"


def test_a_model_that_fails_is_told_with_the_rows_and_leaves_nothing(record) -> None:
    registered(record, "embed", embedding())
    bright = {"pixels": np.full((3, 3, 4), 1e6, dtype=np.float32)}
    ingest(record, "images", pl.DataFrame({"pixels": pl.Series(bright["pixels"])}))
    with pytest.raises(InvalidInputError, match="rows 1 to 3: ValueError: too bright"):
        predict_data(record, "model:embed", "data:images")


class Lengths:
    """Says how many bytes a file has."""

    def predict(self, inputs):
        return np.array([float(len(content)) for content in inputs.columns["content"]])


class Dying:
    """Takes its process with it."""

    def predict(self, inputs):
        del inputs
        os.kill(os.getpid(), signal.SIGKILL)


FILES = Signature(
    inputs=(
        Field(name="path", datatype="BYTES"),
        Field(name="content", datatype="BYTES", is_binary=True),
    ),
    outputs=(Field(name="score", datatype="FP64"),),
)


def folder(record, tmp_path) -> None:
    files = []
    for number in range(5):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(b"\xff" * (number + 1) * 1000)
        files.append((path.name, path))
    with opened(record, kind="ingest", name="pictures") as run:
        artifact = put_files(record, "folder", files)
        run.made(artifact, name="data")
        run.version(ref_name(record, "data", "pictures"), artifact)


def test_a_folder_of_files_is_scored_file_by_file_large_ones_kept_by_digest(
    record, tmp_path
) -> None:
    folder(record, tmp_path)
    task = Task(kind="regression", label="y")
    registered(record, "lengths", Model(PythonModel(Lengths), signature=FILES, task=task))
    scored = predict_data(record, "model:lengths", "data:pictures")
    rows = rows_of(record, scored.predictions).frame
    assert rows["score"].to_list() == [1000, 2000, 3000, 4000, 5000]
    assert rows["data_path"].to_list() == [f"{n}.bin" for n in range(5)]
    assert rows["content"][4].startswith("b3:")
    assert rows["content"][0].startswith("base64:")
    found = find_prediction(record, rows["prediction_id"][4])
    assert found.by_digest == ("content",)
    assert "by its digest only" in str(found)


def test_a_scoring_process_that_dies_says_how(record, tmp_path) -> None:
    folder(record, tmp_path)
    task = Task(kind="regression", label="y")
    registered(record, "dying", Model(PythonModel(Dying), signature=FILES, task=task))
    with pytest.raises(UnavailableError, match="signal 9"):
        predict_data(record, "model:dying", "data:pictures")


def test_killed_in_the_middle_leaves_nothing_and_the_next_time_scores_everything(
    record, project
) -> None:
    frame = homes(200_000)
    registered(record, "price", priced(frame[:ROWS]))
    ingest(record, "homes", frame)
    code = (
        "import os, signal, sys\n"
        "from tidemill.app.places import open_record\n"
        "from pathlib import Path\n"
        "from tidemill.practices.delivery import scoring\n"
        "def dying(job, *, threads, inner=scoring.answered_frames):\n"
        "    for number, frame in enumerate(inner(job, threads=threads)):\n"
        "        if number == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        yield frame\n"
        "scoring.answered_frames = dying\n"
        "record = open_record(Path(sys.argv[1]), environment={})\n"
        "scoring.predict_data(record, 'model:price', 'data:homes')\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(project)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    scored = predict_data(record, "model:price", "data:homes")
    assert (scored.predictions, scored.rows) == ("predictions:price-homes@1", 200_000)
    rows = rows_of(record, scored.predictions).frame
    assert rows["prediction_id"].n_unique() == 200_000


def test_ids_of_scored_rows_are_the_same_each_time_ascending_and_differ_at_their_end() -> None:
    places = np.arange(50_000, dtype=np.int64)
    ids = [row.tobytes().hex() for row in scored_ids("a1" * 32, places)]
    assert ids == [row.tobytes().hex() for row in scored_ids("a1" * 32, places)]
    assert ids == sorted(ids)
    assert len({text[-8:] for text in ids}) > 49_990
    assert {text[12] for text in ids} == {"8"}
