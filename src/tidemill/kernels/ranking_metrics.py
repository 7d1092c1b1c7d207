"""Ranking metrics: the area under the ROC curve with DeLong's error, and average precision."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tidemill.kernels.intervals import Estimate, logit_interval
from tidemill.kernels.sample_checks import (
    MisalignedError,
    binary_labels,
    both_classes,
    finite_column,
    same_length,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 1, equal values sharing the middle of theirs; O(n log n).

    >>> midranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: NDArray[np.float64] = (last - (counts - 1) / 2.0)[codes]
    return middle


def area_under_curve(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    window: str = "this window",
) -> float:
    """Return the chance that a positive row has a higher score than a negative one, ties half.

    Args:
        labels: 0 or 1, shape (rows,).
        scores: any finite numbers, higher is more positive, shape (rows,).
        weights: optional, not negative, shape (rows,).
        window: what errors call these rows.

    Raises:
        OneClassError, TooFewRowsError, NotFiniteError, MisalignedError: the rows cannot be ranked.

    >>> area_under_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    label, score = _rows(labels, scores, window)
    if weights is None:
        positives = label.sum()
        rank_sum = midranks(score)[label == 1].sum() - positives * (positives + 1) / 2.0
        return float(rank_sum / (positives * (len(label) - positives)))
    weight = finite_column(weights, "weight", window=window)
    same_length(label, weight, window=window)
    _, codes = np.unique(score, return_inverse=True)
    positive = np.bincount(codes, weights=weight * label)
    negative = np.bincount(codes, weights=weight * (1.0 - label))
    total = positive.sum() * negative.sum()
    if total <= 0:
        raise MisalignedError(
            f"the weights of one class of {window} sum to 0",
            fix="give both classes positive weight, or leave the weights out",
        )
    return float(positive @ (np.cumsum(negative) - negative / 2.0) / total)


def delong_covariance(
    labels: ArrayLike, scores: ArrayLike, *, window: str = "this window"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the areas of several models on the same rows, and their covariance matrix.

    Args:
        labels: 0 or 1, shape (rows,).
        scores: shape (models, rows).
        window: what errors call these rows.

    Returns:
        Areas, shape (models,), and covariance, shape (models, models); one row of a class gives
        no variance for that class.

    Source: DeLong et al. 1988; fast midranks of Sun, Xu, IEEE Signal Processing Letters 21 (2014).
    """
    rows = [_rows(labels, score, window) for score in np.atleast_2d(np.asarray(scores))]
    placements = [_placements(label, score) for label, score in rows]
    of_positives = np.array([positive for positive, _ in placements])
    of_negatives = np.array([negative for _, negative in placements])
    covariance = _covariance(of_positives) + _covariance(of_negatives)
    return of_positives.mean(axis=1), covariance


def auc(
    labels: ArrayLike, scores: ArrayLike, *, confidence: float = 0.95, window: str = "this window"
) -> Estimate:
    """Return the area under the ROC curve with DeLong's error and an interval inside [0, 1].

    The interval takes rows as independent; days that move together need `paired_comparison` or
    blocks. Raises as `area_under_curve`.
    """
    areas, covariance = delong_covariance(labels, scores, window=window)
    value = float(areas[0])
    low, high = logit_interval(value, math.sqrt(max(covariance[0, 0], 0.0)), confidence)
    return Estimate(
        metric="auc", value=value, low=low, high=high, rows=np.size(np.asarray(labels)),
        confidence=confidence, method="delong-logit",
    )  # fmt: skip


def average_precision(
    labels: ArrayLike, scores: ArrayLike, *, window: str = "this window"
) -> float:
    """Return the mean of precision over the steps of recall (no interpolation), in [0, 1].

    Raises as `area_under_curve`.
    """
    label, score = _rows(labels, scores, window)
    _, codes = np.unique(-score, return_inverse=True)
    positive = np.bincount(codes, weights=label)
    precision = np.cumsum(positive) / np.cumsum(np.bincount(codes))
    return float(positive @ precision / positive.sum())


def _rows(
    labels: ArrayLike, scores: ArrayLike, window: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    label = binary_labels(labels, window=window, rows=2)
    score = finite_column(scores, "score", window=window, rows=2)
    same_length(label, score, window=window)
    both_classes(label, window=window)
    return label, score


def _placements(
    label: NDArray[np.float64], score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of negatives below each positive, and share of positives above each negative."""
    is_positive = label == 1
    ranks = midranks(score)
    positives, negatives = score[is_positive], score[~is_positive]
    below = (ranks[is_positive] - midranks(positives)) / len(negatives)
    above = 1.0 - (ranks[~is_positive] - midranks(negatives)) / len(positives)
    return below, above


def _covariance(placements: NDArray[np.float64]) -> NDArray[np.float64]:
    models, rows = placements.shape
    if rows < 2:
        return np.zeros((models, models))
    return np.asarray(np.cov(placements) / rows).reshape(models, models)
