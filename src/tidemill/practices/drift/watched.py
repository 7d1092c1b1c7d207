"""What is watched in the rows of a day: features, outputs and broken rules, as scores. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidemill.kernels.category_counts import CategoryCounts, category_counts
from tidemill.kernels.day_scores import (
    CategoryBins,
    FeatureBins,
    NumericBins,
    category_bins,
    day_scores,
    level_counts,
    numeric_bins,
    numeric_counts,
    score_names,
    score_weights,
)
from tidemill.kernels.effect_sizes import (
    MIN_ROWS,
    corrected_stability_index,
    wasserstein_distance,
    with_interval,
)
from tidemill.kernels.sample_checks import TooFewRowsError
from tidemill.practices.drift.results import Effect
from tidemill.practices.versioning.signatures import is_free_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.core.signature import Field

BROKEN = "rows that break a rule"


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """Which columns are watched, in bins that the reference has fixed.

    `features` are inputs and then outputs; `has_rules`: the share of rows that break a rule of
    the contract is watched too.
    """

    features: tuple[NumericBins | CategoryBins, ...]
    has_rules: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the scores of a day."""
        return (*score_names(self.features), *([BROKEN] if self.has_rules else []))

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weights of the scores: each feature, and the rules, weigh the same."""
        features = len(self.features)
        if not self.has_rules:
            return score_weights(self.features)
        own = 1.0 / (features + 1)
        return np.append(score_weights(self.features) * (1.0 - own), own)


class DayCounts(msgspec.Struct, frozen=True, kw_only=True):
    """A day's rows over the bins, one array a feature, and how many rows break a rule."""

    day: str
    rows: int
    counts: tuple[NDArray[np.int64], ...]
    broken: int = 0


def watched_columns(
    fields: Sequence[Field], outputs: Sequence[str], sample: pl.DataFrame, *, has_rules: bool
) -> tuple[Watched, tuple[str, ...]]:
    """Return what to watch, in bins of the sample, and notes on what cannot be.

    Args:
        fields: the model's inputs.
        outputs: names of its outputs, columns of the sample.
        sample: the reference rows; an output may be null where it says nothing.
        has_rules: whether the sample has the column `BROKEN`.
    """
    features: list[NumericBins | CategoryBins] = []
    notes: list[str] = []
    notes += [f"{f.name} is {f.kind} a row and is not watched" for f in fields if not f.is_single]
    wanted = [(f.name, f.datatype == "BYTES") for f in fields if f.is_single]
    wanted += [(output, False) for output in outputs]
    unnamed = {f.name for f in fields if f.datatype == "BYTES" and f.categories is None}
    for name, is_text in wanted:
        if name not in sample.columns:
            notes.append(f"{name} is not in the sample and is not watched")
            continue
        if name in unnamed and _is_free_text(sample[name]):
            notes.append(f"{name} is text of its own in nearly every row and is not watched")
            continue
        known = sample[name].drop_nulls() if name in outputs else sample[name]
        try:
            features.append(_text_bins(name, known) if is_text else _number_bins(name, known))
        except TooFewRowsError as error:
            notes.append(error.what)
    return Watched(features=tuple(features), has_rules=has_rules), tuple(notes)


def counted(watched: Watched, frame: pl.DataFrame, day: str, names: Mapping[str, str]) -> DayCounts:
    """Return a day's rows over the bins.

    Args:
        watched: what to count.
        frame: the rows of the day; `BROKEN` is a boolean column where rules are watched.
        day: its date.
        names: under which name a watched column is in the frame, where it is another.
    """
    counts = []
    for bins in watched.features:
        column = frame[names.get(bins.feature, bins.feature)]
        if isinstance(bins, NumericBins):
            counts.append(numeric_counts(bins, numbers_of(column)))
        else:
            counts.append(level_counts(bins, level_counts_of(column)))
    broken = int(frame[BROKEN].sum()) if watched.has_rules else 0
    return DayCounts(day=day, rows=frame.height, counts=tuple(counts), broken=broken)


def scores_of(watched: Watched, day: DayCounts) -> NDArray[np.float64]:
    """Return the scores of a day, in the order of `Watched.names`; NaN says nothing."""
    scores = day_scores(watched.features, day.counts)
    return np.append(scores, day.broken / day.rows) if watched.has_rules else scores


def without(watched: Watched, scores: NDArray[np.float64], names: Sequence[str]) -> None:
    """Make the scores of some columns say nothing, in place."""
    for place, score in enumerate(watched.names):
        if feature_of(score) in names:
            scores[place] = np.nan


def feature_of(score: str) -> str:
    """Return the column that a score is of.

    >>> feature_of("dest=EWR"), feature_of("distance.location")
    ('dest', 'distance')
    """
    if score == BROKEN:
        return score
    if "=" in score:
        return score.partition("=")[0]
    return score.rpartition(".")[0]


def effects_of(
    watched: Watched, suspects: Sequence[str], days: Sequence[DayCounts]
) -> list[Effect]:
    """Return the effect sizes of suspected scores: all given days against the reference."""
    wanted = dict.fromkeys(feature_of(name) for name in suspects)
    found = []
    for place, bins in enumerate(watched.features):
        if bins.feature not in wanted or not days:
            continue
        now = np.sum([day.counts[place] for day in days], axis=0)
        before = np.array(bins.counts, dtype=np.int64)
        if min(now.sum(), before.sum()) < MIN_ROWS:
            continue
        sizes = [
            with_interval("population stability index", corrected_stability_index, before, now)
        ]
        known = before[:-1], now[:-1]
        if isinstance(bins, NumericBins) and min(part.sum() for part in known) >= MIN_ROWS:
            middles = _middles(bins)

            def moved(
                one: NDArray[np.int64],
                other: NDArray[np.int64],
                positions: NDArray[np.float64] = middles,
            ) -> float:
                return wasserstein_distance(one, other, positions)

            sizes.append(with_interval("Wasserstein distance", moved, *known))
        found.append(Effect(name=bins.feature, sizes=tuple(sizes)))
    return found


def _middles(bins: NumericBins) -> NDArray[np.float64]:
    edges = np.array(bins.edges)
    return np.concatenate([edges[:1], (edges[1:] + edges[:-1]) / 2.0, edges[-1:]])


def _number_bins(name: str, column: pl.Series) -> FeatureBins:
    return numeric_bins(name, numbers_of(column))


def _is_free_text(column: pl.Series) -> bool:
    """Whether levels say nothing of it: a new day's texts are new, too."""
    known = column.drop_nulls()
    return is_free_text(known.n_unique(), len(known))


def _text_bins(name: str, column: pl.Series) -> FeatureBins:
    return category_bins(name, level_counts_of(column))


def numbers_of(column: pl.Series) -> NDArray[np.float64]:
    """Return a column as numbers, NaN where a value is missing, shape (rows,)."""
    if column.dtype.is_temporal():
        column = column.cast(pl.Datetime("us")).cast(pl.Int64)
    return column.cast(pl.Float64).to_numpy()


def level_counts_of(column: pl.Series) -> CategoryCounts:
    """Return rows by level of a column as text."""
    known = column.cast(pl.String).drop_nulls()
    rows = dict(known.value_counts().iter_rows())
    return category_counts(rows, nulls=column.null_count())
