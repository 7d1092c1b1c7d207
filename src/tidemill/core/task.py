"""Kinds of task: what a model answers, from which metrics, gates and drift follow.

Where practices treat kinds otherwise they ask the properties of a `Task`, never its kind.
"""

from typing import Literal

import msgspec

TaskKind = Literal["binary", "multiclass", "regression"]

_USUAL_METRIC = {
    "binary": "auc",
    "multiclass": "log_loss",
    "regression": "mean_absolute_error",
}


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is predicted. `threshold` turns a binary score into a decision.

    `metric` decides: left out, the usual one of the kind; it may be one of your own, declared with
    `@tm.metric` and given to `evaluate(metrics=...)`. `loss`, where it is given, is what days are
    judged by and models compared on: one of `LOSSES`, or one of your own (`@tm.loss`).
    """

    kind: TaskKind
    label: str
    threshold: float = 0.5
    classes: tuple[str, ...] = ()
    metric: str = ""
    loss: str = ""

    def __post_init__(self) -> None:
        if not self.metric:
            msgspec.structs.force_setattr(self, "metric", _USUAL_METRIC[self.kind])

    @property
    def has_probabilities(self) -> bool:
        """Whether its answers are probabilities, which can be calibrated."""
        return self.kind != "regression"

    @property
    def has_class_columns(self) -> bool:
        """Whether it is answered with one column a class."""
        return self.kind == "multiclass"

    @property
    def has_decisions(self) -> bool:
        """Whether its answer is cut at `threshold`: one probability, of being true."""
        return self.has_probabilities and not self.has_class_columns

    @property
    def label_figures(self) -> tuple[str, ...]:
        """What the shares of labels are called: base rate, mean, or one share a class."""
        if self.has_class_columns:
            return tuple(f"label={name}" for name in self.classes)
        return ("base_rate" if self.has_probabilities else "mean_label",)


def class_column(output: str, class_: str) -> str:
    """Return the column that holds what an output of shape (rows, classes) says of one class.

    Logs, frames and sealed windows have one column a class, in the order of `Task.classes`.

    >>> class_column("score", "late")
    'score.late'
    """
    return f"{output}.{class_}"


METRICS: dict[TaskKind, tuple[str, ...]] = {
    "binary": (
        "auc", "log_loss", "brier", "accuracy", "precision", "recall", "f1", "base_rate",
        "calibration_error",
    ),
    "multiclass": ("log_loss", "brier", "accuracy", "macro_f1", "calibration_error"),
    "regression": ("mean_absolute_error", "root_mean_squared_error", "r2"),
}  # fmt: skip
"""The metrics that we bring, by kind of task."""

LEAST_SHOWN: dict[TaskKind, dict[str, float]] = {
    "binary": {"min_auc": 0.6},
    "multiclass": {"min_accuracy": 0.5},
    "regression": {"min_r2": 0.0},
}
"""What a model must at least show when a project says nothing: better than knowing nothing."""

LOSSES: dict[TaskKind, tuple[str, ...]] = {
    "binary": ("brier", "log_loss", "zero_one"),
    "multiclass": ("brier", "log_loss", "zero_one"),
    "regression": ("absolute_error", "squared_error"),
}
"""The losses of a row that we bring, by kind of task."""

LOWER_IS_BETTER = frozenset(
    {"brier", "log_loss", "mean_absolute_error", "root_mean_squared_error", "calibration_error"}
)
"""Metrics of ours where a smaller figure is the better one."""

IN_UNITS_OF_THE_LABEL = frozenset({"mean_absolute_error", "root_mean_squared_error"})
"""Metrics of ours that are told in the label's own unit."""

SHARES = frozenset(
    {"auc", "accuracy", "precision", "recall", "f1", "macro_f1", "base_rate", "calibration_error"}
)
"""Metrics of ours that lie between 0 and 1."""
