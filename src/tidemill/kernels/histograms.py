"""Statistics of a column that merge in any order: counts, extremes, sums, log histogram."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tidemill.core.errors import UsageError
from tidemill.kernels.exact_sums import ZERO, Dyadic, dyadic, exact_total, fraction

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

SHIFT = 45
"""Bits of a float64 that a bin ignores: 7 bits of mantissa stay, 128 bins an octave."""

MAX_BINS = 8192
RELATIVE_ERROR = 1.0 / 256.0
"""Bound of a quantile's relative error while no bins were joined; doubles with each `level`."""


class LogHistogram(msgspec.Struct, frozen=True, kw_only=True):
    """Rows by sign, exponent and first bits of mantissa; sparse, `keys` rising with the value.

    A key is `bits(abs x) >> (45 + level)` with the sign of x; 0 holds zero. Integers only, so it
    is the same on every machine, in any order. Source: DDSketch (Masson, Rim, Lee, VLDB 2019)
    with the linear mapping of HdrHistogram.
    """

    keys: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    level: int = 0


class NumberStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a numeric column. `rows` = `nulls` + `nans` + values.

    `total` and `squares` are exact over the finite values (up to the rounding inside one chunk),
    so that merging is associative; minimum and maximum include infinities.
    """

    rows: int = 0
    nulls: int = 0
    nans: int = 0
    zeros: int = 0
    negatives: int = 0
    infinities: int = 0
    minimum: float | None = None
    maximum: float | None = None
    total: Dyadic = ZERO
    squares: Dyadic = ZERO
    histogram: LogHistogram = LogHistogram()

    @property
    def finite(self) -> int:
        """Values that are neither null, NaN nor infinite."""
        return self.rows - self.nulls - self.nans - self.infinities

    @property
    def mean(self) -> float | None:
        """The mean of the finite values."""
        return float(fraction(self.total) / self.finite) if self.finite else None

    @property
    def standard_deviation(self) -> float | None:
        """The sample standard deviation of the finite values; None below two of them."""
        if self.finite < 2:
            return None
        total, squares = fraction(self.total), fraction(self.squares)
        variance = (squares - total * total / self.finite) / (self.finite - 1)
        return _root(max(variance, Fraction(0)))


def _root(value: Fraction) -> float:
    """Square root of a fraction that may itself be too large or small for a float."""
    half = (value.numerator.bit_length() - value.denominator.bit_length()) // 2
    return math.ldexp(math.sqrt(value / Fraction(4) ** half), half)


def number_statistics(values: ArrayLike, *, nulls: int = 0) -> NumberStatistics:
    """Return the statistics of one chunk: its values without nulls, and how many nulls it had.

    Args:
        values: numbers, NaN allowed, shape (rows - nulls,).
        nulls: rows of the chunk without a value.
    """
    given = np.asarray(values, dtype=np.float64)
    known = given[~np.isnan(given)]
    finite = known[np.isfinite(known)]
    total, squares = _moments(finite)
    return NumberStatistics(
        rows=len(given) + nulls,
        nulls=nulls,
        nans=len(given) - len(known),
        zeros=int((known == 0).sum()),
        negatives=int((known < 0).sum()),
        infinities=len(known) - len(finite),
        minimum=float(known.min()) + 0.0 if len(known) else None,  # + 0.0: no negative zero
        maximum=float(known.max()) + 0.0 if len(known) else None,
        total=total,
        squares=squares,
        histogram=log_histogram(known),
    )


def _moments(finite: NDArray[np.float64]) -> tuple[Dyadic, Dyadic]:
    """Sum, and sum of squares as (squares about the mean) + n mean^2, so that nothing cancels."""
    if not len(finite):
        return ZERO, ZERO
    scale = 2.0 ** max(0, int(np.frexp(np.abs(finite).max())[1]) - 400)  # squares stay finite
    scaled = finite / scale
    mean = float(scaled.mean())
    about = Fraction(float(np.square(scaled - mean).sum()))
    rest = Fraction(float((scaled - mean).sum()))
    n, exact_mean, unit = len(finite), Fraction(mean), Fraction(scale)
    total = (n * exact_mean + rest) * unit
    squares = (about + 2 * exact_mean * rest + n * exact_mean**2) * unit**2
    return dyadic(total), dyadic(squares)


def merged_statistics(left: NumberStatistics, right: NumberStatistics) -> NumberStatistics:
    """Return the statistics of both parts together; the order of merging changes no bit."""
    return NumberStatistics(
        rows=left.rows + right.rows,
        nulls=left.nulls + right.nulls,
        nans=left.nans + right.nans,
        zeros=left.zeros + right.zeros,
        negatives=left.negatives + right.negatives,
        infinities=left.infinities + right.infinities,
        minimum=min((m for m in (left.minimum, right.minimum) if m is not None), default=None),
        maximum=max((m for m in (left.maximum, right.maximum) if m is not None), default=None),
        total=exact_total(left.total, right.total),
        squares=exact_total(left.squares, right.squares),
        histogram=merged_histograms(left.histogram, right.histogram),
    )


def log_histogram(values: NDArray[np.float64]) -> LogHistogram:
    """Return the histogram of numbers that are not NaN; O(n log n), about 10 ns a value."""
    magnitudes = np.ascontiguousarray(np.abs(values)).view(np.int64) >> SHIFT
    keys, counts = np.unique(np.where(values < 0, -magnitudes, magnitudes), return_counts=True)
    return _fitted(keys, counts, 0)


def merged_histograms(left: LogHistogram, right: LogHistogram) -> LogHistogram:
    """Return the histogram of both; bins are joined in pairs while there are over 8,192."""
    level = max(left.level, right.level)
    keys = np.concatenate([_at_level(part, level) for part in (left, right)])
    counts = np.concatenate([np.array(part.counts, np.int64) for part in (left, right)])
    return _fitted(*_grouped(keys, counts), level)


def _at_level(histogram: LogHistogram, level: int) -> NDArray[np.int64]:
    return _joined(np.array(histogram.keys, np.int64), level - histogram.level)


def _joined(keys: NDArray[np.int64], levels: int) -> NDArray[np.int64]:
    joined: NDArray[np.int64] = np.sign(keys) * (np.abs(keys) >> levels)
    return joined


def _grouped(
    keys: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    unique, inverse = np.unique(keys, return_inverse=True)
    totals = np.zeros(len(unique), np.int64)
    np.add.at(totals, inverse, counts)
    return unique, totals


def _fitted(keys: NDArray[np.int64], counts: NDArray[np.int64], level: int) -> LogHistogram:
    while len(keys) > MAX_BINS:
        keys, counts = _grouped(_joined(keys, 1), counts)
        level += 1
    return LogHistogram(keys=tuple(keys.tolist()), counts=tuple(counts.tolist()), level=level)


def bin_middles(histogram: LogHistogram) -> NDArray[np.float64]:
    """Return the middle of each bin, shape (bins,); at most 1/256 from any value in it."""
    keys = np.array(histogram.keys, np.int64)
    shift = SHIFT + histogram.level
    bits = (np.abs(keys) << shift) + (1 << (shift - 1))
    is_infinite = bits >= np.float64(np.inf).view(np.int64)
    middles = np.where(is_infinite, 0, bits).view(np.float64)
    middles = np.where(is_infinite, np.inf, np.where(keys == 0, 0.0, middles))
    signed: NDArray[np.float64] = np.sign(keys) * middles if len(keys) else middles
    return np.where(keys == 0, 0.0, signed)


def quantile(statistics: NumberStatistics, share: float) -> float | None:
    """Return the value at rank floor(share x (n - 1)), to 1/256 of itself; None without values.

    Raises:
        UsageError: `share` is not in [0, 1].
    """
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"a quantile at {share} does not exist", fix="use a share in [0, 1]")
    histogram = statistics.histogram
    if statistics.minimum is None or statistics.maximum is None:
        return None
    below = np.cumsum(histogram.counts)
    place = int(np.searchsorted(below, math.floor(share * (int(below[-1]) - 1)), side="right"))
    middle = float(bin_middles(histogram)[place])
    return min(max(middle, statistics.minimum), statistics.maximum)
