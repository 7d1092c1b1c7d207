"""Estimators as models: the signature from a sample, the task from what the estimator says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.core.errors import InvalidInputError
from tidemill.core.task import Task
from tidemill.practices.versioning.model import Model

if TYPE_CHECKING:
    import polars as pl


def model_of(
    fitted: object, sample: object = None, *, label: str = "label", task: Task | None = None
) -> Model:
    """Return a fitted estimator as a model; one that is a `Model` already as it is.

    Args:
        fitted: a model of a library that a format stores.
        sample: some rows as it takes them, inputs only.
        label: the column that it predicts.
        task: what it answers; default: told from its classes or its objective.

    Raises:
        InvalidInputError: no sample was given, or no format stores such a model.
    """
    if isinstance(fitted, Model):
        return fitted
    if sample is None:
        raise InvalidInputError(
            f"what a {type(fitted).__name__} takes is not known without a sample",
            fix="give some rows as it was trained on: log_model(NAME, model, sample=X)",
        )
    from tidemill.practices.versioning.signatures import infer_signature  # noqa: PLC0415 - NumPy

    signature = infer_signature(frame_of(sample))
    return Model(fitted, signature=signature, task=task or task_of(fitted, label))


def task_of(fitted: Any, label: str) -> Task:  # noqa: ANN401 - any library's model
    """Return the task of a fitted model: by its classes, else its objective, else regression."""
    classes = getattr(fitted, "classes_", None)
    if classes is not None and len(classes) > 2:
        return Task(kind="multiclass", label=label, classes=tuple(str(one) for one in classes))
    if classes is not None:
        return Task(kind="binary", label=label)
    objective = str((getattr(fitted, "params", None) or {}).get("objective", ""))
    if "binary" in objective or "logistic" in objective:
        return Task(kind="binary", label=label)
    return Task(kind="regression", label=label)


def frame_of(rows: Any) -> pl.DataFrame:  # noqa: ANN401 - rows of any library
    """Return rows as a Polars frame: frames as they are, arrays with columns `x0`, `x1`, ...

    Raises:
        InvalidInputError: they are no rows.
    """
    import polars as pl  # noqa: PLC0415 - not on the way of `import tidemill`

    if isinstance(rows, pl.LazyFrame):
        return rows.collect()
    if isinstance(rows, pl.DataFrame):
        return rows
    if hasattr(rows, "iloc") and hasattr(rows, "columns"):
        return pl.from_pandas(rows)
    if hasattr(rows, "__arrow_c_stream__") or isinstance(rows, dict):
        return pl.DataFrame(rows)
    if hasattr(rows, "shape") and len(rows.shape) in {1, 2}:
        columns = rows.reshape(-1, 1) if len(rows.shape) == 1 else rows
        return pl.DataFrame({f"x{i}": columns[:, i] for i in range(columns.shape[1])})
    if isinstance(rows, list) and rows and isinstance(rows[0], dict):
        return pl.DataFrame(rows)
    raise InvalidInputError(
        f"a {type(rows).__name__} is no table",
        fix="give a frame (Polars, pandas, Arrow), a mapping of columns, or an array of rows",
    )
