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
