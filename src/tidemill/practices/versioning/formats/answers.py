"""Answers: what libraries give, in the order and shape that a task has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidemill.core.task import Task


def task_score(
    values: NDArray[Any], task: Task, classes: Sequence[object] = ()
) -> NDArray[np.float64]:
    """Return `score` of a task from probabilities or numbers.

    Binary: shape (rows,), the probability of true (the second class). Multiclass: shape (rows,
    classes) in the order of `task.classes`. Regression: as answered, one column as (rows,).

    Args:
        values: the library's answer, shape (rows,) or (rows, columns).
        task: what is predicted.
        classes: the model's own name of each column; without it they have the task's order.

    Raises:
        InvalidInputError: the model's classes are not the task's.
    """
    score = np.asarray(values, dtype=np.float64)
    if score.ndim > 1 and score.shape[1] == 1:
        score = score[:, 0]
    if task.kind == "regression":
        return score
    names = [class_name(one) for one in classes]
    if task.kind == "binary":
        return score if score.ndim == 1 else score[:, _true_column(names, task, score.shape[1])]
    if score.ndim == 1:
        score = np.column_stack([1 - score, score])
    if not names or not task.classes or list(task.classes) == names:
        return score
    return score[:, [_place(names, wanted) for wanted in task.classes]]


def softmax(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return probabilities of logits, shape (rows, classes); each row sums to 1."""
    logits = np.asarray(values, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def probabilities(values: NDArray[Any], task: Task) -> NDArray[np.float64]:
    """Return probabilities from logits or margins: one column by the logistic function."""
    logits = np.asarray(values, dtype=np.float64)
    if task.kind == "regression":
        return logits
    if logits.ndim == 1 or logits.shape[1] == 1:
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -700, 700))))
    return softmax(logits)


def class_name(value: object) -> str:
    """Return how a task spells a class of a library: 1.0 is "1", a NumPy truth value "true"."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _true_column(names: list[str], task: Task, columns: int) -> int:
    """Return the column of "true": the task's second class, else the model's second."""
    if names and len(task.classes) == 2:
        return _place(names, task.classes[1])
    return min(1, columns - 1)


def _place(names: list[str], wanted: str) -> int:
    spelled = [wanted, wanted.lower()]
    for place, name in enumerate(names):
        if name in spelled:
            return place
    raise InvalidInputError(
        f"the model knows no class {wanted!r}; it was trained with {', '.join(names)}",
        fix=f"declare the task's classes as they are in the labels: {', '.join(names)}",
    )
