"""Judged rows: labelled rows as arrays, with what hangs together, and for how much each counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.crossed_blocks import blockings, dealt_blocks
from tidemill.kernels.intervals import mean_estimate, share_estimate
from tidemill.kernels.metric_sums import row_weights
from tidemill.kernels.task_metrics import (
    decisions,
    label_codes,
    primary_estimate,
    task_estimates,
    task_loss,
    task_row_losses,
)
from tidemill.lineage.suggestions import closest
from tidemill.practices.monitoring.outputs import output_array
from tidemill.practices.monitoring.own_metrics import Metric, metric_figure
from tidemill.practices.monitoring.report import ReportFigure, crossed_figure, figure_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.kernels.intervals import Estimate
    from tidemill.practices.monitoring.own_losses import Loss

SAMPLE_WEIGHT = "sample_weight"
"""The column in which functions of one's own find the weight of a row; 1 without weights."""


class JudgedRows:
    """Labelled rows as arrays: codes of labels, outputs, the UTC day of each, and the frame."""

    metrics: tuple[Metric, ...] = ()
    """Metrics of one's own, told beside those of the task."""
    loss: Loss | None = None
    """A loss of one's own, by which days are judged."""
    weights: NDArray[np.float64] | None = None
    groups: NDArray[np.int64] | None = None

    def __init__(
        self, task: Task, frame: pl.DataFrame, outputs: Sequence[str], *, time: str, window: str
    ) -> None:
        self.task, self.frame, self.window = task, frame, window
        self.label = label_codes(task, _labels(frame["label"]), window=window)
        self.output = output_array(task, {name: frame[name].to_numpy() for name in outputs})
        self.day, self.has_days = day_codes(frame, time), bool(time)

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.frame.height

    @property
    def loss_name(self) -> str:
        """By which loss days are judged."""
        return self.loss.name if self.loss else task_loss(self.task)

    @property
    def blockings(self) -> tuple[NDArray[np.int64], ...]:
        """The blocks that intervals come from: days, whole groups, or both and their cells."""
        found = blockings(self.day if self.has_days else None, self.groups)
        return found or (np.zeros(self.rows, dtype=np.int64),)

    def group_by(self, column: str) -> None:
        """Take rows of one value of a column as hanging together, beside those of a day.

        Raises:
            InvalidInputError: there is no such column.
        """
        names = required_column(self.frame, column, "group").cast(pl.String).fill_null("")
        self.groups = dealt_blocks(names.rank("dense").to_numpy())

    def weigh_by(self, column: str) -> None:
        """Let each row count for as much as a column says.

        Raises:
            InvalidInputError: there is no such column of numbers of 0 or more, whole.
        """
        given = required_column(self.frame, column, "weight")
        if not given.dtype.is_numeric() or given.null_count():
            raise InvalidInputError(
                f"{column} is {given.dtype} and missing in {given.null_count():,} rows of "
                f"{self.window}: it is no weight",
                fix=f"give every row a number: rows.with_columns(pl.col({column!r}).fill_null(1))",
            )
        self.weights = row_weights(
            given.cast(pl.Float64).to_numpy(), rows=self.rows, window=self.window
        )

    def take(self, wanted: NDArray[np.bool_]) -> JudgedRows:
        """Return some of the rows."""
        part = object.__new__(JudgedRows)
        part.task, part.window = self.task, self.window
        part.frame = self.frame.filter(pl.Series(wanted))
        part.label, part.output = self.label[wanted], self.output[wanted]
        part.day, part.has_days = self.day[wanted], self.has_days
        part.metrics, part.loss = self.metrics, self.loss
        part.weights = None if self.weights is None else self.weights[wanted]
        part.groups = None if self.groups is None else self.groups[wanted]
        return part

    def estimates(self) -> tuple[ReportFigure, ...]:
        """Return every figure of the task, and the metrics of one's own."""
        found = [self._told(blocks) for blocks in self.blockings]
        figures = (crossed_figure(one) for one in zip(*found, strict=True))
        return (*figures, *(self._own(metric) for metric in self.metrics))

    def primary(self) -> ReportFigure:
        """Return the figure that decides; without a value where these rows do not tell it."""
        for metric in self.metrics:
            if metric.name == self.task.metric:
                return self._own(metric)
        try:
            found = [
                primary_estimate(
                    self.task, self.label, self.output, blocks, window=self.window,
                    weights=self.weights,
                )
                for blocks in self.blockings
            ]  # fmt: skip
        except InvalidInputError as error:
            return ReportFigure(
                name=self.task.metric, value=None, rows=self.rows, why=error.what
            )  # fmt: skip
        return crossed_figure([figure_of(one) for one in found])

    def mean_label(self) -> ReportFigure:
        """Return the base rate, or the mean label where labels are numbers."""
        return figure_of(_mean_label(self.task, self.label, self.weights))

    def losses(self) -> NDArray[np.float64]:
        """Return the loss of each row, shape (rows,)."""
        if self.loss is not None:
            return self.loss.row_values(judged_frame(self))
        return task_row_losses(self.task, self.label, self.output, window=self.window)

    def label_columns(self) -> Iterator[NDArray[np.float64]]:
        """Yield what a day's labels are told by: the label, or whether it is a class, for each."""
        if not self.task.has_class_columns:
            yield self.label
            return
        for code in range(len(self.task.classes)):
            yield (self.label == code).astype(np.float64)

    def _told(self, blocks: NDArray[np.int64]) -> tuple[ReportFigure, ...]:
        found = task_estimates(
            self.task, self.label, self.output, blocks, window=self.window, weights=self.weights
        )
        return tuple(figure_of(one) for one in found)

    def _own(self, metric: Metric) -> ReportFigure:
        frame = judged_frame(self)
        return crossed_figure([metric_figure(metric, frame, codes) for codes in self.blockings])


def judged_frame(rows: JudgedRows) -> pl.DataFrame:
    """Return what functions of one's own get of judged rows."""
    return answered_frame(rows.task, rows.frame, rows.label, rows.output, rows.weights)


def answered_frame(
    task: Task,
    frame: pl.DataFrame,
    label: NDArray[np.float64],
    output: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
) -> pl.DataFrame:
    """Return what functions of one's own get: label, prediction, decision, and all other columns.

    The label is there by its own name too, as the rows have it, in evaluations and in windows.
    `sample_weight` is for how much each row counts; 1 where nothing says otherwise.
    """
    prediction = output if output.ndim == 1 else output.max(axis=1)
    added = {
        "label": label, "prediction": prediction, "score": prediction,
        "decision": decisions(task, output),
        SAMPLE_WEIGHT: np.ones(len(label)) if weights is None else weights,
    }  # fmt: skip
    if task.label not in frame.columns:  # sealed windows have labels under `label` alone
        known = frame["label"] if "label" in frame.columns else pl.Series(label)
        frame = frame.with_columns(known.alias(task.label))
    return frame.with_columns(**{name: pl.Series(column) for name, column in added.items()})


def day_codes(frame: pl.DataFrame, time: str) -> NDArray[np.int64]:
    """Return the UTC day of each row in days since 1970, shape (rows,); one day without a time.

    Raises:
        InvalidInputError: there is no such column of times.
    """
    if not time:
        return np.zeros(frame.height, dtype=np.int64)
    column = required_column(frame, time, "time")
    if column.dtype == pl.Int64:  # microseconds, as signatures spell times
        column = pl.from_epoch(column, time_unit="us")
    if not isinstance(column.dtype, pl.Datetime | pl.Date):
        raise InvalidInputError(
            f"the time column {time!r} is {column.dtype}, not a time",
            fix="name a column of times in UTC with time=",
        )
    return column.cast(pl.Date).cast(pl.Int64).fill_null(0).to_numpy()


def day_text(code: int) -> str:
    """Return a day of `day_codes` as people write it."""
    return str(np.datetime64(int(code), "D"))


def required_column(frame: pl.DataFrame, name: str, what: str) -> pl.Series:
    """Return the column that an argument `what` names.

    Raises:
        InvalidInputError: the rows have none; names those they have and the closest.
    """
    if name in frame.columns:
        return frame[name]
    near = closest(name, frame.columns)
    raise InvalidInputError(
        f"the rows have no column {name!r} for {what}=; they have {', '.join(frame.columns)}",
        fix=f"did you mean {near!r}?" if near else f"name a column of the rows with {what}=",
    )


def _mean_label(
    task: Task, label: NDArray[np.float64], weights: NDArray[np.float64] | None
) -> Estimate:
    if not task.has_decisions:
        return mean_estimate("mean_label", label, weights)
    if weights is None:
        return share_estimate("base_rate", float(label.sum()), len(label))
    total = float(weights.sum())
    effective = total * total / float(weights @ weights) if total else 0.0  # Kish 1965
    share = float(weights @ label) / total if total else 0.0
    return share_estimate("base_rate", share * effective, effective)


def _labels(column: pl.Series) -> Sequence[object]:
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        values: Sequence[object] = column.to_numpy()  # type: ignore[assignment]
        return values
    return column.to_list()
