"""Losses of single rows: what mean metrics, comparisons and performance drift average."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tidemill.kernels.sample_checks import (
    MisalignedError,
    binary_labels,
    finite_column,
    probabilities,
    same_length,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LossName = Literal["brier", "log_loss", "zero_one", "absolute_error", "squared_error", "given"]

LOG_FLOOR = float(np.finfo(np.float64).eps)
"""Least probability that the logarithm sees: a sure and wrong answer costs about 36."""


def row_losses(
    loss: LossName,
    labels: ArrayLike,
    outputs: ArrayLike,
    *,
    threshold: float = 0.5,
    window: str = "this window",
) -> NDArray[np.float64]:
    """Return the loss of each row, shape (rows,); smaller is better.

    Args:
        loss: `brier`, `log_loss`, `zero_one` of a probability; `absolute_error`, `squared_error`
            of a number; `given`: `outputs` are the losses themselves.
        labels: 0/1, class codes from 0 where `outputs` has two dimensions, or numbers.
        outputs: shape (rows,), or (rows, classes) for a multiclass task.
        threshold: a binary probability at or above it decides 1 (`zero_one`).
        window: what errors call these rows.

    Raises:
        TooFewRowsError, NotFiniteError, MisalignedError: the rows do not fit the loss.
    """
    if loss in {"absolute_error", "squared_error", "given"}:
        output = finite_column(outputs, "output", window=window)
        if loss == "given":
            return output
        label = finite_column(labels, "label", window=window)
        same_length(label, output, window=window)
        error = output - label
        return np.abs(error) if loss == "absolute_error" else error * error
    probability = probabilities(outputs, window=window)
    if probability.ndim == 2:
        return _multiclass(loss, class_codes(labels, probability, window=window), probability)
    label = binary_labels(labels, window=window)
    same_length(label, probability, window=window)
    return _binary(loss, label, probability, threshold)


def class_codes(
    labels: ArrayLike, probability: NDArray[np.float64], *, window: str
) -> NDArray[np.int64]:
    """Return class codes 0 .. classes-1, shape (rows,).

    Raises:
        MisalignedError: a label is no whole number, or not a column of `probability`.
    """
    label = finite_column(labels, "label", window=window)
    same_length(label, probability, window=window)
    codes = label.astype(np.int64)
    if (codes != label).any() or codes.min() < 0 or codes.max() >= probability.shape[1]:
        raise MisalignedError(
            f"labels of {window} are not all codes from 0 to {probability.shape[1] - 1}",
            fix="encode each class as its place in the task's `classes`",
        )
    return codes


def _binary(
    loss: LossName,
    label: NDArray[np.float64],
    probability: NDArray[np.float64],
    threshold: float,
) -> NDArray[np.float64]:
    if loss == "brier":
        squared: NDArray[np.float64] = (probability - label) ** 2
        return squared
    if loss == "zero_one":
        return np.where((probability >= threshold) == (label == 1), 0.0, 1.0)
    right = np.where(label == 1, probability, 1.0 - probability)
    return _minus_log(right)


def _multiclass(
    loss: LossName, codes: NDArray[np.int64], probability: NDArray[np.float64]
) -> NDArray[np.float64]:
    right = probability[np.arange(len(codes)), codes]
    if loss == "log_loss":
        return _minus_log(right)
    if loss == "zero_one":
        return np.where(probability.argmax(axis=1) == codes, 0.0, 1.0)
    brier: NDArray[np.float64] = (probability**2).sum(axis=1) - 2.0 * right + 1.0
    return brier


def _minus_log(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    loss: NDArray[np.float64] = -np.log(np.maximum(probability, LOG_FLOOR))
    return loss
