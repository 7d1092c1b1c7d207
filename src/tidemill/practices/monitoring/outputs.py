"""From logged or computed output columns to what the figures of a task take, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidemill.core.errors import InvalidInputError

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
    if tuple(names) == ("score",):  # one output of all classes: see `flat_outputs`
        names = [f"score_{class_}" for class_ in task.classes]
    found = []
    for place, class_ in enumerate(task.classes):
        spelled = (f"score_{class_}", f"score.{class_}", f"probability_{class_}", class_)
        own = [name for name in spelled if name in names]
        if not own and len(names) == len(task.classes):
            own = [names[place]]
        if not own:
            raise InvalidInputError(
                f"the model has no output for the class {class_!r}; it has {', '.join(names)}",
                fix=f"name an output score_{class_}, or give one output a class, in their order",
            )
        found.append(own[0])
    return tuple(found)


def flat_outputs(task: Task, outputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """Return outputs of one value a row; one of all classes becomes one a class, `score_CLASS`.

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
            flat |= {f"{name}_{class_}": part for class_, part in parts}
    return flat


def output_array(task: Task, outputs: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Return outputs as the task's figures take them: (rows,), several classes (rows, classes)."""
    flat = flat_outputs(task, outputs)
    columns = [flat[name] for name in output_names(task, tuple(flat))]
    return np.column_stack(columns) if task.kind == "multiclass" else columns[0]
