"""From logged or computed output columns to what the figures of a task take, and back.

A model answers several classes with one output of shape (rows, classes); the prediction log, frames
and sealed windows hold it as one column a class, `OUTPUT.CLASS`, in the order of `task.classes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.core.task import class_column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tidemill.core.task import Task


def output_names(task: Task, names: Sequence[str]) -> tuple[str, ...]:
    """Return the output columns that answer the task: one, or one a class in the classes' order.

    Args:
        task: what is predicted.
        names: of the model's outputs, in order.

    Raises:
        InvalidInputError: a class has no output; lists the outputs.
    """
    if task.kind != "multiclass":
        return (next((name for name in ("score", "prediction") if name in names), names[0]),)
    output = names[0] if len(names) == 1 else "score"  # one of all classes is one a class in frames
    wanted = tuple(class_column(output, class_) for class_ in task.classes)
    if len(names) == 1 or set(wanted) <= set(names):
        return wanted
    if len(names) == len(task.classes):
        return tuple(names)
    missing = next(name for name in wanted if name not in names)
    raise InvalidInputError(
        f"the model has no output {missing!r}; it has {', '.join(names)}",
        fix="answer one output `score` of shape (rows, classes), or one output a class, in order",
    )


def flat_outputs(task: Task, outputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """Return outputs of one value a row; one of all classes becomes one a class, `score.CLASS`.

    Args:
        task: what is predicted.
        outputs: by name, shape (rows,) or (rows, classes).
    """
    flat = {}
    for name, given in outputs.items():
        column = np.asarray(given, dtype=np.float64)
        if column.ndim == 1:
            flat[name] = column
        else:
            parts = zip(task.classes, column.T, strict=True)
            flat |= {class_column(name, class_): part for class_, part in parts}
    return flat


def output_array(task: Task, outputs: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Return outputs as the task's figures take them: (rows,), several classes (rows, classes)."""
    flat = flat_outputs(task, outputs)
    columns = [flat[name] for name in output_names(task, tuple(flat))]
    return np.column_stack(columns) if task.kind == "multiclass" else columns[0]
