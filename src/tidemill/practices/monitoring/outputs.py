"""From logged or computed output columns to what the figures of a task take, and back.

A model answers several classes with one output of shape (rows, classes); the prediction log, frames
and sealed windows hold it as one column a class, `OUTPUT.CLASS`, in the order of `task.classes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.core.task import class_column
from tidemill.wire.logged_outputs import answer_name, is_score_a_class

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tidemill.core.task import Task


def output_names(task: Task, names: Sequence[str]) -> tuple[str, ...]:
    """Return the output columns that answer the task: one, or one a class in the classes' order.

    A model may give more than its answer: an embedding, a text, an explanation.

    Args:
        task: what is predicted.
        names: of the model's outputs, in order, or of the columns that they are logged as.

    Raises:
        InvalidInputError: a class has no output; lists the outputs.
    """
    if not task.has_class_columns:
        return (answer_name(names),)
    output = answer_name(names) if "score" in names or len(names) == 1 else "score"
    wanted = tuple(class_column(output, class_) for class_ in task.classes)
    if output in names or set(wanted) <= set(names):
        return wanted
    if len(names) == len(task.classes):
        return tuple(names)
    missing = next(name for name in wanted if name not in names)
    raise InvalidInputError(
        f"the model has no output {missing!r}; it has {', '.join(names)}",
        fix="answer one output `score` of shape (rows, classes), or one output a class, in order",
    )


def flat_outputs(task: Task, outputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """Return the outputs that are one number a row; that of all classes as one a class.

    Texts, embeddings and other arrays are left out: no figure can be made of them.

    Args:
        task: what is predicted.
        outputs: by name, shape (rows, *shape of a row's answer).
    """
    flat: dict[str, NDArray[np.float64]] = {}
    answer = answer_name(tuple(outputs)) if outputs else ""
    for name, given in outputs.items():
        column = np.asarray(given)
        if column.dtype.kind not in "biuf":
            continue
        numbers = column.astype(np.float64, copy=False)
        if column.ndim == 1:
            flat[name] = numbers
        elif name == answer and is_score_a_class(task, numbers):
            parts = zip(task.classes, numbers.T, strict=True)
            flat |= {class_column(name, class_): part for class_, part in parts}
    return flat


def output_array(task: Task, outputs: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Return outputs as the task's figures take them: (rows,), several classes (rows, classes).

    Raises:
        InvalidInputError: no output is a number a row, or a score a class.
    """
    flat = flat_outputs(task, outputs)
    if not flat:
        raise InvalidInputError(
            f"none of the outputs {', '.join(outputs)} is a number that a {task.kind} task is "
            "judged by",
            fix="answer one output `score` too: shape (rows,), of several classes (rows, classes)",
        )
    columns = [flat[name] for name in output_names(task, tuple(flat))]
    return np.column_stack(columns) if task.has_class_columns else columns[0]
