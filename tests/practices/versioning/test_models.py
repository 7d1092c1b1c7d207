"""A model answers alike before and after it was stored, and says what it takes."""

import lightgbm
import numpy as np
import polars as pl
import pytest

from tidemill.core.errors import CorruptError, InvalidInputError
from tidemill.core.task import Task
from tidemill.practices.versioning.columns import matrix
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.operations import add_model
from tidemill.practices.versioning.registry import load_model, store_model
from tidemill.practices.versioning.signatures import infer_signature


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    random = np.random.default_rng(0)
    size = 400
    return pl.DataFrame(
        {
            "colour": random.choice(["red", "green", "blue"], size),
            "weight": random.normal(size=size),
            "is_new": random.random(size) < 0.5,
            "count": random.integers(0, 9, size),
            "id": [f"r{n}" for n in range(size)],
        }
    ).with_columns(label=(pl.col("weight") + pl.col("count") / 9 > 0.4).cast(pl.Int64))


@pytest.fixture(scope="module")
def model(table) -> Model:
    inputs = table.select("colour", "weight", "is_new", "count")
    signature = infer_signature(inputs, context=table.select("id"), row_key="id")
    data = lightgbm.Dataset(matrix(signature, table), table["label"].to_numpy())
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True}
    return Model(
        lightgbm.train(settings, data, num_boost_round=5),
        signature=signature,
        task=Task(kind="binary", label="label"),
    )


def test_a_stored_model_answers_as_it_did_and_has_equal_bytes(model, table, tmp_path) -> None:
    model.save(tmp_path)
    loaded = Model.load(tmp_path)
    assert np.array_equal(loaded.predict(table)["score"], model.predict(table)["score"])
    (tmp_path / "again").mkdir()
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.txt").read_bytes() == (tmp_path / "model.txt").read_bytes()


def test_a_level_never_seen_and_a_missing_value_are_not_a_number(model) -> None:
    rows = {"colour": ["red", "violet", None], "weight": [1.0, None, 2.0],
            "is_new": [True, False, None], "count": [1, 2, 3]}  # fmt: skip
    numbers = matrix(model.signature, pl.DataFrame(rows))
    assert np.isnan(numbers[1:, 0]).all()
    assert numbers[0, 0] == 2
    assert np.isnan(numbers[2, 2])


def test_a_missing_column_is_named_with_the_closest(model) -> None:
    with pytest.raises(InvalidInputError, match=r"'weight' is missing[^?]*did you mean 'weigth'"):
        model.predict({"colour": ["red"], "weigth": [1.0], "is_new": [1], "count": [1]})


def test_the_registry_gives_back_a_verified_model(model, table, record) -> None:
    artifact, objects = store_model(record.ports.objects, model)
    assert record.ports.objects.has(objects) == set(objects)
    loaded = load_model(record, artifact)
    assert np.array_equal(loaded.predict(table)["score"], model.predict(table)["score"])


def test_a_damaged_model_made_elsewhere_is_refused_and_this_process_lives(
    model, record, tmp_path
) -> None:
    model.save(tmp_path)
    assert add_model(record, "made-elsewhere", str(tmp_path)).version == "model:made-elsewhere@1"
    text = (tmp_path / "model.txt").read_bytes()
    for damaged in (text[: len(text) // 2], b"tree\n" + bytes(range(256)), b""):
        (tmp_path / "model.txt").write_bytes(damaged)
        with pytest.raises(CorruptError, match=r"not a whole|cannot be read|killed"):
            add_model(record, "damaged", str(tmp_path))


def test_an_object_of_no_known_format_lists_the_formats(model) -> None:
    with pytest.raises(InvalidInputError, match=r"builtins\.dict[^.]*there are: lightgbm-text"):
        Model({}, signature=model.signature, task=model.task)
