"""Predictions as a step: rows with what a model answers beside them."""

import numpy as np
import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.core.task import Task
from tidemill.practices.delivery.prediction_step import predict
from tidemill.practices.pipelines.effects import EFFECTS
from tidemill.practices.versioning.formats.python_model import PythonModel
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.signatures import infer_signature


class Halves:
    """Scores of two classes, and the input twice as an array."""

    def predict(self, inputs):
        x = inputs.columns["x"]
        return {"score": np.column_stack([x, 1 - x]), "twice": np.column_stack([x, x])}


ROWS = pl.DataFrame({"id": ["a", "b"], "x": [0.25, 0.5]})


def halves() -> Model:
    signature = infer_signature(ROWS.select("x"))
    task = Task(kind="multiclass", label="y", classes=("yes", "no"))
    return Model(PythonModel(Halves), signature=signature, task=task)


def test_rows_are_kept_and_get_a_column_an_output() -> None:
    answered = predict(halves(), ROWS)
    assert answered.columns == ["id", "x", "score.yes", "score.no", "twice"]
    assert answered["score.no"].to_list() == [0.75, 0.5]
    assert answered["twice"].to_list() == ["[0.25,0.25]", "[0.5,0.5]"]


def test_an_output_that_would_hide_a_column_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'twice' already"):
        predict(halves(), ROWS.with_columns(twice=1))


def test_scoring_a_whole_version_is_a_step_where_a_pipeline_calls_it() -> None:
    assert "predict_data" in EFFECTS
