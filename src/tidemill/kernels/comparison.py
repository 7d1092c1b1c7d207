"""Comparison of champion and challenger on the same rows, by a paired block bootstrap."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from tidemill.core.errors import UsageError
from tidemill.core.task import LOWER_IS_BETTER
from tidemill.kernels.crossed_blocks import blockings, crossed_bounds, crossed_width
from tidemill.kernels.intervals import normal_quantile, student_t_cdf, student_t_quantile
from tidemill.kernels.metric_sums import (
    SUMMED,
    areas_of_draws,
    metric_figures,
    metric_sums,
    per_block,
    ratio,
    row_weights,
)
from tidemill.kernels.resampling import (
    block_codes,
    block_draws,
    bootstrap_bounds,
    bootstrap_p_value,
    expanded_share,
)
from tidemill.kernels.sample_checks import (
    binary_labels,
    both_classes,
    finite_column,
    same_length,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidemill.core.task import TaskKind

ComparisonState = Literal["better", "not_worse", "worse", "undecided", "too_few_blocks"]

MIN_BLOCKS = 8
"""With fewer blocks a bootstrap knows too little of how blocks differ to keep its error rate."""

POWER = 0.8

_SUMMED = frozenset[str]().union(*SUMMED.values()) - {"base_rate"}

COMPARABLE_METRICS = ("auc", *sorted(_SUMMED), "mean_loss")
"""`mean_loss` compares losses of one's own: the two scores are each row's loss."""


class PairedRows(msgspec.Struct, frozen=True, kw_only=True):
    """The same rows with the answers of two models.

    `labels`, `blocks` (what moves together: the day of a row) have shape (rows,); the outputs of
    `champion` and `challenger` (rows,) or (rows, classes). `groups`: what hangs together besides
    (the entity of a row); `weights` of the rows. `window` is what errors call them.
    """

    labels: ArrayLike
    champion: ArrayLike
    challenger: ArrayLike
    blocks: ArrayLike
    groups: ArrayLike | None = None
    weights: ArrayLike | None = None
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
    With `groups` the error allows for both kinds of blocks at once (`crossed_blocks`).

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
    days, _ = block_codes(rows.blocks)
    groups = None if rows.groups is None else block_codes(rows.groups)[0]
    weight = (
        None
        if rows.weights is None
        else row_weights(rows.weights, rows=len(days), window=rows.window)
    )
    return crossed_comparison(
        [_by_blocks(rows, plan, codes, weight) for codes in blockings(days, groups)], plan
    )


def _by_blocks(
    rows: PairedRows,
    plan: ComparisonPlan,
    blocks: NDArray[np.int64],
    weight: NDArray[np.float64] | None,
) -> PairedComparison:
    codes, count = block_codes(blocks)
    draws = np.ones((1, count))
    if count > 1:
        draws = np.vstack([draws, block_draws(count, plan.draws, plan.seed)])
    figures = _FIGURES.get(plan.metric, _summed_figures)(rows, plan, (codes, draws, weight))
    return judged_draws(figures, plan, rows=len(codes), blocks=count)


def judged_draws(
    figures: NDArray[np.float64],
    plan: ComparisonPlan,
    *,
    rows: int,
    blocks: int,
    is_lower_better: bool | None = None,
) -> PairedComparison:
    """Return what the figures of champion and challenger say, of all rows and of each draw.

    Args:
        figures: shape (2, 1 + draws): of all rows first; NaN where a draw does not tell it.
        plan: what was fixed before.
        rows: how many there are.
        blocks: how many blocks were drawn from.
        is_lower_better: of a metric of one's own.
    """
    if is_lower_better is None:
        is_lower_better = plan.metric in LOWER_IS_BETTER or plan.metric == "mean_loss"
    sign = -1.0 if is_lower_better else 1.0
    gains = sign * (figures[1, 1:] - figures[0, 1:])
    found = _Found(
        champion=float(figures[0, 0]), challenger=float(figures[1, 0]),
        gain=float(sign * (figures[1, 0] - figures[0, 0])), rows=rows, blocks=blocks,
    )  # fmt: skip
    return _judge(found, gains[np.isfinite(gains)], plan)


def crossed_comparison(found: Sequence[PairedComparison], plan: ComparisonPlan) -> PairedComparison:
    """Return one comparison from that of one kind of blocks, or of two kinds and their cells."""
    few = [one for one in found if one.state == "too_few_blocks"]
    if few or len(found) == 1:
        return (few or list(found))[0]
    main = max(found[:2], key=lambda one: one.standard_error)
    lower = main.gain - crossed_width([one.gain - one.lower_bound for one in found])
    low, high = crossed_bounds(main.gain, [(one.low, one.high) for one in found])
    error = crossed_width([one.standard_error for one in found])
    wider = error / main.standard_error if main.standard_error > 0.0 else 1.0
    smallest, state = main.smallest_effect * wider, _state(lower, high, plan.margin)
    blocks = min(one.blocks for one in found[:2])
    p_value = student_t_cdf(-main.gain / error, blocks - 1) if error > 0.0 else main.p_value
    return msgspec.structs.replace(
        main, lower_bound=lower, low=low, high=high, standard_error=error, state=state,
        smallest_effect=smallest, p_value=p_value, blocks=blocks,
        why=_why(state, lower, smallest, plan),
    )  # fmt: skip


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


_Blocks = tuple["NDArray[np.int64]", "NDArray[np.float64]", "NDArray[np.float64] | None"]
"""The block of each row, how often each draw takes each block, and the weights of rows."""


def _areas(rows: PairedRows, plan: ComparisonPlan, blocks: _Blocks) -> NDArray[np.float64]:
    """Return each model's AUC under each draw of blocks, shape (2, draws); NaN: none."""
    del plan  # an area knows no threshold
    codes, draws, weight = blocks
    label = binary_labels(rows.labels, window=rows.window, rows=2)
    both_classes(label, window=rows.window)
    areas = []
    for scores in (rows.champion, rows.challenger):
        score = finite_column(scores, "score", window=rows.window)
        same_length(label, score, codes, window=rows.window)
        areas.append(areas_of_draws(label, score, codes, draws, weight))
    return np.array(areas)


def _mean_losses(rows: PairedRows, plan: ComparisonPlan, blocks: _Blocks) -> NDArray[np.float64]:
    """Return the mean of the losses that are given, shape (2, draws)."""
    del plan
    losses = [
        finite_column(given, "loss", window=rows.window)
        for given in (rows.champion, rows.challenger)
    ]
    sums = [np.column_stack([np.ones(len(loss)), loss]) for loss in losses]
    drawn = [_drawn(one, rows, blocks) for one in sums]
    return np.array([ratio(one[:, 1], one[:, 0]) for one in drawn])


def _summed_figures(rows: PairedRows, plan: ComparisonPlan, blocks: _Blocks) -> NDArray[np.float64]:
    """Return each model's metric under each draw of blocks, shape (2, draws)."""
    kind: TaskKind = "multiclass" if np.ndim(rows.champion) == 2 else "binary"
    kind = "regression" if plan.metric in SUMMED["regression"] else kind
    figures = []
    for outputs in (rows.champion, rows.challenger):
        sums = metric_sums(kind, rows.labels, outputs, threshold=plan.threshold, window=rows.window)
        figures.append(metric_figures(kind, _drawn(sums, rows, blocks)))
    if plan.metric not in figures[0]:
        raise UsageError(
            f"answers of a {kind} task have no {plan.metric}",
            fix=f"use one of {', '.join(figures[0])}",
        )
    return np.array([found[plan.metric] for found in figures])


def _drawn(sums: NDArray[np.float64], rows: PairedRows, blocks: _Blocks) -> NDArray[np.float64]:
    codes, draws, weight = blocks
    same_length(sums, codes, window=rows.window)
    weighted = sums if weight is None else sums * weight[:, None]
    return draws @ per_block(weighted, codes, draws.shape[1])


_FIGURES = {"auc": _areas, "mean_loss": _mean_losses}
