"""The figures, losses and label codes of a task: the kind of the task picks the kernels, once.

Rows of one day move together, so with enough days every interval comes from a bootstrap of whole
days (`block-bootstrap`); with fewer it is the kernel's own, which takes rows as independent. With
weights it is then a bootstrap of random parts of the rows (`bootstrap`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.calibration import (
    CalibrationBin,
    calibration_bins,
    expected_calibration_error,
)
from tidemill.kernels.classification_metrics import (
    confusion_counts,
    mean_loss,
    multiclass_metrics,
    threshold_metrics,
)
from tidemill.kernels.comparison import MIN_BLOCKS
from tidemill.kernels.intervals import Estimate, mean_estimate
from tidemill.kernels.metric_sums import (
    SUMMED,
    areas_of_draws,
    metric_figures,
    metric_sums,
    per_block,
    row_weights,
)
from tidemill.kernels.ranking_metrics import auc
from tidemill.kernels.regression_metrics import loss_bounds, regression_metrics
from tidemill.kernels.resampling import (
    block_codes,
    block_draws,
    bootstrap_bounds,
    random_parts,
)
from tidemill.kernels.row_losses import LossName, row_losses
from tidemill.kernels.sample_checks import OneClassError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from tidemill.core.task import Task

DRAWS = 1000
CONFIDENCE = 0.95

PARTS = 50
"""Weighted rows that hang together by nothing are dealt into so many random blocks."""

_LOSS_OF_METRIC: dict[str, LossName] = {
    "brier": "brier",
    "log_loss": "log_loss",
    "accuracy": "zero_one",
    "mean_absolute_error": "absolute_error",
    "root_mean_squared_error": "squared_error",
}
_OURS: frozenset[str] = frozenset(_LOSS_OF_METRIC.values())


class UnknownLabelError(InvalidInputError):
    """A label is none of the task's classes."""

    code = "TM435"


def task_loss(task: Task) -> LossName:
    """Return the loss of a row whose mean stands for the task's quality in drift and comparison.

    A loss of one's own (`Task.loss`) is no kernel's: the usual one of the task stands here.
    """
    if task.loss in _OURS:
        return cast("LossName", task.loss)
    usual: LossName = "brier" if task.has_probabilities else "absolute_error"
    return _LOSS_OF_METRIC.get(task.metric, usual)


def label_codes(task: Task, labels: Sequence[object], *, window: str) -> NDArray[np.float64]:
    """Return labels as numbers, shape (rows,): 0/1, class codes from 0, or the numbers themselves.

    Raises:
        UnknownLabelError: a label is no class of the task; names it.
    """
    if task.kind == "regression":
        return np.asarray(labels, dtype=np.float64)
    given = np.asarray(labels)
    if given.dtype.kind in "fbiu" and _class_names(task) == ("0", "1"):
        return given.astype(np.float64)  # the kernels check that it is 0 or 1
    places = {name: float(place) for place, name in enumerate(_class_names(task))}
    codes = np.empty(len(labels), dtype=np.float64)
    for row, label in enumerate(labels):
        code = places.get(_spelled(label))
        if code is None:
            raise UnknownLabelError(
                f"{window} has the label {label!r}; the task knows {', '.join(places)}",
                fix=f"repair the labels, or declare the classes of {task.label!r} in the task",
            )
        codes[row] = code
    return codes


def unknown_labels(task: Task, labels: Sequence[object]) -> NDArray[np.bool_]:
    """Return which labels are no class of the task, nor a number where it predicts one."""
    given = np.asarray(labels)
    if task.kind == "regression":
        return np.full(len(labels), given.dtype.kind not in "fbiu")
    known = set(_class_names(task))
    return np.array([_spelled(label) not in known for label in labels], dtype=np.bool_)


def _class_names(task: Task) -> tuple[str, ...]:
    if task.kind == "multiclass":
        return task.classes
    return task.classes if len(task.classes) == 2 else ("0", "1")


def _spelled(label: object) -> str:
    if isinstance(label, bool | np.bool_):
        return str(int(label))
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def decisions(task: Task, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what each row decides: 0/1 at the threshold, a class code, or the number itself."""
    if task.kind == "binary":
        return (outputs >= task.threshold).astype(np.float64)
    if task.kind == "multiclass":
        decided: NDArray[np.float64] = outputs.argmax(axis=1).astype(np.float64)
        return decided
    return outputs


def task_row_losses(
    task: Task, labels: ArrayLike, outputs: ArrayLike, *, window: str = "this window"
) -> NDArray[np.float64]:
    """Return the task's loss of each row, shape (rows,)."""
    return row_losses(task_loss(task), labels, outputs, threshold=task.threshold, window=window)


def task_estimates(
    task: Task,
    labels: ArrayLike,
    outputs: ArrayLike,
    days: ArrayLike,
    *,
    window: str,
    weights: ArrayLike | None = None,
) -> tuple[Estimate, ...]:
    """Return all figures of a task's rows, each with its 95 % interval.

    Args:
        task: what was predicted.
        labels: from `label_codes`, shape (rows,).
        outputs: shape (rows,), of a multiclass task (rows, classes).
        days: what moves together, one code a row, shape (rows,).
        window: what errors call these rows.
        weights: for how much each row counts, shape (rows,); None: all alike.

    Raises:
        TooFewRowsError, NotFiniteError, MisalignedError: the rows do not fit.
    """
    label, output = np.asarray(labels, dtype=np.float64), np.asarray(outputs, dtype=np.float64)
    codes, count = block_codes(days)
    method = "block-bootstrap"
    weight = None
    if weights is not None:
        weight = row_weights(weights, rows=len(label), window=window)
        found = _weighted(task, label, output, weight, window)
        if count < MIN_BLOCKS:
            count, method = min(PARTS, len(label)), "bootstrap"
            codes = random_parts(len(label), count)
    elif task.kind == "regression":
        blocks = days if count >= MIN_BLOCKS else None
        return regression_metrics(label, output, blocks=blocks, window=window)
    elif task.kind == "multiclass":
        found = multiclass_metrics(label, output, window=window)
    else:
        found = _binary_estimates(task, label, output, window)
    if count < MIN_BLOCKS:
        return found
    draws = block_draws(count, DRAWS, seed=0)
    drawn = _drawn(task, (label, output, codes, weight), draws, window)
    told = [_with_block_interval(one, drawn.get(one.metric), count, method) for one in found]
    if task.kind != "regression" or weight is None:
        return tuple(told)
    sums = metric_sums("regression", label, output, window=window) * weight[:, None]
    bounds = loss_bounds(draws, per_block(sums, codes, count), (1.0 - CONFIDENCE) / 2.0)
    return tuple(_between(one, bounds.get(one.metric)) for one in told)


def _between(found: Estimate, bounds: tuple[float, float] | None) -> Estimate:
    if bounds is None:
        return found
    return msgspec.structs.replace(found, low=bounds[0], high=bounds[1])


def _drawn(
    task: Task,
    rows: tuple[
        NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64] | None
    ],
    draws: NDArray[np.float64],
    window: str,
) -> dict[str, NDArray[np.float64]]:
    """Return each metric under each draw of blocks, shape (draws,).

    Args:
        task: what was predicted.
        rows: label, output, code of the block and weight of each row.
        draws: how often each draw takes each block.
        window: what errors call these rows.
    """
    label, output, codes, weight = rows
    sums = metric_sums(task.kind, label, output, threshold=task.threshold, window=window)
    weighted = sums if weight is None else sums * weight[:, None]
    drawn = metric_figures(task.kind, draws @ per_block(weighted, codes, draws.shape[1]))
    if task.kind == "binary":
        drawn["auc"] = areas_of_draws(label, output, codes, draws, weight)
    return drawn


def _weighted(
    task: Task,
    label: NDArray[np.float64],
    output: NDArray[np.float64],
    weight: NDArray[np.float64],
    window: str,
) -> tuple[Estimate, ...]:
    """Return the figures of weighted rows, as yet without an interval."""
    whole = np.zeros(len(label), dtype=np.int64)
    values = _drawn(task, (label, output, whole, weight), np.ones((1, 1)), window)
    names = SUMMED[task.kind] if task.kind != "binary" else ("auc", *SUMMED["binary"])
    return tuple(
        Estimate(
            metric=name, value=float(values[name][0]), low=-math.inf, high=math.inf,
            rows=len(label), method="weighted",
        )
        for name in names
    )  # fmt: skip


def primary_estimate(
    task: Task,
    labels: ArrayLike,
    outputs: ArrayLike,
    days: ArrayLike,
    *,
    window: str,
    weights: ArrayLike | None = None,
) -> Estimate:
    """Return the figure that decides. Raises as `task_estimates`.

    Raises:
        InvalidInputError: the task names a metric that its kind does not have; lists them.
    """
    found = task_estimates(task, labels, outputs, days, window=window, weights=weights)
    for one in found:
        if one.metric == task.metric:
            return one
    raise InvalidInputError(
        f"a {task.kind} task has no metric {task.metric!r}",
        fix=f"use one of {', '.join(one.metric for one in found)} as metric",
    )


def task_calibration(
    task: Task,
    labels: ArrayLike,
    outputs: ArrayLike,
    *,
    window: str,
    weights: ArrayLike | None = None,
) -> tuple[tuple[CalibrationBin, ...], float | None]:
    """Return calibration bins and the calibration error; of the decided class for several classes.

    A regression has none: no bins and None.
    """
    if task.kind == "regression":
        return (), None
    label, output = np.asarray(labels, dtype=np.float64), np.asarray(outputs, dtype=np.float64)
    if task.kind == "multiclass":
        label = (output.argmax(axis=1) == label).astype(np.float64)
        output = output.max(axis=1)
    bins = calibration_bins(label, output, weights=weights, window=window)
    return bins, expected_calibration_error(bins)


def _binary_estimates(
    task: Task, label: NDArray[np.float64], output: NDArray[np.float64], window: str
) -> tuple[Estimate, ...]:
    counts = confusion_counts(label, output, threshold=task.threshold, window=window)
    try:
        ranking = auc(label, output, window=window)
    except OneClassError:  # the other figures of such a window still count
        ranking = Estimate(
            metric="auc", value=math.nan, low=0.0, high=1.0, rows=len(label), method="one-class"
        )
    return (
        ranking,
        mean_loss("log_loss", label, output, window=window),
        mean_loss("brier", label, output, window=window),
        *threshold_metrics(counts),
    )


def _with_block_interval(
    found: Estimate, drawn: NDArray[np.float64] | None, blocks: int, method: str
) -> Estimate:
    if drawn is None or not math.isfinite(found.value):
        return found
    known = drawn[np.isfinite(drawn)]
    if len(known) < 0.95 * len(drawn):  # too many draws carry no figure: the rest would mislead
        return found
    low, high = bootstrap_bounds(known, (1.0 - CONFIDENCE) / 2.0, blocks)
    return msgspec.structs.replace(
        found, low=min(low, found.value), high=max(high, found.value), method=method
    )


def mean_with_interval(
    metric: str,
    values: NDArray[np.float64],
    days: ArrayLike,
    *,
    total: bool = False,
    weights: NDArray[np.float64] | None = None,
) -> Estimate:
    """Return the mean (or, with `total`, the sum) of a column, with an interval from whole days.

    With weights both are weighted. Below 8 days the interval is the normal one, rows taken as
    independent.

    Raises:
        IndexError: there is no row.
    """
    rows = len(values)
    codes, count = block_codes(days)
    weight = np.ones(rows) if weights is None else weights
    plain = mean_estimate(metric, values, weights, CONFIDENCE)
    value, low, high, method = plain.value, plain.low, plain.high, plain.method
    if count < MIN_BLOCKS:
        low, high = (low, high) if rows > 1 else (-math.inf, math.inf)
    else:
        sums = per_block(np.column_stack([weight, weight * values]), codes, count)
        drawn = block_draws(count, DRAWS, seed=0) @ sums
        known = drawn[drawn[:, 0] > 0]
        low, high = bootstrap_bounds(known[:, 1] / known[:, 0], (1 - CONFIDENCE) / 2.0, count)
        method = "block-bootstrap"
    scale = float(weight.sum()) if total else 1.0
    return Estimate(
        metric=metric, value=value * scale, low=low * scale, high=high * scale, rows=rows,
        method=method,
    )  # fmt: skip
