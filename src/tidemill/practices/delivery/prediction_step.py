"""Predictions as a step: the rows that a pipeline has, with what a model answers for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.practices.pipelines.declare import step
from tidemill.practices.versioning.model import Model  # noqa: TC001 - the codec reads the annotations
from tidemill.wire.logged_outputs import logged_outputs

_WHOLE = 1 << 62


@step
def prediction(model: Model, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with a model's outputs beside them; scores of classes are `score.CLASS`."""
    outputs = {name: np.asarray(values) for name, values in model.predict(rows).items()}
    columns = logged_outputs(model, outputs, _WHOLE)
    taken = [column.name for column in columns if column.name in rows.columns]
    if taken:
        raise InvalidInputError(
            f"the rows have a column {taken[0]!r} already, and so is an output of the model called",
            fix=f"rename it before: rows.rename({{{taken[0]!r}: ...}})",
        )
    return rows.with_columns(
        pl.Series(
            column.name,
            column.values.tolist() if column.values.dtype.kind == "O" else column.values,
        )
        for column in columns
    )


def predict(model: Any, rows: Any) -> Any:  # noqa: ANN401 - values, in a pipeline outputs of steps
    """Return rows with the outputs of a model beside them; in a pipeline a step like any other.

    `tidemill predict MODEL DATA` scores a whole data version and keeps the predictions as watched
    ones; this is for the rows that a pipeline has in its hands. Arrays are JSON text.

    Args:
        model: a model, or the step that trains it.
        rows: a frame with the model's inputs, or the step that makes it; other columns are kept.
    """
    return prediction(model, rows)
