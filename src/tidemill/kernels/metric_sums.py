"""Sums from which the metrics of a kind of task follow: any weighting of rows or blocks gives them.

A metric of rows with weights is a function of weighted sums of a few columns, so that the metric of
each draw of a block bootstrap costs one product of matrices. The area under the curve is no such
function: it follows from the pairs of blocks that are ranked right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidemill.kernels.row_losses import class_codes, row_losses
from tidemill.kernels.sample_checks import (
    MisalignedError,
    finite_column,
    probabilities,
    same_length,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from tidemill.core.task import TaskKind

SUMMED: dict[TaskKind, tuple[str, ...]] = {
    "binary": ("log_loss", "brier", "accuracy", "precision", "recall", "f1", "base_rate"),
    "multiclass": ("log_loss", "brier", "accuracy", "macro_f1"),
    "regression": ("mean_absolute_error", "root_mean_squared_error", "r2"),
}
"""Which metrics follow from sums, in the order in which they are told."""


def row_weights(weights: ArrayLike, *, rows: int, window: str) -> NDArray[np.float64]:
    """Return the weights of rows, shape (rows,).

    Raises:
        NotFiniteError: a weight is missing or infinite.
        MisalignedError: one is negative, all are 0, or there is not one a row.
    """
    weight = finite_column(weights, "weight", window=window)
    same_length(weight, np.empty(rows), window=window)
    if weight.min() < 0.0 or weight.sum() <= 0.0:
        raise MisalignedError(
            f"the weights of {window} go from {weight.min():g} to {weight.max():g}",
            fix="give weights of 0 or more, not all of them 0",
        )
    return weight


def metric_sums(
    kind: TaskKind,
    labels: ArrayLike,
    outputs: ArrayLike,
    *,
    threshold: float = 0.5,
    window: str = "this window",
) -> NDArray[np.float64]:
    """Return of each row what the metrics of a kind of task sum up, shape (rows, columns).

    Args:
        kind: of the task.
        labels: 0/1, class codes from 0, or numbers, shape (rows,).
        outputs: shape (rows,), of several classes (rows, classes).
        threshold: at or above it a binary probability decides 1.
        window: what errors call these rows.

    Raises:
        TooFewRowsError, NotFiniteError, MisalignedError: the rows do not fit.
    """
    if kind == "regression":
        return _number_sums(labels, outputs, window)
    if kind == "multiclass":
        return _class_sums(labels, outputs, window)
    label, output = (np.asarray(part, dtype=np.float64) for part in (labels, outputs))
    log_loss = row_losses("log_loss", label, output, window=window)
    decided = output >= threshold
    return np.column_stack(
        [
            np.ones(len(label)), log_loss, row_losses("brier", label, output, window=window),
            decided & (label == 1), decided & (label == 0), ~decided & (label == 1),
        ]
    ).astype(np.float64)  # fmt: skip


def metric_figures(kind: TaskKind, sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the metrics of sums of `metric_sums`, by name; NaN where nothing carries one.

    Args:
        kind: of the task.
        sums: shape (draws, columns); each metric has shape (draws,).
    """
    return _FIGURES[kind](sums)


def per_block(
    sums: NDArray[np.float64], codes: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Return the sums of each block, shape (count, columns)."""
    columns = [np.bincount(codes, weights=column, minlength=count) for column in sums.T]
    return np.stack(columns, axis=1)


def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return part / whole, NaN where the whole is not above 0."""
    nothing = np.full(np.shape(whole), np.nan)
    shares: NDArray[np.float64] = np.divide(part, whole, out=nothing, where=whole > 0)
    return shares


def wins_by_block(
    label: NDArray[np.float64],
    score: NDArray[np.float64],
    codes: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return how many (positive of block i, negative of block j) pairs are ranked right, ties half.

    With block weights w the AUC is w' C w / (w' positives x w' negatives): the exact AUC of any
    draw of blocks costs blocks^2. With weights of rows a pair counts for their product. Shape
    (blocks, blocks); O(rows log rows + rows x blocks).
    """
    blocks = int(codes.max()) + 1
    weight = np.ones(len(label)) if weights is None else weights
    places, place = np.unique(score, return_inverse=True)
    is_positive = label == 1
    place_of_positives, block_of_positives = place[is_positive], codes[is_positive]
    wins = np.empty((blocks, blocks))
    for block in range(blocks):
        own = (codes == block) & ~is_positive
        counts = np.bincount(place[own], weights=weight[own], minlength=len(places))
        below = np.cumsum(counts) - counts / 2.0
        wins[:, block] = np.bincount(
            block_of_positives,
            weights=below[place_of_positives] * weight[is_positive],
            minlength=blocks,
        )
    return wins


def areas_of_draws(
    label: NDArray[np.float64],
    score: NDArray[np.float64],
    codes: NDArray[np.int64],
    draws: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the AUC under each weighting of blocks, shape (draws,); NaN: not both classes.

    Args:
        label: 0 or 1, shape (rows,).
        score: higher is more positive, shape (rows,).
        codes: the block of each row, shape (rows,).
        draws: how often each draw takes each block, shape (draws, blocks).
        weights: of the rows, shape (rows,).
    """
    count = draws.shape[1]
    weight = np.ones(len(label)) if weights is None else weights
    positives = draws @ np.bincount(codes, weights=weight * label, minlength=count)
    negatives = draws @ np.bincount(codes, weights=weight * (1.0 - label), minlength=count)
    won = ((draws @ wins_by_block(label, score, codes, weights)) * draws).sum(axis=1)
    return ratio(won, positives * negatives)


def _number_sums(labels: ArrayLike, outputs: ArrayLike, window: str) -> NDArray[np.float64]:
    label = finite_column(labels, "label", window=window)
    output = finite_column(outputs, "output", window=window)
    same_length(label, output, window=window)
    centred, error = label - label.mean(), output - label  # R2 without cancellation
    return np.column_stack(
        [np.ones(len(label)), np.abs(error), error * error, centred, centred * centred]
    )


def _class_sums(labels: ArrayLike, outputs: ArrayLike, window: str) -> NDArray[np.float64]:
    """Rows, losses, and for each class: decided and true, decided, true."""
    probability = probabilities(outputs, window=window)
    codes = class_codes(labels, probability, window=window)
    is_class = np.eye(probability.shape[1])
    truth, decided = is_class[codes], is_class[probability.argmax(axis=1)]
    return np.column_stack(
        [
            np.ones(len(codes)), row_losses("log_loss", codes, probability, window=window),
            row_losses("brier", codes, probability, window=window), truth * decided, decided, truth,
        ]
    )  # fmt: skip


def _binary_figures(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    rows, log_loss, brier, found, wrong, missed = sums.T
    return {
        "log_loss": ratio(log_loss, rows),
        "brier": ratio(brier, rows),
        "accuracy": 1.0 - ratio(wrong + missed, rows),
        "precision": ratio(found, found + wrong),
        "recall": ratio(found, found + missed),
        "f1": ratio(2.0 * found, 2.0 * found + wrong + missed),
        "base_rate": ratio(found + missed, rows),
    }


def _class_figures(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    rows, log_loss, brier = sums[:, :3].T
    found, decided, truth = np.split(sums[:, 3:], 3, axis=1)
    f1 = np.nan_to_num(ratio(2.0 * found, decided + truth))
    occurs = (decided + truth > 0).sum(axis=1)
    return {
        "log_loss": ratio(log_loss, rows),
        "brier": ratio(brier, rows),
        "accuracy": ratio(found.sum(axis=1), rows),
        "macro_f1": ratio(f1.sum(axis=1), occurs.astype(np.float64)),
    }


def _number_figures(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    rows, absolute, squared, label, label_squared = sums.T
    spread = label_squared - np.nan_to_num(ratio(label * label, rows))
    is_flat = spread <= 1e-12 * np.maximum(label_squared, 1e-300)
    return {
        "mean_absolute_error": ratio(absolute, rows),
        "root_mean_squared_error": np.sqrt(ratio(squared, rows)),
        "r2": 1.0 - ratio(squared, np.where(is_flat, 0.0, spread)),
    }


_FIGURES: dict[TaskKind, Callable[[NDArray[np.float64]], dict[str, NDArray[np.float64]]]] = {
    "binary": _binary_figures,
    "multiclass": _class_figures,
    "regression": _number_figures,
}
