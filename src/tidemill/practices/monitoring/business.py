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
from tidemill.practices.monitoring.report import ReportFigure, crossed_figure, figure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import polars as pl
    from numpy.typing import ArrayLike, NDArray

Direction = Literal["higher", "lower"]
Summary = Literal["mean", "sum"]


class BusinessFigure:
    """A declared business figure. Calling it calls the function, so that it can be tested."""

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
        self.function, self.name, self.unit = function, name, unit
        self.direction, self.bounds, self.summary = direction, bounds, summary
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__qualname__ = getattr(function, "__qualname__", name)

    def __call__(self, rows: pl.DataFrame) -> Any:  # noqa: ANN401 - what the function gives
        """Return the value of each row."""
        return self.function(rows)

    def __repr__(self) -> str:
        return f"business figure {self.name} ({self.summary}, {self.direction} is better)"


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
            function, name=name or function.__name__, unit=unit, direction=direction,
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
    values = row_values(figure, rows)
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


def row_values(figure: BusinessFigure, rows: pl.DataFrame) -> NDArray[np.float64]:
    """Return the value of each row, shape (rows,). Raises as `business_value`."""
    where = f"the business figure {figure.name} ({figure.__module__}.{figure.__qualname__})"
    try:
        values = np.asarray(figure(rows), dtype=np.float64)
    except Exception as error:  # the figure is the user's code: it may raise anything
        raise InvalidInputError(
            f"{where} failed: {type(error).__name__}: {error}",
            fix=f"it gets the columns {', '.join(rows.columns)}",
        ) from error
    if values.shape != (rows.height,) or not np.isfinite(values).all():
        raise InvalidInputError(
            f"{where} gave values of shape {values.shape} for {rows.height} rows, or NaN",
            fix="return one finite number a row, such as a Polars Series",
        )
    if figure.bounds and not (figure.bounds[0] <= values.min() <= values.max() <= figure.bounds[1]):
        raise InvalidInputError(
            f"{where} gave {values.min():g} to {values.max():g}, outside of its bounds",
            fix=f"correct the function or its bounds {figure.bounds}",
        )
    return values
