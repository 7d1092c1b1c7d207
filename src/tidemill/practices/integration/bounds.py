"""The bounds of the gates: `[gates]` of `tidemill.toml`, over defaults by kind of task.

[gates]
min_auc = 0.65                # min_METRIC, max_METRIC: of the evaluation report; a model whose
                              # kind of task has no such metric is held to its kind's defaults
max_calibration_error = 0.05
max_slice_gap = 0.08          # below the whole, in units of the primary metric; of an error that
                              # has the label's unit (mean_absolute_error) as a share of the whole
min_slice_rows = 200
max_latency_ms = 20           # median of one row; max_batch_latency_ms of 1,024
max_size_mb = 50
max_single_feature = 0.99     # AUC (or correlation) of one feature alone with the label
leak_moments = 4              # how many times are replayed for leakage; 0: none
test_timeout = "10m"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_span
from tidemill.lineage.suggestions import closest
from tidemill.practices.integration.project_file import FILE, file_table

if TYPE_CHECKING:
    from tidemill.core.task import TaskKind
    from tidemill.lineage.record import Record

_OF_KIND: Mapping[TaskKind, Mapping[str, float]] = {
    "binary": {"min_auc": 0.6},
    "multiclass": {"min_accuracy": 0.5},
    "regression": {"min_r2": 0.0},
}
"""What a model must at least show when a project says nothing: better than knowing nothing."""
_ANY_CLASSES = {"log_loss", "brier", "accuracy", "calibration_error"}
_METRICS: Mapping[TaskKind, frozenset[str]] = {
    "binary": frozenset({"auc", "precision", "recall", "f1", "base_rate", *_ANY_CLASSES}),
    "multiclass": frozenset({"macro_f1", *_ANY_CLASSES}),
    "regression": frozenset({"mean_absolute_error", "root_mean_squared_error", "r2"}),
}


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Every bound. `metrics` are `min_METRIC` and `max_METRIC` of the evaluation report."""

    metrics: Mapping[str, float] = {}
    max_calibration_error: float = 0.1
    max_slice_gap: float = 0.1
    min_slice_rows: int = 200
    max_latency_ms: float = 20.0
    max_batch_latency_ms: float = 200.0
    max_size_mb: float = 50.0
    max_single_feature: float = 0.99
    leak_moments: int = 4
    test_timeout: str = "10m"

    def of_kind(self, kind: TaskKind) -> Mapping[str, float]:
        """Return the bounds of the metrics for a kind of task: the declared, else the usual.

        A project may have models of several kinds: what only other kinds have is not asked of this.
        """
        others = frozenset[str]().union(*_METRICS.values()) - _METRICS[kind]
        own = {
            name: bound
            for name, bound in self.metrics.items()
            if name.partition("_")[2] not in others
        }
        return own or _OF_KIND[kind]


_GENERAL = frozenset(Bounds.__struct_fields__) - {"metrics"}


def project_bounds(record: Record) -> Bounds:
    """Return the project's bounds.

    Raises:
        InvalidInputError: a bound does not exist or is no number; names the closest.
    """
    given = file_table(record, "gates", dict[str, int | float | str], default={})
    general = {name: value for name, value in given.items() if name in _GENERAL}
    metrics: dict[str, float] = {}
    for name, value in given.items():
        if name in _GENERAL:
            continue
        if not name.startswith(("min_", "max_")) or not isinstance(value, int | float):
            near = closest(name, sorted(_GENERAL))
            raise InvalidInputError(
                f"[gates] in {FILE} has {name} = {value!r}, which is no bound",
                fix=f"did you mean {near}?" if near else "write min_METRIC or max_METRIC = NUMBER",
            )
        metrics[name] = float(value)
    try:
        bounds = msgspec.convert({**general, "metrics": metrics}, Bounds, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"[gates] in {FILE}: {error}", fix="give a number") from None
    parse_span(bounds.test_timeout)
    return bounds
