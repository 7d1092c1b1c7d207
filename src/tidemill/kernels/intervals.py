"""Intervals: the estimate of a figure with its error, and the distributions behind it."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tidemill.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_NORMAL = NormalDist()
_TINY = 1e-300


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of a window with its interval. `rows` carried it; `method` names the interval."""

    metric: str
    value: float
    low: float
    high: float
    rows: int
    confidence: float = 0.95
    method: str = "normal"


def normal_cdf(z: float) -> float:
    """Return the share of a standard normal below `z`, also exact far in the lower tail.

    >>> round(normal_cdf(1.96), 4)
    0.975
    """
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def normal_quantile(share: float) -> float:
    """Return the value below which `share` of a standard normal lies; infinite at 0 and 1.

    Source: Wichura, Algorithm AS 241, Applied Statistics 37 (1988), as in Python's `statistics`.

    >>> round(normal_quantile(0.975), 4)
    1.96
    """
    if share <= 0.0 or share >= 1.0:
        return math.copysign(math.inf, share - 0.5)
    return _NORMAL.inv_cdf(share)


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), with a, b > 0.

    Source: continued fraction of DLMF 8.17.22, evaluated by Lentz's method.
    """
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    if x > (a + 1.0) / (a + b + 2.0):  # the fraction converges fast on the other side only
        return 1.0 - math.exp(log_front) * _beta_fraction(1.0 - x, b, a) / b
    return math.exp(log_front) * _beta_fraction(x, a, b) / a


def _beta_fraction(x: float, a: float, b: float) -> float:
    numerator, denominator = 1.0, _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    denominator = 1.0 / denominator
    value = denominator
    for m in range(1, 20_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            denominator = 1.0 / _away_from_zero(1.0 + term * denominator)
            numerator = _away_from_zero(1.0 + term / numerator)
            value *= numerator * denominator
        if abs(numerator * denominator - 1.0) < 1e-15:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def beta_quantile(share: float, a: float, b: float) -> float:
    """Return x with I_x(a, b) = `share`, to about 1e-14.

    >>> round(beta_quantile(0.5, 2.0, 2.0), 6)
    0.5
    """
    return _bisect(lambda x: beta_cdf(x, a, b) < share, 0.0, 1.0)


def _bisect(is_below: Callable[[float], bool], low: float, high: float) -> float:
    while True:
        middle = 0.5 * (low + high)
        if middle in {low, high} or high - low < 1e-15:
            return middle
        if is_below(middle):
            low = middle
        else:
            high = middle


def student_t_cdf(t: float, degrees: float) -> float:
    """Return the share of Student's t with `degrees` of freedom below `t`."""
    upper = 0.5 * beta_cdf(degrees / (degrees + t * t), degrees / 2.0, 0.5)
    return 1.0 - upper if t > 0 else upper


def student_t_quantile(share: float, degrees: float) -> float:
    """Return the value below which `share` of Student's t lies.

    >>> round(student_t_quantile(0.975, 10), 3)
    2.228
    """
    tail = min(share, 1.0 - share)
    if tail <= 0.0:
        return math.copysign(math.inf, share - 0.5)
    x = beta_quantile(2.0 * tail, degrees / 2.0, 0.5)
    return math.copysign(math.sqrt(degrees * (1.0 - x) / x), share - 0.5) if x else -math.inf


def two_sided_z(confidence: float) -> float:
    """Return the normal quantile of a two-sided interval.

    Raises:
        UsageError: `confidence` is not between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise UsageError(
            f"a confidence of {confidence} is not between 0 and 1", fix="use 0.95 for 95 %"
        )
    return normal_quantile(0.5 + confidence / 2.0)


def wilson_interval(successes: float, rows: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a share; (0, 1) for no rows.

    Source: Wilson 1927; recommended by Brown, Cai, DasGupta 2001.

    >>> tuple(round(end, 4) for end in wilson_interval(8, 10))
    (0.4902, 0.9433)
    """
    if rows <= 0:
        return 0.0, 1.0
    z = two_sided_z(confidence)
    share, scale = successes / rows, 1.0 + z * z / rows
    centre = (share + z * z / (2.0 * rows)) / scale
    half = z / scale * math.sqrt(share * (1.0 - share) / rows + z * z / (4.0 * rows * rows))
    low = 0.0 if successes <= 0 else max(0.0, centre - half)
    return low, 1.0 if successes >= rows else min(1.0, centre + half)


def clopper_pearson_interval(
    successes: int, rows: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the exact interval of a share: it covers at least as often as it says.

    Source: Clopper, Pearson 1934.
    """
    if rows <= 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2.0
    low = beta_quantile(tail, successes, rows - successes + 1) if successes > 0 else 0.0
    high = beta_quantile(1.0 - tail, successes + 1, rows - successes) if successes < rows else 1.0
    return low, high


def logit_interval(
    value: float, standard_error: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Return an interval of a figure in (0, 1), symmetric in its log-odds, so inside [0, 1].

    At 0 or 1 exactly the log-odds do not exist; a normal interval, cut at 0 and 1, stands in.
    """
    z = two_sided_z(confidence)
    if not 0.0 < value < 1.0:
        return max(0.0, value - z * standard_error), min(1.0, value + z * standard_error)
    centre = math.log(value) - math.log1p(-value)
    half = z * standard_error / (value * (1.0 - value))
    return _sigmoid(centre - half), _sigmoid(centre + half)


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-min(x, 700.0)))
    return math.exp(max(x, -700.0)) / (1.0 + math.exp(max(x, -700.0)))


def share_estimate(
    metric: str, successes: float, rows: float, confidence: float = 0.95
) -> Estimate:
    """Return a share with Wilson's interval; NaN and (0, 1) when no row carries it."""
    low, high = wilson_interval(successes, rows, confidence)
    return Estimate(
        metric=metric, value=successes / rows if rows else math.nan, low=low, high=high,
        rows=round(rows), confidence=confidence, method="wilson",
    )  # fmt: skip


def mean_estimate(
    metric: str,
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Return the (weighted) mean of a column with a normal interval.

    Args:
        metric: the figure's name.
        values: one a row, shape (rows,), at least one.
        weights: one a row, not negative; rows then counts for its share of their sum.
        confidence: of the two-sided interval.
    """
    shares = np.full(len(values), 1.0 / len(values)) if weights is None else weights / weights.sum()
    mean = float(shares @ values)
    kish = 1.0 / float(shares @ shares)  # effective rows, Kish 1965
    variance = float(shares @ (values - mean) ** 2) / max(kish - 1.0, 1e-9)
    half = two_sided_z(confidence) * math.sqrt(variance)
    return Estimate(
        metric=metric, value=mean, low=mean - half, high=mean + half,
        rows=len(values), confidence=confidence,
    )  # fmt: skip
