"""The days of a window as scores: which can be tested, which say nothing, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidemill.practices.drift.reference import performance_scores
from tidemill.practices.drift.results import SkippedDay
from tidemill.practices.drift.watched import BROKEN, DayCounts, counted, scores_of
from tidemill.practices.monitoring.blocks import stored_name
from tidemill.practices.monitoring.quality import day_losses
from tidemill.practices.monitoring.window_rows import judged_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.practices.drift.states import Known
    from tidemill.practices.monitoring.deployments import ServedModel
    from tidemill.practices.monitoring.window_rows import WindowRows

LEAST_LABELLED = 0.5
"""Below this share of labelled rows a window's performance is not tested yet."""


class TestedDays(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of the days that can be tested, in order; `why_not`: none of them may be, yet.

    `waits`: labels that come later will mend it, and nobody need do anything.
    """

    __test__ = False  # pytest takes the name for a test's

    scores: tuple[tuple[str, NDArray[np.float64]], ...] = ()
    counts: tuple[DayCounts, ...] = ()
    skipped: tuple[SkippedDay, ...] = ()
    why_not: str = ""
    waits: bool = False


def data_days(served: ServedModel, known: Known, frame: pl.DataFrame) -> TestedDays:
    """Return the days of a model's rows over the bins of its reference.

    Args:
        served: the model.
        known: its detector.
        frame: all rows of the window, `is_own` says which are this model's.
    """
    watched = known.reference.watched
    if watched is None:
        return TestedDays(why_not="the reference watches no column")
    names = {field.name: stored_name("input", field.name) for field in served.signature.inputs}
    names |= {field.name: stored_name("output", field.name) for field in served.signature.outputs}
    missing = [
        b.feature for b in watched.features if names.get(b.feature, b.feature) not in frame.columns
    ]
    if missing:
        return TestedDays(why_not=f"{', '.join(missing)} of the reference was not logged")
    if watched.has_rules:
        bits = np.bitwise_or.reduce([np.uint64(1 << place) for place in known.reference.rules])
        broken = (frame["contract_bits"].to_numpy() & bits) != 0
        frame = frame.with_columns(pl.Series(BROKEN, broken))
    skipped: list[SkippedDay] = []
    scores, counts = [], []
    for day, rows in _whole_days(known, frame, skipped):
        found = counted(watched, rows, day, names)
        counts.append(found)
        scores.append((day, scores_of(watched, found)))
    return TestedDays(scores=tuple(scores), counts=tuple(counts), skipped=tuple(skipped))


def performance_days(rows: WindowRows, known: Known, frame: pl.DataFrame) -> TestedDays:
    """Return the mean loss and labels of the days of a model's rows. Arguments as `data_days`."""
    if rows.judging.weight and not rows.stored(rows.judging.weight):
        return TestedDays(
            why_not=f"its evaluation is weighted by {rows.judging.weight}, which is not logged: "
            "take it into the signature's context"
        )
    answered = frame.filter(pl.col("is_own"), pl.col("status") == "ok")
    finite = pl.all_horizontal(pl.col(name).is_finite() for name in rows.outputs)
    usable = answered.filter(finite.fill_null(value=False), pl.col("label").is_not_null())
    share = usable.height / max(answered.height, 1)
    if share < LEAST_LABELLED:
        return TestedDays(
            why_not=f"{share:.0%} of its rows have a label by {rows.at:%Y-%m-%d}; "
            f"{LEAST_LABELLED:.0%} are needed, so ask again later",
            waits=True,
        )
    skipped: list[SkippedDay] = []
    scores: list[tuple[str, NDArray[np.float64]]] = []
    is_usable = usable["prediction_id"].implode()
    kept = frame.filter(pl.col("prediction_id").is_in(is_usable) | ~pl.col("is_own"))
    for day, own in _whole_days(known, kept, skipped):
        losses = day_losses(judged_rows(rows, own, window=day))
        scores += [(day, np.array(performance_scores(one.loss, one.labels))) for one in losses]
    return TestedDays(scores=tuple(scores), skipped=tuple(skipped))


def _whole_days(
    known: Known, frame: pl.DataFrame, skipped: list[SkippedDay]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield days that are wholly a model's own, not seen before, and have enough rows."""
    seen, least = set(known.detector.days), known.reference.least_rows
    days = frame.with_columns(day=pl.col("at").dt.date()).partition_by(
        "day", as_dict=True, maintain_order=True, include_key=False
    )
    for (date,), rows in sorted(days.items(), key=lambda item: str(item[0][0])):
        own = rows.filter(pl.col("is_own"))
        day = str(date)
        if not own.height:
            continue
        if day in seen:
            skipped.append(SkippedDay(day=day, why="it was tested in another window"))
        elif own.height < rows.height:
            skipped.append(SkippedDay(day=day, why="another model answered on it too"))
        elif own.height < least:
            why = f"{own.height} rows; {least} are needed"
            skipped.append(SkippedDay(day=day, why=why))
        else:
            yield day, own
