"""Two windows, one column: is their difference more than chance? Exact by permutation of blocks.

Each column is told by histograms over bins that both windows fix together. Where the blocks of the
rows (a day, an entity; else each row by itself) could as well have come in the other window, the
chance of a p-value at or below `a` is at most `a`, however the rows of a block hang together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

EXCEEDED = 20
"""After so many draws as far apart as the windows the answer is no: Besag, Clifford 1991."""
BATCH = 500


class ColumnTest(msgspec.Struct, frozen=True, kw_only=True):
    """A p-value from `draws` permutations."""

    p_value: float
    draws: int


def numeric_distance(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far histograms over ordered bins are apart: weighs the ends like the middle.

    Args:
        old: shares per bin, shape (..., bins).
        new: shares per bin, the same shape.

    Source: Anderson, Darling 1952, over bins: squared difference of the cumulated shares over
    their variance.
    """
    pooled = np.cumsum((old + new) / 2.0, axis=-1)[..., :-1]
    gap = np.cumsum(old - new, axis=-1)[..., :-1]
    variance = np.maximum(pooled * (1.0 - pooled), 1e-12)
    distance: NDArray[np.float64] = (gap * gap / variance).mean(axis=-1)
    return distance


def level_distance(old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far shares of levels are apart: chi-square of homogeneity, a row.

    Arguments as `numeric_distance`; the order of levels does not matter.
    """
    pooled = old + new
    gap = (old - new) ** 2
    distance: NDArray[np.float64] = np.divide(
        gap, pooled, out=np.zeros_like(gap), where=pooled > 0
    ).sum(axis=-1)
    return distance


def rows_test(
    old: NDArray[np.int64],
    new: NDArray[np.int64],
    distance: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    *,
    draws: int,
    rng: np.random.Generator,
) -> ColumnTest:
    """Return the test of two histograms of independent rows, shape (bins,) each.

    A draw deals all rows anew into windows of the same sizes (multivariate hypergeometric).
    """
    pooled, size = old + new, int(old.sum())
    told = _distances(old[None], new[None], distance)[0]

    def drawn(count: int) -> NDArray[np.float64]:
        dealt = rng.multivariate_hypergeometric(pooled, size, size=count, method="marginals")
        return _distances(dealt, pooled - dealt, distance)

    return _sequential(told, drawn, draws)


def blocks_test(
    blocks: NDArray[np.int64],
    is_new: NDArray[np.bool_],
    distance: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    *,
    draws: int,
    rng: np.random.Generator,
) -> ColumnTest:
    """Return the test of histograms a block, shape (blocks, bins): a draw deals whole blocks anew.

    `is_new` says in which window each block is, shape (blocks,).
    """
    counts = blocks.astype(np.float64)
    total = counts.sum(axis=0)

    def apart(mask: NDArray[np.float64]) -> NDArray[np.float64]:
        new = mask @ counts
        return _distances(total - new, new, distance)

    told = apart(is_new[None].astype(np.float64))[0]

    def drawn(count: int) -> NDArray[np.float64]:
        order = np.argsort(rng.random((count, len(is_new))), axis=1)
        return apart(is_new[order].astype(np.float64))

    return _sequential(told, drawn, draws)


def least_p_value(blocks: Sequence[int]) -> float:
    """Return the smallest p-value that dealing so many blocks of each window can give.

    >>> least_p_value((3, 3))
    0.05
    """
    old, new = blocks
    ways = 1.0
    for place in range(min(old, new)):
        ways *= (old + new - place) / (place + 1)
        if ways > 1e9:
            break
    return 1.0 / ways


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that any false alarm at all has the chance that each is read at.

    Source: Holm 1979; holds however the tests hang together.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _distances(
    old: NDArray[np.generic],
    new: NDArray[np.generic],
    distance: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    def shares(counts: NDArray[np.generic]) -> NDArray[np.float64]:
        rows = counts.astype(np.float64)
        share: NDArray[np.float64] = rows / np.maximum(rows.sum(axis=-1, keepdims=True), 1.0)
        return share

    return distance(shares(old), shares(new))


def _sequential(told: float, drawn: Callable[[int], NDArray[np.float64]], draws: int) -> ColumnTest:
    """Return the p-value of Besag and Clifford: few draws where the windows are alike."""
    seen = exceeded = 0
    while seen < draws:
        count = min(BATCH, draws - seen)
        is_as_far = drawn(count) >= told * (1.0 - 1e-9)
        before = exceeded
        exceeded += int(is_as_far.sum())
        if exceeded >= EXCEEDED:
            place = int(np.flatnonzero(is_as_far)[EXCEEDED - before - 1]) + 1
            return ColumnTest(p_value=EXCEEDED / (seen + place), draws=seen + place)
        seen += count
    return ColumnTest(p_value=(exceeded + 1.0) / (seen + 1.0), draws=seen)
