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

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.setting_values import Takes
from tidemill.core.settings import place_of
from tidemill.core.task import LEAST_SHOWN, METRICS
from tidemill.core.times import parse_span
from tidemill.lineage.suggestions import closest
from tidemill.practices.infrastructure.project import declared
from tidemill.practices.integration.project_file import FILE, file_table, file_text

if TYPE_CHECKING:
    from tidemill.core.task import TaskKind
    from tidemill.lineage.record import Record

_DAY_S = 86_400
_COUNTS = {"min_slice_rows": "rows", "leak_moments": "moments"}
_UNITS = {
    "max_calibration_error": "probability", "max_slice_gap": "the primary metric's unit",
    "max_latency_ms": "ms", "max_batch_latency_ms": "ms", "max_size_mb": "MB",
    "max_single_feature": "AUC",
}  # fmt: skip
_METRICS: Mapping[TaskKind, frozenset[str]] = {
    kind: frozenset(metrics) for kind, metrics in METRICS.items()
}


_SHARES = frozenset({
    "auc", "brier", "accuracy", "precision", "recall", "f1", "macro_f1", "base_rate",
    "calibration_error",
})  # fmt: skip
_CORRELATIONS = frozenset({"matthews_correlation", "spearman"})
_AT_MOST_ONE = frozenset({"r2"})
"""Metrics by their range: 0 to 1, -1 to 1, up to 1; every other is any number."""


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
    asks_for_slices: bool = False
    """Whether the project says `max_slice_gap`: then a report without slices has not passed it."""

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
        return own or LEAST_SHOWN[kind]


_KNOWN_METRICS = tuple(sorted(frozenset[str]().union(*_METRICS.values())))
_GENERAL = frozenset(Bounds.__struct_fields__) - {"metrics", "asks_for_slices"}
_NAMES = (*sorted(_GENERAL), *(f"{side}_{m}" for m in _KNOWN_METRICS for side in ("min", "max")))
_LIKE = 0.8
"""From which likeness on an unknown name is a misspelt one, and no figure of the project's own."""


def project_bounds(record: Record) -> Bounds:
    """Return the project's bounds.

    Raises:
        InvalidInputError: as `bounds_of`, or neither a metric nor a figure of the project's own
            has the name of a bound.
    """
    text, given = file_text(record), file_table(record, "gates", dict[str, object], default={})
    bounds = bounds_of(given, text)
    own = [name for name in bounds.metrics if name not in _NAMES]
    if own:
        from tidemill.practices.monitoring.business import (  # noqa: PLC0415 - NumPy; few need it
            BusinessFigure,
        )
        from tidemill.practices.monitoring.own_metrics import Metric  # noqa: PLC0415 - as above

        figures = {figure.name for figure in declared(record, BusinessFigure).values()}
        figures |= {metric.name for metric in declared(record, Metric).values()}
        for name in own:
            if name.partition("_")[2] not in figures:
                raise _unknown(name, given[name], text, [*_KNOWN_METRICS, *sorted(figures)])
    return bounds


def bounds_of(given: object, text: str = "") -> Bounds:
    """Return the bounds of a table `[gates]`, without a look at the project's code.

    What could be a bound of a figure of the project's own (`BusinessFigure`) is let pass here.

    Args:
        given: the table as it was parsed.
        text: the whole file, by which errors tell the line.

    Raises:
        InvalidInputError: a bound does not exist (names the closest), or is no number or too small.
    """
    if not isinstance(given, dict):
        raise InvalidInputError(f"[gates] in {FILE} is {given!r}", fix="write [gates] and below it")
    for name, value in given.items():
        if name not in _NAMES and (not _is_bound(name) or _is_misspelt(name)):
            raise _unknown(name, value, text, list(_KNOWN_METRICS))
        _require_number(name, value, place_of(text, "gates", name))
    metrics = {name: float(bound) for name, bound in given.items() if name not in _GENERAL}
    general = {name: value for name, value in given.items() if name in _GENERAL}
    asked = {"metrics": metrics, "asks_for_slices": "max_slice_gap" in given}
    bounds: Bounds = msgspec.convert({**general, **asked}, Bounds)
    parse_span(bounds.test_timeout)
    return bounds


def _is_misspelt(name: str) -> bool:
    return bool(difflib.get_close_matches(name, _NAMES, n=1, cutoff=_LIKE))


def _is_bound(name: str) -> bool:
    return name.startswith(("min_", "max_")) and len(name) > len("min_")


def _require_number(name: str, value: object, place: str) -> None:
    """Refuse what is no number; a bound in general is none below 0 either, a count no fraction.

    Raises:
        InvalidInputError: it is something else.
    """
    if name == "test_timeout":
        takes = Takes(form="span", least=1, most=_DAY_S)
    elif name in _COUNTS:
        takes = Takes(form="whole", unit=_COUNTS[name], least=0, most=1e9)
    elif name in _GENERAL:
        takes = Takes(form="number", unit=_UNITS[name], least=0, most=1e9)
    else:
        takes = _of_metric(name.partition("_")[2])
    try:
        takes.read(value)
    except (ValueError, TypeError):
        told = "a number" if takes.most == _ANY else takes
        raise InvalidInputError(
            f"{name} in [gates] is {value!r} ({place}), but it takes {told}",
            fix='give a length of time, like "10m"'
            if name == "test_timeout"
            else f"give a number: {name} = {getattr(Bounds(), name, 0.5)}",
        ) from None


def _of_metric(metric: str) -> Takes:
    """Return what a bound of a metric takes: a metric that is a share lies from 0 to 1."""
    least = 0.0 if metric in _SHARES else -1.0 if metric in _CORRELATIONS else -_ANY
    most = 1.0 if metric in _SHARES | _CORRELATIONS | _AT_MOST_ONE else _ANY
    return Takes(form="number", unit=metric, least=least, most=most)


_ANY = 1e300


def _unknown(name: str, value: object, text: str, metrics: list[str]) -> InvalidInputError:
    place = place_of(text, "gates", name)
    near = closest(name, _NAMES)
    listed = f"bounds: {', '.join(sorted(_GENERAL))}, or min_ or max_ of {', '.join(metrics)}"
    return InvalidInputError(
        f"[gates] has {name} = {value!r}, which is no bound ({place})",
        fix=f"did you mean {near}? {listed}" if near else listed,
    )
