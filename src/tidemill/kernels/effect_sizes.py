"""Effect sizes: how far two histograms over the same bins are apart, less their noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tidemill.kernels.sample_checks import MisalignedError, TooFewRowsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MIN_ROWS = 30
REDRAWS = 200


class EffectSize(msgspec.Struct, frozen=True, kw_only=True):
    """A distance with the interval of 200 multinomial redraws of both windows' counts."""

    measure: str
    value: float
    low: float
    high: float


def population_stability_index(
    expected: NDArray[np.int64], actual: NDArray[np.int64], *, floor: float = 1e-4
) -> float:
    """Return the population stability index of two histograms, in nats.

    0 means equal shares; symmetric in its arguments; larger is further apart.

    Args:
        expected: rows per bin in the reference window, shape (bins,).
        actual: rows per bin in the current window, shape (bins,), same bin edges.
        floor: least share given to an empty bin, so that the logarithm stays finite.

    Raises:
        TooFewRowsError: either window has fewer than `MIN_ROWS` rows.
        MisalignedError: the histograms have different bins.

    Source: Siddiqi, Credit Risk Scorecards (2006), ch. 6.

    >>> round(population_stability_index(np.array([50, 50]), np.array([90, 10])), 4)
    0.8789
    """
    p, q = _shares(expected, actual)
    p, q = np.maximum(p, floor), np.maximum(q, floor)
    return float(np.sum((q - p) * np.log(q / p)))


def corrected_stability_index(
    expected: NDArray[np.int64], actual: NDArray[np.int64], *, floor: float = 1e-4
) -> float:
    """Return the population stability index less what noise alone gives: (B - 1)(1/n + 1/N).

    B counts the bins that either window fills. About 0, and then also negative, where nothing has
    changed, however few rows there are. Raises as `population_stability_index`.
    """
    plain = population_stability_index(expected, actual, floor=floor)
    filled = int(((expected > 0) | (actual > 0)).sum())
    return plain - (filled - 1) * (1.0 / float(expected.sum()) + 1.0 / float(actual.sum()))


def jensen_shannon_distance(expected: NDArray[np.int64], actual: NDArray[np.int64]) -> float:
    """Return the Jensen-Shannon distance with logarithms to base 2: 0 equal, 1 disjoint; a metric.

    Raises as `population_stability_index`. Source: Endres, Schindelin 2003.
    """
    p, q = _shares(expected, actual)
    middle = (p + q) / 2.0
    divergence = (_entropy_against(p, middle) + _entropy_against(q, middle)) / 2.0
    return float(np.sqrt(max(divergence, 0.0)))


def _entropy_against(p: NDArray[np.float64], middle: NDArray[np.float64]) -> float:
    is_filled = p > 0
    return float(np.sum(p[is_filled] * np.log2(p[is_filled] / middle[is_filled])))


def wasserstein_distance(
    expected: NDArray[np.int64], actual: NDArray[np.int64], positions: NDArray[np.float64]
) -> float:
    """Return Wasserstein-1: how far rows must move on the average, in the units of `positions`.

    Args:
        expected: rows per bin in the reference window, shape (bins,).
        actual: rows per bin in the current window, shape (bins,).
        positions: where each bin lies, finite and not falling, shape (bins,).

    Raises:
        TooFewRowsError, MisalignedError: as `population_stability_index`.

    >>> half = np.array([50, 0])
    >>> wasserstein_distance(half, half[::-1], np.array([1.0, 4.0]))
    3.0
    """
    p, q = _shares(expected, actual)
    if len(positions) != len(p) or (np.diff(positions) < 0).any():
        raise MisalignedError(
            f"{len(positions)} positions do not give {len(p)} bins in rising order",
            fix="give one position a bin, from the lowest to the highest",
        )
    return float(np.abs(np.cumsum(p - q))[:-1] @ np.diff(positions))


def with_interval(
    measure: str,
    distance: Callable[[NDArray[np.int64], NDArray[np.int64]], float],
    expected: NDArray[np.int64],
    actual: NDArray[np.int64],
    *,
    seed: int = 0,
) -> EffectSize:
    """Return a distance with a 95 % interval from redraws of both windows (rows independent).

    Redraws add the noise of sampling once more, so their quantiles are moved by what their median
    is off; a distance is not negative. The interval says how sure the size is, not whether there is
    a change: that is the detector's promise.
    """
    value = distance(expected, actual)
    rng = np.random.default_rng(seed)
    redrawn = [
        rng.multinomial(counts.sum(), counts / counts.sum(), size=REDRAWS)
        for counts in (expected, actual)
    ]
    distances = [distance(one, other) for one, other in zip(*redrawn, strict=True)]
    low, middle, high = (float(part) for part in np.quantile(distances, [0.025, 0.5, 0.975]))
    return EffectSize(
        measure=measure, value=max(value, 0.0), low=max(value + low - middle, 0.0),
        high=max(value + high - middle, 0.0),
    )  # fmt: skip


def _shares(
    expected: NDArray[np.int64], actual: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if expected.shape != actual.shape:
        raise MisalignedError(
            f"histograms of {len(expected)} and {len(actual)} bins cannot be compared",
            fix="count both windows over the reference's bins",
        )
    for name, counts in (("expected", expected), ("actual", actual)):
        if counts.sum() < MIN_ROWS:
            raise TooFewRowsError(
                f"the {name} window has {counts.sum()} rows; {MIN_ROWS} are needed",
                fix="widen the window (--window 7d) or lower the check's `min_rows`",
            )
    return expected / expected.sum(), actual / actual.sum()
