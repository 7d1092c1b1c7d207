"""Rows that hang together in two ways at once, such as those of a day and those of an entity.

The variance of a figure is that from blocks of the one, plus that from blocks of the other, less
that from their cells, which both count. Source: Cameron, Gelbach, Miller, "Robust inference with
multiway clustering", JBES 29 (2011), here with the deviations of bootstrap bounds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tidemill.kernels.resampling import random_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

MOST_BLOCKS = 200
"""More blocks than this are dealt into so many, each as a whole."""


def dealt_blocks(names: ArrayLike) -> NDArray[np.int64]:
    """Return a block for each row, rows of one name in the same, at most `MOST_BLOCKS` of them.

    Blocks of independent names are independent.
    """
    known, codes = np.unique(np.asarray(names), return_inverse=True)
    if len(known) > MOST_BLOCKS:
        codes = random_parts(len(known), MOST_BLOCKS)[codes]
    return codes.astype(np.int64)


def blockings(
    days: NDArray[np.int64] | None, groups: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], ...]:
    """Return the blocks that intervals come from: of one kind, or of two and of their cells.

    Rows of neither are one block: they are independent, or nothing is known of them.
    """
    given = [codes for codes in (days, groups) if codes is not None]
    if len(given) < 2:
        return tuple(given)
    first, second = given
    cells = first.astype(np.int64) * (int(second.max(initial=0)) + 1) + second
    return (first, second, dealt_blocks(cells))


def crossed_width(widths: Sequence[float]) -> float:
    """Return the width of two kinds of blocks from their own and that of their cells.

    It is never below the larger of the two.

    >>> crossed_width([3.0, 4.0, 0.0])
    5.0
    """
    first, second, cells = widths
    both = first * first + second * second - cells * cells
    return math.sqrt(max(both, first * first, second * second))


def crossed_bounds(value: float, bounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the bounds of a figure from those of one kind of blocks, another, and their cells."""
    low = crossed_width([value - low for low, _ in bounds])
    high = crossed_width([high - value for _, high in bounds])
    return value - low, value + high
