"""Comparison on a metric of one's own: the metric itself is drawn, by whole blocks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.comparison import crossed_comparison, judged_draws
from tidemill.kernels.resampling import block_codes, block_draws

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from tidemill.kernels.comparison import ComparisonPlan, PairedComparison
    from tidemill.practices.monitoring.own_metrics import Metric

DRAWS = 1000
"""Each draw asks the function twice: once a model."""


def own_comparison(
    metric: Metric,
    answers: tuple[pl.DataFrame, pl.DataFrame],
    blockings: Sequence[NDArray[np.int64]],
    plan: ComparisonPlan,
) -> PairedComparison:
    """Return whether the challenger has the better metric, with the confidence of the plan.

    Both models are asked on the same rows in each draw of whole blocks, as for our own metrics.

    Args:
        metric: of one's own.
        answers: what the function gets of the champion and of the challenger, the same rows.
        blockings: what hangs together: one code a row, of each kind of blocks.
        plan: what was fixed before.

    Raises:
        InvalidInputError: the function fails on all rows, or they do not tell the metric.
    """
    plan = msgspec.structs.replace(plan, metric=metric.name, draws=min(plan.draws, DRAWS))
    whole = [metric.value(frame) for frame in answers]
    if not np.isfinite(whole).all():
        raise InvalidInputError(
            f"the metric {metric.name} is {whole[0]:g} and {whole[1]:g} on these rows",
            fix="compare on more rows, or let the function give a number for rows like these",
        )
    found = [_by_blocks(metric, answers, (codes, whole), plan) for codes in blockings]
    return crossed_comparison(found, plan)


def _by_blocks(
    metric: Metric,
    answers: tuple[pl.DataFrame, pl.DataFrame],
    known: tuple[NDArray[np.int64], list[float]],
    plan: ComparisonPlan,
) -> PairedComparison:
    blocks, whole = known
    codes, count = block_codes(blocks)
    places = [np.flatnonzero(codes == code) for code in range(count)]
    figures = np.empty((2, plan.draws + 1))
    figures[:, 0] = whole
    draws = block_draws(count, plan.draws, plan.seed).astype(np.int64)
    for draw, taken in enumerate(draws, start=1):
        picked = [places[k] for k in np.repeat(np.arange(count), taken)]
        rows = np.concatenate(picked)
        figures[:, draw] = [metric.value(frame[rows]) for frame in answers]
    return judged_draws(
        figures, plan, rows=len(codes), blocks=count, is_lower_better=not metric.higher_is_better
    )
