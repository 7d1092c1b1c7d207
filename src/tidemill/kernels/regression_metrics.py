"""Regression metrics with intervals: mean absolute error, root mean squared error, R2."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tidemill.kernels.intervals import Estimate, two_sided_z
from tidemill.kernels.resampling import (
    block_codes,
    block_draws,
    bootstrap_bounds,
    ratio_bounds,
)
from tidemill.kernels.sample_checks import TooFewRowsError, finite_column, same_length

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

METRICS = ("mean_absolute_error", "root_mean_squared_error", "r2")
DRAWS = 2000
MIN_BLOCKS = 2


def regression_metrics(
    labels: ArrayLike,
    outputs: ArrayLike,
    *,
    blocks: ArrayLike | None = None,
    confidence: float = 0.95,
    window: str = "this window",
) -> tuple[Estimate, ...]:
    """Return mean_absolute_error, root_mean_squared_error and r2, in the units of the label.

    Without blocks the intervals are normal and take rows as independent; with blocks (one code a
    row, such as its day) they come from a block bootstrap of 2,000 draws, studentized for the two
    losses, whose intervals few groups would make too narrow.

    Raises:
        TooFewRowsError: fewer than two rows or two blocks.
        NotFiniteError, MisalignedError: the rows do not fit.
    """
    label = finite_column(labels, "label", window=window, rows=2)
    output = finite_column(outputs, "output", window=window, rows=2)
    same_length(label, output, window=window)
    centred = label - label.mean()  # R2 without cancellation
    sums = _row_sums(centred, output - label)
    values = _figures(sums.sum(axis=0))
    if blocks is None:
        bounds = _normal_bounds(sums, values, confidence)
        method = "normal"
    else:
        same_length(label, np.asarray(blocks), window=window)
        bounds = _block_bounds(sums, blocks, confidence, window)
        method = "block-bootstrap"
    return tuple(
        Estimate(
            metric=metric, value=float(value), low=float(low), high=float(high), rows=len(label),
            confidence=confidence, method=method,
        )
        for metric, value, (low, high) in zip(METRICS, values, bounds, strict=True)
    )  # fmt: skip


def _row_sums(label: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the three metrics are functions of, shape (rows, 5)."""
    return np.column_stack(
        [np.ones(len(label)), np.abs(error), error * error, label, label * label]
    )


def _figures(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the three metrics of sums, shape (..., 5) -> (..., 3); R2 of a constant label: NaN."""
    rows, absolute, squared, label, label_squared = np.moveaxis(sums, -1, 0)
    spread = label_squared - label * label / rows
    is_flat = spread <= 1e-12 * np.maximum(label_squared, 1e-300)
    r2 = 1.0 - squared / np.where(is_flat, np.nan, spread)
    return np.stack([absolute / rows, np.sqrt(squared / rows), r2], axis=-1)


def _normal_bounds(
    sums: NDArray[np.float64], values: NDArray[np.float64], confidence: float
) -> list[tuple[float, float]]:
    """Delta method: each metric is, row by row, nearly a mean of influences."""
    rows = len(sums)
    mae, rmse, r2 = values
    absolute, squared, spread = sums[:, 1], sums[:, 2], sums[:, 4]
    influences = [
        absolute - mae,
        (squared - rmse**2) / (2.0 * rmse) if rmse > 0 else np.zeros(rows),
        -(squared - (1.0 - r2) * spread) / spread.mean() if spread.any() else np.full(rows, np.nan),
    ]
    z = two_sided_z(confidence)
    halves = [
        z * math.sqrt(float(influence @ influence) / rows / (rows - 1)) for influence in influences
    ]
    return [(value - half, value + half) for value, half in zip(values, halves, strict=True)]


def _block_bounds(
    sums: NDArray[np.float64], blocks: ArrayLike, confidence: float, window: str
) -> list[tuple[float, float]]:
    codes, count = block_codes(blocks)
    if count < MIN_BLOCKS:
        raise TooFewRowsError(
            f"{window} has {count} block of rows; {MIN_BLOCKS} are needed",
            fix="widen the window (--window 30d), or leave the blocks out",
        )
    columns = [np.bincount(codes, weights=column) for column in sums.T]
    per_block = np.stack(columns, axis=1).astype(np.float64)
    tail = (1.0 - confidence) / 2.0
    draws = block_draws(count, DRAWS, seed=0)
    r2 = bootstrap_bounds(_figures(draws @ per_block)[:, 2], tail, count)
    return [*loss_bounds(draws, per_block, tail).values(), r2]


def loss_bounds(
    draws: NDArray[np.float64], sums: NDArray[np.float64], tail: float
) -> dict[str, tuple[float, float]]:
    """Return the bounds of mean_absolute_error and root_mean_squared_error, by name.

    Args:
        draws: how often each draw takes each block, shape (draws, blocks).
        sums: of each block: its rows or their weight, absolute and squared errors, and whatever
            follows, shape (blocks, columns).
        tail: what they leave on each side.
    """
    rows, absolute, squared = sums[:, 0], sums[:, 1], sums[:, 2]
    low, high = ratio_bounds(draws, squared, rows, tail)
    return {
        "mean_absolute_error": ratio_bounds(draws, absolute, rows, tail),
        "root_mean_squared_error": (math.sqrt(max(low, 0.0)), math.sqrt(high)),
    }
