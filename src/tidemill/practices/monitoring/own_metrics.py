"""Metrics of one's own: functions of rows with a name and a direction.

    @tm.metric(higher_is_better=True)
    def caught_value(rows: pl.DataFrame) -> float: ...

It gets `label`, `prediction`, `decision`, the outputs, the label by its own name, and every context
and input column, in `evaluate` as in windows, and gives one number for all rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.comparison import MIN_BLOCKS
from tidemill.kernels.resampling import block_codes, bootstrap_bounds, random_parts
from tidemill.practices.monitoring.own_functions import OwnFunction
from tidemill.practices.monitoring.report import ReportFigure

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from numpy.typing import ArrayLike

DRAWS = 200
"""Each draw asks the function once more."""
PARTS = 50
"""Rows that hang together by nothing are dealt into so many random blocks."""


class Metric(OwnFunction):
    """A declared metric: one number for all rows, and which way is better."""

    noun = "metric"

    def __init__(
        self, function: Callable[[pl.DataFrame], Any], *, name: str, higher_is_better: bool
    ) -> None:
        super().__init__(function, name)
        self.higher_is_better = higher_is_better

    def __repr__(self) -> str:
        return f"metric {self.name} ({self.direction} is better)"

    @property
    def direction(self) -> Literal["higher", "lower"]:
        """Which way is better."""
        return "higher" if self.higher_is_better else "lower"

    def value(self, rows: pl.DataFrame) -> float:
        """Return the metric of rows, NaN where they do not tell it.

        Raises:
            InvalidInputError: the function fails, or gives no single number.
        """
        found = self.answer(rows)
        if found.shape != ():
            raise InvalidInputError(
                f"{self.told} gave values of shape {found.shape}",
                fix="return one number for all rows; for one a row declare a @tm.business_figure",
            )
        return float(found)


def metric(
    *, higher_is_better: bool, name: str = ""
) -> Callable[[Callable[[pl.DataFrame], Any]], Metric]:
    """Declare a metric over a function of rows that gives one number.

    Args:
        higher_is_better: which way is better.
        name: of the metric; default: the function's.
    """

    def declare(function: Callable[[pl.DataFrame], Any]) -> Metric:
        return Metric(function, name=name, higher_is_better=higher_is_better)

    return declare


def metric_figure(own: Metric, rows: pl.DataFrame, blocks: ArrayLike) -> ReportFigure:
    """Return a metric with a 95 % interval from a bootstrap of whole blocks.

    With fewer than `MIN_BLOCKS` blocks rows are taken as independent, in random parts.
    """
    value = own.value(rows)
    if not math.isfinite(value):
        return ReportFigure(
            name=own.name, value=None, rows=rows.height, why="these rows do not tell it"
        )  # fmt: skip
    codes, count = block_codes(blocks)
    method = "block-bootstrap"
    if count < MIN_BLOCKS:
        count = min(PARTS, rows.height)
        codes, method = random_parts(rows.height, count), "bootstrap"
    if count < MIN_BLOCKS:
        return ReportFigure(name=own.name, value=value, rows=rows.height, direction=own.direction)
    places = [np.flatnonzero(codes == code) for code in range(count)]
    rng = np.random.default_rng(0)
    drawn = np.array(
        [
            own.value(rows[np.concatenate([places[k] for k in rng.integers(0, count, count)])])
            for _ in range(DRAWS)
        ]
    )
    known = drawn[np.isfinite(drawn)]
    if len(known) < 0.95 * DRAWS:
        return ReportFigure(name=own.name, value=value, rows=rows.height, direction=own.direction)
    low, high = bootstrap_bounds(known, 0.025, count)
    return ReportFigure(
        name=own.name, value=value, low=min(low, value), high=max(high, value), rows=rows.height,
        method=method, direction=own.direction,
    )  # fmt: skip
