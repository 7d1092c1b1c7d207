"""Classification metrics with intervals: losses, accuracy, precision, recall, F1, base rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tidemill.kernels.intervals import Estimate, mean_estimate, share_estimate
from tidemill.kernels.ranking_metrics import auc
from tidemill.kernels.row_losses import class_codes, row_losses
from tidemill.kernels.sample_checks import (
    binary_labels,
    finite_column,
    probabilities,
    same_length,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class ConfusionCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Rows (or their weight) by what was decided and what was true."""

    true_positives: float
    false_positives: float
    false_negatives: float
    true_negatives: float


def confusion_counts(
    labels: ArrayLike,
    outputs: ArrayLike,
    *,
    threshold: float = 0.5,
    weights: ArrayLike | None = None,
    window: str = "this window",
) -> ConfusionCounts:
    """Return the confusion counts of a probability at a threshold (at or above decides 1).

    Raises:
        TooFewRowsError, NotFiniteError, MisalignedError: the rows do not fit.
    """
    label = binary_labels(labels, window=window)
    probability = probabilities(outputs, window=window)
    weight = (
        np.ones(len(label)) if weights is None else finite_column(weights, "weight", window=window)
    )
    same_length(label, probability, weight, window=window)
    cell = 2 * (probability >= threshold) + (label == 1)
    negative_negative, missed, wrong, found = np.bincount(cell, weights=weight, minlength=4)
    return ConfusionCounts(
        true_positives=float(found), false_positives=float(wrong),
        false_negatives=float(missed), true_negatives=float(negative_negative),
    )  # fmt: skip


def threshold_metrics(counts: ConfusionCounts, *, confidence: float = 0.95) -> tuple[Estimate, ...]:
    """Return accuracy, precision, recall, F1 and base rate with Wilson's intervals.

    F1 = 2j / (1 + j) of j = TP / (TP + FP + FN), a share of the rows that are not true negatives:
    its interval is the one of j, carried over. NaN where no row carries a figure.
    """
    found, wrong = counts.true_positives, counts.false_positives
    missed, quiet = counts.false_negatives, counts.true_negatives
    rows = found + wrong + missed + quiet
    jaccard = share_estimate("f1", found, found + wrong + missed, confidence)
    return (
        share_estimate("accuracy", found + quiet, rows, confidence),
        share_estimate("precision", found, found + wrong, confidence),
        share_estimate("recall", found, found + missed, confidence),
        msgspec.structs.replace(
            jaccard, value=_f1(jaccard.value), low=_f1(jaccard.low), high=_f1(jaccard.high)
        ),
        share_estimate("base_rate", found + missed, rows, confidence),
    )


def _f1(jaccard: float) -> float:
    return 2.0 * jaccard / (1.0 + jaccard)


def binary_metrics(
    labels: ArrayLike,
    outputs: ArrayLike,
    *,
    threshold: float = 0.5,
    confidence: float = 0.95,
    window: str = "this window",
) -> tuple[Estimate, ...]:
    """Return all figures of a binary task, each with its interval.

    In this order: auc, log_loss, brier, accuracy, precision, recall, f1, base_rate.

    Args:
        labels: 0 or 1, shape (rows,).
        outputs: probabilities of 1, shape (rows,).
        threshold: at or above it, the decision is 1.
        confidence: of each two-sided interval.
        window: what errors call these rows.

    Raises:
        OneClassError, TooFewRowsError, NotFiniteError, MisalignedError: the rows do not fit.
    """
    counts = confusion_counts(labels, outputs, threshold=threshold, window=window)
    return (
        auc(labels, outputs, confidence=confidence, window=window),
        mean_loss("log_loss", labels, outputs, confidence=confidence, window=window),
        mean_loss("brier", labels, outputs, confidence=confidence, window=window),
        *threshold_metrics(counts, confidence=confidence),
    )


def mean_loss(
    metric: str,
    labels: ArrayLike,
    outputs: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
    window: str = "this window",
) -> Estimate:
    """Return `brier` or `log_loss`, binary or multiclass, with a normal interval.

    Raises:
        TooFewRowsError, NotFiniteError, MisalignedError: the rows do not fit.
    """
    losses = row_losses(
        "brier" if metric == "brier" else "log_loss", labels, outputs, window=window
    )
    weight = None if weights is None else finite_column(weights, "weight", window=window)
    if weight is not None:
        same_length(losses, weight, window=window)
    return mean_estimate(metric, losses, weight, confidence)


def multiclass_metrics(
    labels: ArrayLike,
    outputs: ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    window: str = "this window",
) -> tuple[Estimate, ...]:
    """Return log_loss, brier, accuracy and macro_f1 of a multiclass task.

    The interval of macro F1 comes from 1,000 multinomial redraws of the confusion matrix.

    Args:
        labels: class codes from 0, shape (rows,).
        outputs: probabilities, shape (rows, classes).
        confidence: of each two-sided interval.
        seed: of the redraws; the same seed gives the same interval.
        window: what errors call these rows.

    Raises:
        TooFewRowsError, NotFiniteError, MisalignedError: the rows do not fit.
    """
    probability = probabilities(outputs, window=window)
    codes = class_codes(labels, probability, window=window)
    decided = probability.argmax(axis=1)
    classes = probability.shape[1]
    matrix = np.bincount(codes * classes + decided, minlength=classes * classes)
    rng = np.random.default_rng(seed)
    redrawn = rng.multinomial(len(codes), matrix / len(codes), size=1000)
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(_macro_f1(redrawn, classes), [tail, 1.0 - tail])
    return (
        mean_loss("log_loss", codes, probability, confidence=confidence, window=window),
        mean_loss("brier", codes, probability, confidence=confidence, window=window),
        share_estimate("accuracy", int((decided == codes).sum()), len(codes), confidence),
        Estimate(
            metric="macro_f1", value=float(_macro_f1(matrix[None], classes)[0]), low=float(low),
            high=float(high), rows=len(codes), confidence=confidence, method="bootstrap",
        ),
    )  # fmt: skip


def _macro_f1(matrices: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Mean F1 over the classes that occur as label or decision, per flattened matrix."""
    square = matrices.reshape(-1, classes, classes)
    found = np.diagonal(square, axis1=1, axis2=2)
    both = square.sum(axis=1) + square.sum(axis=2)
    f1 = np.divide(2.0 * found, both, out=np.zeros(both.shape), where=both > 0)
    macro: NDArray[np.float64] = f1.sum(axis=1) / np.maximum((both > 0).sum(axis=1), 1)
    return macro
