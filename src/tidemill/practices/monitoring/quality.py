"""The figures of labelled rows: everything that a report says of a model's quality. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.intervals import mean_estimate, share_estimate
from tidemill.kernels.resampling import random_parts
from tidemill.kernels.task_metrics import (
    decisions,
    label_codes,
    primary_estimate,
    task_calibration,
    task_estimates,
    task_loss,
    task_row_losses,
)
from tidemill.practices.monitoring.business import business_value
from tidemill.practices.monitoring.outputs import output_array
from tidemill.practices.monitoring.own_metrics import Metric, metric_figure
from tidemill.practices.monitoring.report import (
    OTHER,
    DayLoss,
    Report,
    ReportBin,
    ReportFigure,
    SliceReport,
    figure_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.kernels.intervals import Estimate
    from tidemill.practices.monitoring.business import BusinessFigure

MIN_SLICE_ROWS = 50
"""Levels with fewer labelled rows are put together under `(other)`."""
MOST_LEVELS = 50
MOST_BLOCKS = 200
PART_ROWS = 20
MOST_PARTS = 30


class JudgedRows:
    """Labelled rows as arrays: codes of labels, outputs, the UTC day of each, and the frame."""

    metrics: tuple[Metric, ...] = ()
    """Metrics of one's own, told beside those of the task."""

    def __init__(
        self, task: Task, frame: pl.DataFrame, outputs: Sequence[str], *, time: str, window: str
    ) -> None:
        self.task, self.frame, self.window = task, frame, window
        self.label = label_codes(task, _labels(frame["label"]), window=window)
        self.output = output_array(task, {name: frame[name].to_numpy() for name in outputs})
        self.day, self.has_days = day_codes(frame, time), bool(time)
        self.blocks = self.day

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.frame.height

    def group_by(self, column: str) -> None:
        """Take rows of one value of a column as hanging together, instead of those of a day.

        Many values are dealt into `MOST_BLOCKS` blocks, each value as a whole: blocks of
        independent values are independent.

        Raises:
            InvalidInputError: there is no such column.
        """
        if column not in self.frame.columns:
            raise InvalidInputError(
                f"the rows have no column {column!r} to group by; they have "
                f"{', '.join(self.frame.columns)}",
                fix="name the column of the entity with group=",
            )
        names = self.frame[column].cast(pl.String).fill_null("").rank("dense").to_numpy()
        values, codes = np.unique(names, return_inverse=True)
        if len(values) > MOST_BLOCKS:
            codes = random_parts(len(values), MOST_BLOCKS)[codes]
        self.blocks = codes.astype(np.int64)

    def take(self, wanted: NDArray[np.bool_]) -> JudgedRows:
        """Return some of the rows."""
        part = object.__new__(JudgedRows)
        part.task, part.window = self.task, self.window
        part.frame = self.frame.filter(pl.Series(wanted))
        part.label, part.output = self.label[wanted], self.output[wanted]
        part.day, part.has_days = self.day[wanted], self.has_days
        part.blocks, part.metrics = self.blocks[wanted], self.metrics
        return part

    def estimates(self) -> tuple[ReportFigure, ...]:
        """Return every figure of the task."""
        found = task_estimates(self.task, self.label, self.output, self.blocks, window=self.window)
        frame = judged_frame(self) if self.metrics else self.frame
        own = (metric_figure(metric, frame, self.blocks) for metric in self.metrics)
        return (*(figure_of(one) for one in found), *own)

    def primary(self) -> ReportFigure:
        """Return the figure that decides; without a value where these rows do not tell it."""
        for metric in self.metrics:
            if metric.name == self.task.metric:
                return metric_figure(metric, judged_frame(self), self.blocks)
        try:
            found = primary_estimate(
                self.task, self.label, self.output, self.blocks, window=self.window
            )
        except InvalidInputError as error:
            return ReportFigure(
                name=self.task.metric, value=None, rows=self.rows, why=error.what
            )  # fmt: skip
        return figure_of(found)

    def mean_label(self) -> ReportFigure:
        """Return the base rate, or the mean label of a regression."""
        return figure_of(_mean_label(self.task, self.label))


def day_codes(frame: pl.DataFrame, time: str) -> NDArray[np.int64]:
    """Return the UTC day of each row in days since 1970, shape (rows,); one day without a time."""
    if not time:
        return np.zeros(frame.height, dtype=np.int64)
    column = frame[time]
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


def judged_frame(rows: JudgedRows) -> pl.DataFrame:
    """Return what business figures get: label, prediction, decision and all other columns."""
    prediction = rows.output if rows.output.ndim == 1 else rows.output.max(axis=1)
    added = {
        "label": rows.label, "prediction": prediction, "score": prediction,
        "decision": decisions(rows.task, rows.output),
    }  # fmt: skip
    return rows.frame.with_columns(**{name: pl.Series(column) for name, column in added.items()})


def quality_report(
    rows: JudgedRows, *, slices: Sequence[str] = (), business: Sequence[BusinessFigure] = ()
) -> Report:
    """Return the figures, slices, calibration, business figures and daily losses of rows.

    What the rows do not tell (no row at all, one class only) is left out or told as a note.

    Raises:
        UnknownLabelError, NotFiniteError, MisalignedError: labels or outputs are no such thing.
    """
    empty = Report(
        task=rows.task, window=rows.window, rows=rows.rows, labelled=rows.rows,
        loss=task_loss(rows.task),
    )  # fmt: skip
    if rows.rows < 2:
        return msgspec.structs.replace(empty, notes=("too few labelled rows for any figure",))
    bins, error = task_calibration(rows.task, rows.label, rows.output, window=rows.window)
    figures = rows.estimates()
    if error is not None:
        figures += (ReportFigure(name="calibration_error", value=error, rows=rows.rows),)
    missing = [name for name in slices if name not in rows.frame.columns]
    told, notes = business_figures(rows, business)
    notes += tuple(f"there is no column {name!r} to slice by" for name in missing)
    return msgspec.structs.replace(
        empty,
        figures=figures,
        slices=tuple(
            part for name in slices if name not in missing for part in slice_reports(rows, name)
        ),
        calibration=tuple(
            ReportBin(rows=b.rows, told=b.mean_probability, came=b.share, low=b.low, high=b.high)
            for b in bins
        ),
        business=told,
        days=tuple(day_losses(rows)),
        notes=notes,
    )


def business_figures(
    rows: JudgedRows, business: Sequence[BusinessFigure]
) -> tuple[tuple[ReportFigure, ...], tuple[str, ...]]:
    """Return business figures, and a note for each whose function fails: it hides no other."""
    frame = judged_frame(rows) if business else rows.frame
    told: list[ReportFigure] = []
    notes: list[str] = []
    for figure in business:
        try:
            told.append(business_value(figure, frame, rows.day))
        except InvalidInputError as error:
            notes.append(error.what)
    return tuple(told), tuple(notes)


def slice_reports(rows: JudgedRows, column: str) -> Iterator[SliceReport]:
    """Yield the levels of a column, most rows first; small levels together as `(other)`."""
    levels = rows.frame[column].cast(pl.String).fill_null("(missing)")
    counts = levels.value_counts(sort=True, name="rows")
    large = counts.filter(pl.col("rows") >= MIN_SLICE_ROWS)[column].to_list()[:MOST_LEVELS]
    named = pl.select(
        pl.when(levels.is_in(large)).then(levels).otherwise(pl.lit(OTHER))
    ).to_series()  # fmt: skip
    for level in [*large, *([OTHER] if len(large) < counts.height else [])]:
        part = rows.take((named == level).to_numpy())
        yield SliceReport(
            column=column, level=level, rows=part.rows,
            figures=(part.primary(), part.mean_label()),
        )  # fmt: skip


def day_losses(rows: JudgedRows) -> Iterator[DayLoss]:
    """Yield mean loss and mean label (or class shares) of each UTC day, oldest first.

    Rows without times are dealt into random parts of `PART_ROWS` rows or more: they tell what a day
    of as many rows would differ by itself.
    """
    losses = task_row_losses(rows.task, rows.label, rows.output, window=rows.window)
    parts = max(1, min(MOST_PARTS, rows.rows // PART_ROWS))
    own = rows.day if rows.has_days else random_parts(rows.rows, parts)
    days, codes = np.unique(own, return_inverse=True)
    counts = np.bincount(codes)
    sums = [np.bincount(codes, weights=column) for column in _label_columns(rows)]
    mean_losses = np.bincount(codes, weights=losses) / counts
    for place, day in enumerate(days.tolist()):
        yield DayLoss(
            day=day_text(day) if rows.has_days else f"part {day + 1}",
            rows=int(counts[place]), loss=float(mean_losses[place]),
            labels=tuple(float(column[place] / counts[place]) for column in sums),
        )  # fmt: skip


def _label_columns(rows: JudgedRows) -> list[NDArray[np.float64]]:
    if not rows.task.has_class_columns:
        return [rows.label]
    return [(rows.label == code).astype(np.float64) for code in range(len(rows.task.classes))]


def _mean_label(task: Task, label: NDArray[np.float64]) -> Estimate:
    if task.has_probabilities and not task.has_class_columns:
        return share_estimate("base_rate", float(label.sum()), len(label))
    return mean_estimate("mean_label", label)


def _labels(column: pl.Series) -> Sequence[object]:
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        values: Sequence[object] = column.to_numpy()  # type: ignore[assignment]
        return values
    return column.to_list()
