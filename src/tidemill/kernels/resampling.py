"""Block bootstrap: how often each draw takes each block, and intervals from the draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidemill.kernels.intervals import (
    normal_cdf,
    normal_quantile,
    student_t_cdf,
    student_t_quantile,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def block_codes(blocks: ArrayLike) -> tuple[NDArray[np.int64], int]:
    """Return a code 0 .. count-1 for each row's block (a day, an entity), and the count."""
    names, codes = np.unique(np.asarray(blocks), return_inverse=True)
    return codes.astype(np.int64), len(names)


def block_draws(blocks: int, draws: int, seed: int) -> NDArray[np.float64]:
    """Return how often each draw takes each block, shape (draws, blocks); a row sums to `blocks`.

    The same seed gives the same draws. Source: Efron 1979; blocks because rows of one day move
    together (Kuensch 1989).
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=draws).astype(np.float64)


def expanded_share(tail: float, blocks: int) -> float:
    """Return the share of draws to cut for a tail of `tail`: a little less, as blocks are few.

    The plain percentile interval is too narrow by sqrt((n-1)/n) and by normal for t tails.
    Source: Hesterberg, "What teachers should know about the bootstrap" (2015), section 5.3.
    """
    factor = np.sqrt(blocks / (blocks - 1.0))
    return normal_cdf(float(factor) * student_t_quantile(tail, blocks - 1))


def bootstrap_bounds(figures: NDArray[np.float64], tail: float, blocks: int) -> tuple[float, float]:
    """Return the bounds that leave `tail` on each side, from the figures of the draws."""
    share = expanded_share(tail, blocks)
    low, high = np.quantile(figures, [share, 1.0 - share])
    return float(low), float(high)


def ratio_bounds(
    draws: NDArray[np.float64], sums: NDArray[np.float64], rows: NDArray[np.float64], tail: float
) -> tuple[float, float]:
    """Return bounds of a mean loss, sum(sums) / sum(rows), that leave `tail` on each side.

    Squared errors of few groups are skewed: where by chance no group is bad, their spread is small
    too, and the plain interval ends below the truth. So each draw is judged by its own spread, on
    the logarithm, which the plain interval can only widen; no end is further than twice that of t.

    Args:
        draws: how often each draw takes each block, shape (draws, blocks).
        sums: of the loss in each block, not negative, shape (blocks,).
        rows: or their weight, of each block, shape (blocks,).
        tail: such as 0.025.

    Source: bootstrap-t, Efron, Tibshirani, "An introduction to the bootstrap" (1993), 12.5; errors
    of a ratio by linearization, Cochran, "Sampling techniques" (1977), 6.3.
    """
    blocks = len(sums)
    taken, means = draws @ rows, np.zeros(len(draws))
    np.divide(draws @ sums, taken, out=means, where=taken > 0)
    means, draws, taken = means[taken > 0], draws[taken > 0], taken[taken > 0]
    low, high = bootstrap_bounds(means, tail, blocks)
    mean = float(sums.sum() / rows.sum())
    error = float(_relative_errors(np.ones((1, blocks)), sums, rows)[0])
    half = error * float(np.sqrt(blocks / (blocks - 1.0)))
    errors = _relative_errors(draws, sums, rows)
    usable = (errors > 0.0) & (means > 0.0)
    if not (mean > 0.0 and error > 0.0 and usable.mean() > 0.95):
        return low, high
    studentized = (np.log(means[usable]) - np.log(mean)) / errors[usable]
    most = -2.0 * student_t_quantile(tail, blocks - 1)
    below, above = np.clip(np.quantile(studentized, [tail, 1.0 - tail]), -most, most)
    wide = (mean * np.exp(-above * half), mean * np.exp(-below * half))
    return min(low, float(wide[0])), max(high, float(wide[1]))


def _relative_errors(
    draws: NDArray[np.float64], sums: NDArray[np.float64], rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the standard error of each draw's ratio, as a share of it; 0 where there is none."""
    blocks = len(sums)
    whole, taken = draws @ sums, draws @ rows
    means = whole / taken
    squares = draws @ (sums * sums) - 2.0 * means * (draws @ (sums * rows))
    squares += means * means * (draws @ (rows * rows))
    scaled = np.sqrt(np.maximum(squares, 0.0) * (blocks / (blocks - 1.0)))
    errors: NDArray[np.float64] = np.divide(
        scaled, whole, out=np.zeros(len(draws)), where=whole > 0
    )
    errors[errors < 1e-7] = 0.0  # what cancellation leaves
    return errors


def bootstrap_p_value(figures: NDArray[np.float64], bound: float, blocks: int) -> float:
    """Return the one-sided p-value of "the figure is at most `bound`".

    It is below 0.05 where the lower bound at 95 % lies above `bound`, but for the grain of draws.
    """
    share = (1 + int((figures <= bound).sum())) / (len(figures) + 2)
    z = normal_quantile(share) * float(np.sqrt((blocks - 1.0) / blocks))
    return student_t_cdf(z, blocks - 1)


def random_parts(rows: int, parts: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Return a random part 0 .. parts-1 for each row, all of nearly the same size, shape (rows,).

    Parts of independent rows are independent, so that they can stand for blocks.
    """
    return np.random.default_rng(seed).permutation(np.arange(rows, dtype=np.int64) % parts)
