"""The figures of labelled rows: everything that a report says of a model's quality. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.resampling import random_parts
from tidemill.kernels.task_metrics import task_calibration
from tidemill.practices.monitoring.business import business_value
from tidemill.practices.monitoring.judged_rows import SAMPLE_WEIGHT, day_text, judged_frame
from tidemill.practices.monitoring.report import (
    MIN_SLICE_ROWS,
    OTHER,
    DayLoss,
    Report,
    ReportBin,
    ReportFigure,
    SliceReport,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidemill.practices.monitoring.business import BusinessFigure
    from tidemill.practices.monitoring.judged_rows import JudgedRows

MOST_LEVELS = 50
PART_ROWS = 20
MOST_PARTS = 30


def quality_report(
    rows: JudgedRows,
    *,
    slices: Sequence[str] = (),
    business: Sequence[BusinessFigure] = (),
    min_slice_rows: int = MIN_SLICE_ROWS,
) -> Report:
    """Return the figures, slices, calibration, business figures and daily losses of rows.

    Levels with fewer labelled rows than `min_slice_rows` are put together under `(other)`. What
    the rows do not tell (no row at all, one class only) is left out or told as a note.

    Raises:
        UnknownLabelError, NotFiniteError, MisalignedError: labels or outputs are no such thing.
    """
    empty = Report(
        task=rows.task, window=rows.window, rows=rows.rows, labelled=rows.rows,
        loss=rows.loss_name, min_slice_rows=min_slice_rows,
    )  # fmt: skip
    if rows.rows < 2:
        return msgspec.structs.replace(empty, notes=("too few labelled rows for any figure",))
    bins, error = task_calibration(
        rows.task, rows.label, rows.output, window=rows.window, weights=rows.weights
    )
    figures = rows.estimates()
    if error is not None:
        figures += (ReportFigure(name="calibration_error", value=error, rows=rows.rows),)
    missing = [name for name in slices if name not in rows.frame.columns]
    told, notes = business_figures(rows, business)
    notes += tuple(f"there is no column {name!r} to slice by" for name in missing)
    if rows.weights is not None and rows.metrics:
        named = ", ".join(metric.name for metric in rows.metrics)
        notes += (f"{named} weigh rows by themselves: their function gets {SAMPLE_WEIGHT}",)
    return msgspec.structs.replace(
        empty,
        figures=figures,
        slices=tuple(
            part
            for name in slices
            if name not in missing
            for part in slice_reports(rows, name, least=min_slice_rows)
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
            told.append(business_value(figure, frame, rows.blockings, rows.weights))
        except InvalidInputError as error:
            notes.append(error.what)
    return tuple(told), tuple(notes)


def slice_reports(
    rows: JudgedRows, column: str, *, least: int = MIN_SLICE_ROWS
) -> Iterator[SliceReport]:
    """Yield the levels of a column, most rows first; those with fewer rows than `least` together.

    They are `(other)`. Classes have no mean label.
    """
    levels = rows.frame[column].cast(pl.String).fill_null("(missing)")
    counts = levels.value_counts(sort=True, name="rows")
    large = counts.filter(pl.col("rows") >= least)[column].to_list()[:MOST_LEVELS]
    named = pl.select(
        pl.when(levels.is_in(large)).then(levels).otherwise(pl.lit(OTHER))
    ).to_series()  # fmt: skip
    for level in [*large, *([OTHER] if len(large) < counts.height else [])]:
        part = rows.take((named == level).to_numpy())
        labels = () if rows.task.has_class_columns else (part.mean_label(),)
        yield SliceReport(
            column=column, level=level, rows=part.rows, figures=(part.primary(), *labels)
        )


def day_losses(rows: JudgedRows) -> Iterator[DayLoss]:
    """Yield mean loss and mean label (or class shares) of each UTC day, oldest first.

    Both are weighted where rows are. Rows without times are dealt into random parts of `PART_ROWS`
    rows or more: they tell what a day of as many rows would differ by itself.
    """
    losses, weights = rows.losses(), rows.weights
    parts = max(1, min(MOST_PARTS, rows.rows // PART_ROWS))
    own = rows.day if rows.has_days else random_parts(rows.rows, parts)
    days, codes = np.unique(own, return_inverse=True)
    counts = np.bincount(codes)
    masses = np.bincount(codes, weights=weights)
    weight = np.ones(rows.rows) if weights is None else weights
    columns = [losses, *rows.label_columns()]
    sums = [np.bincount(codes, weights=weight * column) for column in columns]
    for place, day in enumerate(days.tolist()):
        if masses[place] <= 0.0:  # all its rows count for nothing
            continue
        loss, *labels = (float(column[place] / masses[place]) for column in sums)
        yield DayLoss(
            day=day_text(day) if rows.has_days else f"part {day + 1}",
            rows=int(counts[place]), loss=loss, labels=tuple(labels),
        )  # fmt: skip
