"""Comparison of champion and challenger on the same rows, by a paired block bootstrap."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from tidemill.core.errors import UsageError
from tidemill.kernels.intervals import normal_quantile, student_t_quantile
from tidemill.kernels.resampling import (
    block_codes,
    block_draws,
    bootstrap_bounds,
    bootstrap_p_value,
    expanded_share,
)
from tidemill.kernels.row_losses import LossName, row_losses
from tidemill.kernels.sample_checks import (
    binary_labels,
    both_classes,
    finite_column,
    same_length,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

ComparisonState = Literal["better", "not_worse", "worse", "undecided", "too_few_blocks"]

MIN_BLOCKS = 8
"""With fewer blocks a bootstrap knows too little of how blocks differ to keep its error rate."""

POWER = 0.8

_LOSSES: dict[str, LossName] = {
    "brier": "brier",
    "log_loss": "log_loss",
    "accuracy": "zero_one",
    "mean_absolute_error": "absolute_error",
    "root_mean_squared_error": "squared_error",
    "mean_loss": "given",
}

COMPARABLE_METRICS = ("auc", *_LOSSES)
"""`mean_loss` compares losses of one's own: the two scores are each row's loss."""


class PairedRows(msgspec.Struct, frozen=True, kw_only=True):
    """The same rows with the answers of two models.

    `labels`, `blocks` (what moves together: the day of a row) have shape (rows,); the outputs of
    `champion` and `challenger` (rows,) or (rows, classes). `window` is what errors call them.
    """

    labels: ArrayLike
    champion: ArrayLike
    challenger: ArrayLike
    blocks: ArrayLike
    window: str = "this window"


class ComparisonPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What was fixed before the rows were seen.

    `margin` 0 asks for superiority ("better"); a positive margin, in units of the metric, also
    lets "not_worse" than the champion by more than that be told.
    """

    metric: str = "auc"
    margin: float = 0.0
    alpha: float = 0.05
    draws: int = 2000
    seed: int = 0
    threshold: float = 0.5


class PairedComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the comparison found. `gain` is positive where the challenger is better.

    `lower_bound` is one-sided at 1 - alpha, (`low`, `high`) two-sided at the same level; `p_value`
    is that of "not better". `smallest_effect` is the gain which rows like these would find in 80
    of 100 cases. One look: a comparison repeated on growing rows breaks alpha.
    """

    metric: str
    state: ComparisonState
    champion: float
    challenger: float
    gain: float
    lower_bound: float
    low: float
    high: float
    p_value: float
    alpha: float
    standard_error: float
    smallest_effect: float
    rows: int
    blocks: int
    why: str


def paired_comparison(rows: PairedRows, plan: ComparisonPlan) -> PairedComparison:
    """Return whether the challenger is better on these rows, with the error that is promised.

    An equal challenger is called better in at most about `alpha` of the cases, also where the rows
    of a block move together, as long as blocks are independent. The figures of a draw come from
    sums per block, so that the cost is O(rows x blocks + draws x blocks^2), exact, no binning.

    Raises:
        UsageError: the metric is not one of `COMPARABLE_METRICS`.
        OneClassError, TooFewRowsError, NotFiniteError, MisalignedError: the rows do not fit.

    Source: block bootstrap of Kuensch 1989 on whole blocks; expanded percentiles, Hesterberg 2015.
    """
    if plan.metric not in COMPARABLE_METRICS:
        raise UsageError(
            f"the metric {plan.metric!r} cannot be compared",
            fix=f"use one of {', '.join(COMPARABLE_METRICS)}",
        )
    codes, blocks = block_codes(rows.blocks)
    weights = np.ones((1, blocks))
    if blocks > 1:
        weights = np.vstack([weights, block_draws(blocks, plan.draws, plan.seed)])
    figures = (_auc_figures if plan.metric == "auc" else _loss_figures)(rows, plan, codes, weights)
    sign = 1.0 if plan.metric in {"auc", "accuracy"} else -1.0
    gains = sign * (figures[1, 1:] - figures[0, 1:])
    found = _Found(
        champion=float(figures[0, 0]), challenger=float(figures[1, 0]),
        gain=float(sign * (figures[1, 0] - figures[0, 0])),
        rows=len(codes), blocks=blocks,
    )  # fmt: skip
    return _judge(found, gains[np.isfinite(gains)], plan)


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    champion: float
    challenger: float
    gain: float
    rows: int
    blocks: int


def _judge(found: _Found, gains: NDArray[np.float64], plan: ComparisonPlan) -> PairedComparison:
    # a draw without both classes has no AUC; where many are lost, the rest would mislead
    has_enough = found.blocks >= MIN_BLOCKS and len(gains) >= 0.95 * plan.draws
    if not has_enough:
        nothing = math.nan
        state: ComparisonState = "too_few_blocks"
        why = f"{found.blocks} blocks; {MIN_BLOCKS} with both classes are needed, 30 are good"
        return PairedComparison(
            metric=plan.metric, state=state, champion=found.champion, gain=found.gain,
            challenger=found.challenger, lower_bound=-math.inf, low=-math.inf, high=math.inf,
            p_value=1.0, alpha=plan.alpha, standard_error=nothing, smallest_effect=nothing,
            rows=found.rows, blocks=found.blocks, why=why,
        )  # fmt: skip
    lower = float(np.quantile(gains, expanded_share(plan.alpha, found.blocks)))
    low, high = bootstrap_bounds(gains, plan.alpha / 2.0, found.blocks)
    error = float(gains.std()) * math.sqrt(found.blocks / (found.blocks - 1.0))
    smallest = error * (
        student_t_quantile(1.0 - plan.alpha, found.blocks - 1) + normal_quantile(POWER)
    )
    state = _state(lower, high, plan.margin)
    return PairedComparison(
        metric=plan.metric, state=state, champion=found.champion, challenger=found.challenger,
        gain=found.gain, lower_bound=lower, low=low, high=high,
        p_value=bootstrap_p_value(gains, 0.0, found.blocks), alpha=plan.alpha,
        standard_error=error, smallest_effect=smallest, rows=found.rows, blocks=found.blocks,
        why=_why(state, lower, smallest, plan),
    )  # fmt: skip


def _state(lower: float, high: float, margin: float) -> ComparisonState:
    if lower > 0.0:
        return "better"
    if margin > 0.0 and lower > -margin:
        return "not_worse"
    return "worse" if high < 0.0 else "undecided"


def _why(state: ComparisonState, lower: float, smallest: float, plan: ComparisonPlan) -> str:
    sure = f"{1.0 - plan.alpha:.0%}"
    if state == "better":
        return f"better by at least {lower:.3g} {plan.metric} ({sure} sure)"
    if state == "not_worse":
        return f"worse by at most {-lower:.3g}, within the margin of {plan.margin:g} ({sure} sure)"
    if state == "worse":
        return f"worse: the whole interval at {sure} lies below 0"
    return f"not shown to be better; rows like these would show a gain of {smallest:.3g} or more"


def rows_needed(comparison: PairedComparison, effect: float) -> int:
    """Return about how many such rows would find a gain of `effect` in 80 of 100 cases.

    The error falls with the root of the blocks, so the rows must come with more blocks (days).
    """
    if not effect > 0.0 or not math.isfinite(comparison.smallest_effect):
        return 0
    return math.ceil(comparison.rows * (comparison.smallest_effect / effect) ** 2)


def _auc_figures(
    rows: PairedRows,
    plan: ComparisonPlan,
    codes: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return each model's AUC under each weighting of blocks, shape (2, weightings); NaN: none."""
    del plan  # an area knows no threshold
    label = binary_labels(rows.labels, window=rows.window, rows=2)
    both_classes(label, window=rows.window)
    blocks = weights.shape[1]
    positives = weights @ np.bincount(codes, weights=label, minlength=blocks)
    negatives = weights @ np.bincount(codes, weights=1.0 - label, minlength=blocks)
    pairs = positives * negatives
    areas = []
    for scores in (rows.champion, rows.challenger):
        score = finite_column(scores, "score", window=rows.window)
        same_length(label, score, codes, window=rows.window)
        won = ((weights @ wins_by_block(label, score, codes)) * weights).sum(axis=1)
        areas.append(np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0))
    return np.array(areas)


def wins_by_block(
    label: NDArray[np.float64], score: NDArray[np.float64], codes: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return how many (positive of block i, negative of block j) pairs are ranked right, ties half.

    With block weights w the AUC is w' C w / (w' positives x w' negatives): the exact AUC of any
    draw of blocks costs blocks^2. Shape (blocks, blocks); O(rows log rows + rows x blocks).
    """
    blocks = int(codes.max()) + 1
    places, place = np.unique(score, return_inverse=True)
    is_positive = label == 1
    place_of_positives, block_of_positives = place[is_positive], codes[is_positive]
    wins = np.empty((blocks, blocks))
    for block in range(blocks):
        negatives = place[(codes == block) & ~is_positive]
        counts = np.bincount(negatives, minlength=len(places))
        below = np.cumsum(counts) - counts / 2.0
        wins[:, block] = np.bincount(
            block_of_positives, weights=below[place_of_positives], minlength=blocks
        )
    return wins


def _loss_figures(
    rows: PairedRows,
    plan: ComparisonPlan,
    codes: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return each model's metric under each weighting of blocks, shape (2, weightings)."""
    blocks = weights.shape[1]
    counts = weights @ np.bincount(codes, minlength=blocks)
    means = []
    for outputs in (rows.champion, rows.challenger):
        losses = row_losses(
            _LOSSES[plan.metric], rows.labels, outputs,
            threshold=plan.threshold, window=rows.window,
        )  # fmt: skip
        same_length(losses, codes, window=rows.window)
        means.append(weights @ np.bincount(codes, weights=losses, minlength=blocks) / counts)
    figures = np.array(means)
    if plan.metric == "accuracy":
        return 1.0 - figures
    return np.sqrt(figures) if plan.metric == "root_mean_squared_error" else figures
