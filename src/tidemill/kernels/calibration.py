"""Calibration: do events that are told with 30 percent happen in 30 percent of the cases?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.intervals import Estimate, normal_cdf, two_sided_z, wilson_interval
from tidemill.kernels.metric_sums import row_weights
from tidemill.kernels.sample_checks import (
    binary_labels,
    both_classes,
    probabilities,
    same_length,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

EQUAL_MASS_BINS = 15
_NEWTON_STEPS = 50
_CLIP = 1e-9


class SeparatedError(InvalidInputError):
    """The labels follow the scores without an exception, so that no slope is the best."""

    code = "TM434"


class CalibrationBin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of neighbouring probabilities: what was told, what came (with Wilson's 95 %).

    `weight` is that of its rows; `effective_rows` of equal weight would carry as much (Kish 1965).
    """

    rows: int
    mean_probability: float
    share: float
    low: float
    high: float
    weight: float
    effective_rows: float


class Recalibration(msgspec.Struct, frozen=True, kw_only=True):
    """logit P(label = 1) = intercept + slope * logit(probability); (0, 1) is perfect."""

    intercept: Estimate
    slope: Estimate


def calibration_bins(
    labels: ArrayLike,
    outputs: ArrayLike,
    *,
    bins: int = EQUAL_MASS_BINS,
    weights: ArrayLike | None = None,
    window: str = "this window",
) -> tuple[CalibrationBin, ...]:
    """Return bins of equally many rows, by rising probability; equal probabilities share a bin.

    With weights, what was told and what came are weighted; rows of weight 0 are left out.

    Raises:
        TooFewRowsError, NotFiniteError, MisalignedError: the rows do not fit.
    """
    label, probability = _rows(labels, outputs, window)
    weight = (
        np.ones(len(label))
        if weights is None
        else row_weights(weights, rows=len(label), window=window)
    )
    label, probability, weight = (part[weight > 0] for part in (label, probability, weight))
    order = np.argsort(probability, kind="stable")
    ordered, own = probability[order], weight[order]
    starts = np.unique(np.searchsorted(ordered, ordered[np.arange(bins) * len(ordered) // bins]))
    rows = np.diff(np.append(starts, len(ordered)))
    mass = np.add.reduceat(own, starts)
    columns = (
        rows, mass, np.add.reduceat(own * ordered, starts) / mass,
        np.add.reduceat(own * label[order], starts) / mass,
        mass**2 / np.add.reduceat(own * own, starts),
    )  # fmt: skip
    found = []
    for count, total, told, came, effective in zip(*(c.tolist() for c in columns), strict=True):
        low, high = wilson_interval(came * effective, effective)
        found.append(
            CalibrationBin(
                rows=count, mean_probability=told, share=came, low=low, high=high,
                weight=total, effective_rows=effective,
            )
        )  # fmt: skip
    return tuple(found)


def expected_calibration_error(bins: tuple[CalibrationBin, ...]) -> float:
    """Return the mean distance of what was told and what came, less what noise alone adds; >= 0.

    The plain figure is too large, since |distance + noise| is; the excess is that of a normal
    with the bin's own error. Source: after Kumar, Liang, Ma, "Verified uncertainty calibration"
    (2019), with the excess taken at the likely distance in place of the observed one.
    """
    mass = sum(one.weight for one in bins)
    total = 0.0
    for one in bins:
        gap = abs(one.share - one.mean_probability)
        told = one.mean_probability  # its error, not the share's: that of a share of 0 would be 0
        error = math.sqrt(told * (1.0 - told) / one.effective_rows)
        likely = max(0.0, gap - error * math.sqrt(2.0 / math.pi))
        total += one.weight * (gap + likely - _mean_of_folded_normal(likely, error))
    return max(0.0, total / mass)


def _mean_of_folded_normal(mean: float, error: float) -> float:
    if error == 0.0:
        return mean
    z = mean / error
    density = error * math.sqrt(2.0 / math.pi) * math.exp(-z * z / 2.0)
    return density + mean * (1.0 - 2.0 * normal_cdf(-z))


def recalibration(
    labels: ArrayLike,
    outputs: ArrayLike,
    *,
    confidence: float = 0.95,
    window: str = "this window",
) -> Recalibration:
    """Return calibration intercept and slope: a logistic regression on the log-odds, by Newton.

    A slope below 1 says that the probabilities are too extreme; an intercept below 0 (at slope
    1), that they are too high. Source: Cox 1958; Van Calster et al. 2019.

    Raises:
        OneClassError, TooFewRowsError, NotFiniteError, MisalignedError: the rows do not fit.
        SeparatedError: no finite intercept and slope is best.
    """
    label, probability = _rows(labels, outputs, window)
    both_classes(label, window=window)
    clipped = np.clip(probability, _CLIP, 1.0 - _CLIP)
    odds = np.log(clipped) - np.log1p(-clipped)
    if np.ptp(odds) == 0:
        raise SeparatedError(
            f"all probabilities of {window} are {probability[0]:g}, which gives no slope",
            fix="compare the base rate with the probability instead",
        )
    design = np.column_stack([np.ones(len(odds)), odds])
    coefficients, covariance = _newton(design, label, window)
    z = two_sided_z(confidence)
    intercept, slope = (
        Estimate(
            metric=metric, value=float(value), low=float(value - z * error),
            high=float(value + z * error), rows=len(label), confidence=confidence,
        )
        for metric, value, error in zip(
            ("calibration_intercept", "calibration_slope"),
            coefficients, np.sqrt(np.diag(covariance)), strict=True,
        )
    )  # fmt: skip
    return Recalibration(intercept=intercept, slope=slope)


def _newton(
    design: NDArray[np.float64], label: NDArray[np.float64], window: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maximise the likelihood by Newton with halved steps; returns coefficients, covariance."""
    coefficients = np.zeros(2)
    loss = _logistic_loss(design @ coefficients, label)
    for _ in range(_NEWTON_STEPS):
        fitted = 1.0 / (1.0 + np.exp(-np.clip(design @ coefficients, -500, 500)))
        hessian = (design * (fitted * (1.0 - fitted))[:, None]).T @ design
        if np.linalg.cond(hessian) > 1e14:
            break
        step = np.linalg.solve(hessian, design.T @ (label - fitted))
        while (new := _logistic_loss(design @ (coefficients + step), label)) > loss + 1e-12 * abs(
            loss
        ):
            step /= 2.0
        coefficients, loss = coefficients + step, new
        if np.abs(step).max() < 1e-10 * (1.0 + np.abs(coefficients).max()):
            return coefficients, np.asarray(np.linalg.inv(hessian), dtype=np.float64)
    raise SeparatedError(
        f"the labels of {window} follow the scores without exception; no slope is the best",
        fix="widen the window (--window 30d), or check that no feature gives the label away",
    )


def _logistic_loss(odds: NDArray[np.float64], label: NDArray[np.float64]) -> float:
    return float(np.sum(np.logaddexp(0.0, odds) - label * odds))


def _rows(
    labels: ArrayLike, outputs: ArrayLike, window: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    label = binary_labels(labels, window=window)
    probability = probabilities(outputs, window=window)
    same_length(label, probability, window=window)
    return label, probability
