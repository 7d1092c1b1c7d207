"""Estimators as models: the signature from a sample, the task from what the estimator says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.core.errors import InvalidInputError, TidemillError
from tidemill.core.task import Task
from tidemill.practices.versioning.model import Model

if TYPE_CHECKING:
    import polars as pl

_ASKED_ROWS = 5


def model_of(
    fitted: object, sample: object = None, *, label: str = "label", task: Task | None = None
) -> Model:
    """Return a fitted estimator as a model; one that is a `Model` already as it is.

    Args:
        fitted: a model of a library that a format stores.
        sample: some rows as it takes them; the label and what it does not take are left out.
        label: the column that it predicts.
        task: what it answers; default: told from its classes or its objective.

    Raises:
        InvalidInputError: no sample was given, no format stores such a model, or it cannot answer
            rows of the sample.
    """
    if isinstance(fitted, Model):
        return fitted
    if sample is None:
        raise InvalidInputError(
            f"what a {type(fitted).__name__} takes is not known without a sample",
            fix="give some rows as it was trained on: log_model(NAME, model, sample=X)",
        )
    from tidemill.practices.versioning.formats.registry import format_of  # noqa: PLC0415 - NumPy
    from tidemill.practices.versioning.loading_files import signature_of  # noqa: PLC0415 - as above
    from tidemill.practices.versioning.signatures import infer_signature  # noqa: PLC0415 - as above

    task = task or task_of(fitted, label)
    rows = frame_of(sample).drop(task.label, strict=False)
    named = format_of(fitted).inputs_of(fitted)
    model = Model(fitted, signature=signature_of(named, infer_signature(rows)), task=task)
    _ask(model, rows.head(_ASKED_ROWS))
    return model


def _ask(model: Model, rows: pl.DataFrame) -> None:
    """Ask a model for an answer, before anybody relies on it."""
    try:
        model.predict(rows)
    except Exception as error:  # a model of any library may raise anything
        what = error.what if isinstance(error, TidemillError) else str(error)
        raise InvalidInputError(
            f"the model cannot answer rows of its sample: {' '.join(what.split())[:300]}",
            fix="give rows as it was fitted on (inputs and, if you like, the label): sample=X",
        ) from error


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

    from tidemill.kernels.any_frame import any_frame  # noqa: PLC0415 - as above

    column = _column_of(rows)
    if column is not None:
        return (column if column.name else column.alias("x0")).to_frame()
    frame = any_frame(rows)
    if frame is not None:
        return frame
    records = isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict)
    if isinstance(rows, dict) or records:
        return pl.DataFrame(rows)
    if hasattr(rows, "shape") and len(rows.shape) in {1, 2}:
        columns = rows.reshape(-1, 1) if len(rows.shape) == 1 else rows
        return pl.DataFrame({f"x{i}": columns[:, i] for i in range(columns.shape[1])})
    raise InvalidInputError(
        f"a {type(rows).__name__} is no table",
        fix="give a frame (Polars, pandas, Arrow), a mapping of columns, or an array of rows",
    )


def _column_of(rows: Any) -> pl.Series | None:  # noqa: ANN401 - rows of any library
    """Return rows that are one column: a Series of Polars or pandas, a list of texts."""
    import polars as pl  # noqa: PLC0415 - not on the way of `import tidemill`

    if isinstance(rows, pl.Series):
        return rows
    if hasattr(rows, "iloc") and not hasattr(rows, "columns"):
        return pl.Series(str(rows.name or ""), rows.tolist(), strict=False)
    if isinstance(rows, list) and rows and isinstance(rows[0], str):
        return pl.Series(rows)
    return None
