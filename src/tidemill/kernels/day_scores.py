"""Scores of a day's rows in [0, 1], from counts over bins that the reference has fixed.

Counts add up over replicas and chunks, so that no raw rows need to be kept. Numeric features have
up to 37 bins and the scores location, spread, lower, upper, missing; categories up to 24 levels,
other and missing, each with its share. The last place of all counts is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tidemill.kernels.category_counts import CategoryCounts, top_levels
from tidemill.kernels.sample_checks import TooFewRowsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

INNER_SHARES = (0.001, 0.005, *(i / 32 for i in range(1, 32)), 0.995, 0.999)
TAIL = 0.01
NUMERIC_SCORES = (
    ("location", 0.4), ("spread", 0.2), ("lower", 0.1), ("upper", 0.1), ("missing", 0.2),
)  # fmt: skip
_LEVELS_WEIGHT = 0.85


class NumericBins(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Bins (edge before, edge], from the reference's quantiles; counts of the reference itself."""

    feature: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]


class CategoryBins(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The reference's most frequent levels; all others, also new ones, fall into `other`."""

    feature: str
    levels: tuple[str, ...]
    counts: tuple[int, ...]


FeatureBins = NumericBins | CategoryBins


def numeric_bins(feature: str, reference: ArrayLike, *, nulls: int = 0) -> NumericBins:
    """Return bins of about equally many reference rows, finer in the tails.

    Args:
        feature: the column's name.
        reference: its values, NaN counts as missing, shape (rows,).
        nulls: reference rows without a value.

    Raises:
        TooFewRowsError: no reference row has a value.
    """
    values = np.asarray(reference, dtype=np.float64)
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        raise TooFewRowsError(
            f"no reference row has a value of {feature}",
            fix=f"widen the reference, or leave {feature} out of the watched features",
        )
    places = np.floor(np.array(INNER_SHARES) * (len(known) - 1)).astype(np.int64)
    edges = np.unique(known[places])
    return NumericBins(
        feature=feature,
        edges=tuple(edges.tolist()),
        counts=tuple(_counted(edges, values, nulls).tolist()),
    )


def numeric_counts(bins: NumericBins, values: ArrayLike, *, nulls: int = 0) -> NDArray[np.int64]:
    """Return rows per bin and, last, those without a value; shape (edges + 2,). Counts add up."""
    return _counted(np.array(bins.edges), np.asarray(values, dtype=np.float64), nulls)


def _counted(
    edges: NDArray[np.float64], values: NDArray[np.float64], nulls: int
) -> NDArray[np.int64]:
    known = values[~np.isnan(values)]
    counts = np.zeros(len(edges) + 2, np.int64)
    counts[:-1] = np.bincount(np.searchsorted(edges, known), minlength=len(edges) + 1)
    counts[-1] = len(values) - len(known) + nulls
    return counts


def category_bins(feature: str, reference: CategoryCounts, *, levels: int = 24) -> CategoryBins:
    """Return the reference's most frequent levels with their counts."""
    top = top_levels(reference, levels)
    bins = CategoryBins(feature=feature, levels=top, counts=())
    counts = tuple(level_counts(bins, reference).tolist())
    return CategoryBins(feature=feature, levels=top, counts=counts)


def level_counts(bins: CategoryBins, counts: CategoryCounts) -> NDArray[np.int64]:
    """Return rows per level, then other, then missing; shape (levels + 2,). Counts add up."""
    rows = dict(zip(counts.levels, counts.counts, strict=True))
    known = [rows.get(level, 0) for level in bins.levels]
    other = counts.rows - counts.nulls - sum(known)
    return np.array([*known, other, counts.nulls], np.int64)


def score_names(features: Sequence[FeatureBins]) -> tuple[str, ...]:
    """Return the names of the scores of `day_scores`, such as `distance.location`, `carrier=UA`."""
    names: list[str] = []
    for bins in features:
        if isinstance(bins, NumericBins):
            names.extend(f"{bins.feature}.{score}" for score, _ in NUMERIC_SCORES)
        else:
            names.extend(f"{bins.feature}={level}" for level in bins.levels)
            names.extend((f"{bins.feature}.other", f"{bins.feature}.missing"))
    return tuple(names)


def score_weights(features: Sequence[FeatureBins]) -> NDArray[np.float64]:
    """Return the weights of the scores; each feature weighs the same, their sum is 1."""
    weights: list[float] = []
    for bins in features:
        if isinstance(bins, NumericBins):
            weights.extend(weight for _, weight in NUMERIC_SCORES)
        else:
            shares = len(bins.levels) + 1
            weights.extend([_LEVELS_WEIGHT / shares] * shares + [1.0 - _LEVELS_WEIGHT])
    return np.array(weights) / len(features)


def day_scores(
    features: Sequence[FeatureBins], counts: Sequence[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Return the scores of a day, in [0, 1], shape (scores,); NaN where no row carries one.

    Args:
        features: the watched features, in the order of `score_names`.
        counts: of the day, from `numeric_counts` and `level_counts`, one array a feature.
    """
    return np.concatenate(
        [
            _numeric_scores(bins, rows) if isinstance(bins, NumericBins) else _shares(rows)
            for bins, rows in zip(features, counts, strict=True)
        ]
    )


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    rows = counts.sum()
    return counts / rows if rows else np.full(len(counts), np.nan)


def _numeric_scores(bins: NumericBins, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean mid-rank in the reference, mean distance of it from the middle, shares of the tails."""
    reference = np.array(bins.counts[:-1])
    above = np.cumsum(reference) / reference.sum()
    midrank = above - reference / reference.sum() / 2.0
    shares = _shares(counts[:-1])
    return np.array(
        [
            shares @ midrank,
            shares @ np.abs(2.0 * midrank - 1.0),
            shares @ (above <= TAIL),
            shares @ (above - reference / reference.sum() >= 1.0 - TAIL),
            _shares(counts)[-1],
        ]
    )
