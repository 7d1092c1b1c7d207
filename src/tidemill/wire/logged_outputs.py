"""Outputs as they are logged: a score a class is a column a class, an array a text a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tidemill.core.task import Task, class_column
from tidemill.wire.prediction_block import LoggedColumn
from tidemill.wire.row_values import logged_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tidemill.core.signature import Field, Signature


class Answering(Protocol):
    """What is asked of a model: what it declares of its outputs, and its classes."""

    @property
    def signature(self) -> Signature:
        """What it declares of its outputs."""
        ...

    @property
    def task(self) -> Task:
        """What it predicts."""
        ...


def logged_outputs(
    model: Answering, outputs: Mapping[str, NDArray[Any]], limit_bytes: int
) -> list[LoggedColumn]:
    """Return the columns of a block: numbers, truth values and text as they are.

    The scores of all classes are a column a class; other arrays, bytes and nested values a text a
    row, large ones their digest.

    Args:
        model: whose outputs they are.
        outputs: by name, shape (rows, *shape of a row's answer).
        limit_bytes: of a row's value, above which its digest is logged.
    """
    declared = {field.name: field for field in model.signature.outputs}
    columns: list[LoggedColumn] = []
    for name, values in outputs.items():
        if name == answer_name(tuple(outputs)) and is_score_a_class(model.task, values):
            columns += _scores(model.task, name, values)
        else:
            columns.append(_column(declared.get(name), name, values, limit_bytes))
    return columns


def answer_name(names: Sequence[str]) -> str:
    """Return the output that answers the task: `score` or `prediction`, else the first."""
    return next((name for name in ("score", "prediction") if name in names), names[0])


def is_score_a_class(task: Task, values: NDArray[Any]) -> bool:
    """Whether an output says one number of each class of the task."""
    is_number = values.ndim == 2 and values.dtype.kind in "fiu"
    if not is_number or not task.classes or values.shape[1] != len(task.classes):
        return False
    return task.kind == "multiclass"


def _scores(task: Task, name: str, values: NDArray[Any]) -> Iterator[LoggedColumn]:
    for place, class_ in enumerate(task.classes):
        scores = values[:, place]
        yield LoggedColumn(name=class_column(name, class_), role="output", values=scores)


def _column(field: Field | None, name: str, values: NDArray[Any], limit_bytes: int) -> LoggedColumn:
    if values.ndim == 1 and values.dtype.kind in "biuf":
        return LoggedColumn(name=name, role="output", values=values)
    is_text = values.ndim == 1 and (field is None or field.is_single)
    texts = _texts(values) if is_text else logged_texts(list(values), limit_bytes)
    valid = np.array([text is not None for text in texts], dtype=np.bool_)
    return LoggedColumn(
        name=name, role="output", values=texts, valid=None if valid.all() else valid
    )  # fmt: skip


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    texts = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        texts[row] = None if text is None else str(text)
    return texts
