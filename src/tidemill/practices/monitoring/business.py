"""Business figures: what a row was worth, by a function of the user's own, with an interval.

    @tm.business_figure(name="minutes_saved", unit="minutes a flight", direction="higher")
    def minutes_saved(rows: pl.DataFrame) -> pl.Series: ...

The function gets the columns `label`, `prediction`, `decision`, the outputs, the label by its own
name, and every context and input column, and gives one number a row: the same columns in
`evaluate` and in windows of predictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.task_metrics import mean_with_interval
from tidemill.practices.monitoring.own_functions import OwnFunction
from tidemill.practices.monitoring.report import ReportFigure, crossed_figure, figure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import polars as pl
    from numpy.typing import ArrayLike, NDArray

Direction = Literal["higher", "lower"]
Summary = Literal["mean", "sum"]


class BusinessFigure(OwnFunction):
    """A declared business figure: what each row was worth."""

    noun = "business figure"

    def __init__(
        self,
        function: Callable[[pl.DataFrame], Any],
        *,
        name: str,
        unit: str,
        direction: Direction,
        bounds: tuple[float, float] | None,
        summary: Summary,
    ) -> None:
        super().__init__(function, name)
        self.unit, self.direction, self.bounds, self.summary = unit, direction, bounds, summary

    def __repr__(self) -> str:
        return f"business figure {self.name} ({self.summary}, {self.direction} is better)"

    def row_values(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """Return the value of each row, shape (rows,).

        Raises:
            InvalidInputError: it fails, gives no finite number a row, or one outside its bounds.
        """
        values = super().row_values(rows)
        low, high = self.bounds or (-np.inf, np.inf)
        if not low <= values.min() <= values.max() <= high:
            raise InvalidInputError(
                f"{self.told} gave {values.min():g} to {values.max():g}, outside of its bounds",
                fix=f"correct the function or its bounds {self.bounds}",
            )
        return values


def business_figure(
    *,
    name: str = "",
    unit: str = "",
    direction: Direction = "higher",
    bounds: tuple[float, float] | None = None,
    summary: Summary = "mean",
) -> Callable[[Callable[[pl.DataFrame], Any]], BusinessFigure]:
    """Declare a business figure over a function of rows.

    Args:
        name: of the figure; default: the function's.
        unit: in words, such as "minutes a flight".
        direction: which way is better.
        bounds: least and largest value of a row; a value outside is an error.
        summary: whether a window is told by the mean or the sum of its rows.
    """

    def declare(function: Callable[[pl.DataFrame], Any]) -> BusinessFigure:
        return BusinessFigure(
            function, name=name, unit=unit, direction=direction,
            bounds=bounds, summary=summary,
        )  # fmt: skip

    return declare


def business_value(
    figure: BusinessFigure,
    rows: pl.DataFrame,
    blockings: Sequence[ArrayLike],
    weights: NDArray[np.float64] | None = None,
) -> ReportFigure:
    """Return a business figure of labelled rows, its interval from whole blocks.

    Args:
        figure: what was declared.
        rows: what its function gets.
        blockings: what hangs together: one code a row, of each kind of blocks.
        weights: for how much each row counts.

    Raises:
        InvalidInputError: the function fails, or does not give one finite number a row.
    """
    if not rows.height:
        return ReportFigure(name=figure.name, value=None, unit=figure.unit, why="no labelled rows")
    values = figure.row_values(rows)
    is_total = figure.summary == "sum"
    return crossed_figure(
        [
            figure_of(
                mean_with_interval(figure.name, values, blocks, total=is_total, weights=weights),
                figure.unit,
            )
            for blocks in blockings
        ]
    )
