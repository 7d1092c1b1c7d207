"""Kinds of task: what a model answers, from which metrics, gates and drift follow."""

from typing import Literal

import msgspec

TaskKind = Literal["binary", "multiclass", "regression"]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is predicted. `threshold` turns a binary score into a decision."""

    kind: TaskKind
    label: str
    threshold: float = 0.5
    classes: tuple[str, ...] = ()
    primary_metric: str = ""

    @property
    def metric(self) -> str:
        """The metric that decides: the declared one, or the usual one of the kind."""
        return (
            self.primary_metric
            or {
                "binary": "auc",
                "multiclass": "log_loss",
                "regression": "mean_absolute_error",
            }[self.kind]
        )


def class_column(output: str, class_: str) -> str:
    """Return the column that holds what an output of shape (rows, classes) says of one class.

    Logs, frames and sealed windows have one column a class, in the order of `Task.classes`.

    >>> class_column("score", "late")
    'score.late'
    """
    return f"{output}.{class_}"


LOWER_IS_BETTER = frozenset(
    {"brier", "log_loss", "mean_absolute_error", "root_mean_squared_error", "calibration_error"}
)
"""Metrics of ours where a smaller figure is the better one."""
