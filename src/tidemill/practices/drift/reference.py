"""The reference of a deployed model: its sample's days for data, its evaluation's for performance.

The sample's outputs count only on the days of the evaluation, whose rows the model was not fitted
on: its answers to rows that it has learned are surer than any to come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from tidemill.core.digest import ArtifactId
from tidemill.core.errors import InvalidInputError
from tidemill.kernels.e_detector import DayDetector, day_detector
from tidemill.kernels.resampling import random_parts
from tidemill.kernels.row_rules import decode_request_rules
from tidemill.kernels.row_rules_polars import DTYPES, failed_polars
from tidemill.lineage.artifacts import find_artifact
from tidemill.practices.drift.results import LOSS
from tidemill.practices.drift.watched import (
    BROKEN,
    DayCounts,
    Watched,
    counted,
    scores_of,
    watched_columns,
    without,
)
from tidemill.practices.monitoring.deployments import served_evidence
from tidemill.practices.monitoring.judged_rows import day_codes, day_text
from tidemill.practices.monitoring.outputs import flat_outputs
from tidemill.practices.monitoring.window_rows import evaluation_report
from tidemill.practices.versioning.registry import load_model
from tidemill.practices.versioning.tables import scan_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.kernels.row_rules import RowRule
    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.deployments import ServedModel
    from tidemill.practices.monitoring.report import Report

MIN_DAY_ROWS = 20
"""A day with fewer rows, or fewer than half of a day of the reference, says nothing."""


MOST_PARTS = 60
"""Most random parts that stand for days; more days than that say little more."""
NO_TIME = (
    "the {what} has no times: its days are random parts of its rows, so what differs from day to "
    "day by itself is not known, and may be told as drift"
)


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What the days of a model are tested against; kept once a model, as an artifact.

    `rows_a_day` is what a day of it counts; `watched` None: performance.
    """

    model: ArtifactId
    detector: DayDetector
    days: int
    rows_a_day: int
    made_from: ArtifactId
    watched: Watched | None = None
    rules: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    window: str = ""
    """The sealed window that it was made from, where it was not the model's own companions."""

    @property
    def least_rows(self) -> int:
        """Fewer rows than this say nothing of a day."""
        return max(MIN_DAY_ROWS, self.rows_a_day // 2)


class NoReference(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is nothing to test against; `waits`: more days alone will mend it."""

    why: str
    waits: bool = False


def data_reference(record: Record, served: ServedModel, *, rows_a_day: int) -> Reference | str:
    """Return the reference of features and outputs, or why there is none.

    Args:
        record: the context.
        served: the deployed model.
        rows_a_day: rows of a usual day as served; days of the sample are thinned to as many, so
            that a mean of a day has the same noise on both sides.
    """
    identity = served_evidence(record, served).sample
    if identity is None:
        return "the model came without a sample: candidate(name, model, sample=rows)"
    manifest = find_artifact(record, identity).manifest
    if manifest is None:
        return "the rows of the model's sample are gone"
    sample = scan_table(record.ports.objects, manifest, identity).collect(engine="streaming")
    report = evaluation_report(record, served)
    time = _time_column(served, sample, report[1] if report else None)
    sample, outputs = _with_outputs(record, served, sample, time, report[1] if report else None)
    rules = known_rules(served, sample)
    sample = with_broken(sample, served, rules)
    watched, notes = watched_columns(
        served.signature.inputs, outputs, sample, has_rules=bool(rules)
    )
    if not watched.features:
        return "the model's sample has none of its inputs"
    days = list(_sample_days(watched, sample, time, rows_a_day))
    if not days:
        return f"no day of the model's sample has {MIN_DAY_ROWS} rows"
    scores = np.array([_reference_scores(watched, day, outputs) for day in days])
    detector = day_detector(watched.names, scores, weights=watched.weights)
    return Reference(
        model=served.artifact, detector=detector, days=len(days), made_from=identity,
        rows_a_day=int(np.median([day.rows for day in days])), watched=watched,
        rules=tuple(rules), notes=notes if time else (*notes, NO_TIME.format(what="sample")),
    )  # fmt: skip


def performance_reference(record: Record, served: ServedModel) -> Reference | str:
    """Return the reference of loss and labels a day, or why there is none."""
    found = evaluation_report(record, served)
    if found is None:
        return "the model came without an evaluation: candidate(name, model, report=evaluate(...))"
    identity, report = found
    usual = float(np.median([day.rows for day in report.days])) if report.days else 0.0
    days = [d for d in report.days if d.rows >= max(MIN_DAY_ROWS, usual / 2)]
    if not days:
        return f"no day of the model's evaluation has {MIN_DAY_ROWS} rows; evaluate it on more"
    scores = np.array([performance_scores(day.loss, day.labels) for day in days])
    return Reference(
        model=served.artifact, detector=performance_detector(report.task, scores),
        days=len(days), rows_a_day=int(usual), made_from=identity,
        notes=() if report.time else (NO_TIME.format(what="evaluation"),),
    )  # fmt: skip


def performance_detector(task: Task, scores: NDArray[np.float64]) -> DayDetector:
    """Return a detector over loss and labels: half of the weight is the loss's.

    Args:
        task: what is predicted.
        scores: of the reference's days, shape (days, scores), as `performance_names` says.
    """
    names = performance_names(task)
    labels = len(names) - 1
    return day_detector(names, scores, weights=[0.5, *([0.5 / labels] * labels)])


def performance_names(task: Task) -> tuple[str, ...]:
    """Return the names of what is watched of performance: loss, and how labels are shared."""
    return (LOSS, *task.label_figures)


def performance_scores(loss: float, labels: Sequence[float]) -> list[float]:
    """Return the scores of a day, in the order of `performance_names`."""
    return [loss, *labels]


def known_rules(served: ServedModel, frame: pl.DataFrame) -> list[int]:
    """Return the places of those rules of the contract that a frame can be held to."""
    rules = decode_request_rules(served.rules)[:64]
    return [
        place
        for place, rule in enumerate(rules)
        if all(name in frame.columns for name, _ in rule.columns)
    ]


def with_broken(frame: pl.DataFrame, served: ServedModel, rules: Sequence[int]) -> pl.DataFrame:
    """Return a frame with the column `BROKEN`: whether a row breaks one of the rules."""
    given = decode_request_rules(served.rules)
    if not rules:
        return frame
    failed = [_failed(frame, given[place]) for place in rules]
    return frame.with_columns(pl.any_horizontal(failed).alias(BROKEN))


def _failed(frame: pl.DataFrame, rule: RowRule) -> pl.Series:
    """A column that cannot be of the rule's type breaks it in every row."""
    try:
        typed = frame.select(pl.col(name).cast(DTYPES[type_]) for name, type_ in rule.columns)
        return typed.select(failed_polars(rule)).to_series()
    except pl.exceptions.PolarsError as error:
        raise InvalidInputError(
            f"the rule {rule.name} cannot be evaluated on the model's sample: {error}",
            fix="make the contract's types those of the training rows",
        ) from None


def _time_column(served: ServedModel, sample: pl.DataFrame, report: Report | None) -> str:
    named = [report.time if report else "", served.signature.time]
    times = [name for name, dtype in sample.schema.items() if isinstance(dtype, pl.Datetime)]
    return next((name for name in (*named, *times[:1]) if name in sample.columns), "")


def _with_outputs(
    record: Record, served: ServedModel, sample: pl.DataFrame, time: str, report: Report | None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Add the model's outputs, null on days on which it may have been fitted, with their names."""
    model = load_model(record, find_artifact(record, served.artifact))
    outputs = flat_outputs(model.task, model.predict(sample))
    answered = sample.with_columns(**{n: pl.Series(column) for n, column in outputs.items()})
    if not time:
        return answered, tuple(outputs)
    judged = {day.day for day in report.days} if report else set()
    days = [day_text(code) for code in day_codes(sample, time)]
    if not judged & set(days):  # the evaluation tells nothing of these days: take them all
        return answered, tuple(outputs)
    is_judged = pl.Series([day in judged for day in days])
    hidden = answered.with_columns(pl.when(is_judged).then(pl.col(name)) for name in outputs)
    return hidden, tuple(outputs)


def _sample_days(
    watched: Watched, sample: pl.DataFrame, time: str, rows_a_day: int
) -> Iterator[DayCounts]:
    """Yield the days of a sample; without a time random parts of as many rows as a usual day."""
    if time:
        codes = day_codes(sample, time)
    else:
        parts = max(1, min(MOST_PARTS, sample.height // max(rows_a_day, MIN_DAY_ROWS)))
        codes = random_parts(sample.height, parts)
    for code in np.unique(codes).tolist():
        rows = sample.filter(pl.Series(codes == code))
        if rows.height >= MIN_DAY_ROWS:
            day = day_text(code) if time else f"part {code}"
            yield counted(watched, thinned(rows, rows_a_day), day, {})


def thinned(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """Return at most `most` rows, evenly over all of them."""
    if rows.height <= most:
        return rows
    places = np.linspace(0, rows.height - 1, max(most, 1)).round().astype(np.int64)
    return rows[places]


def _reference_scores(
    watched: Watched, day: DayCounts, outputs: Sequence[str]
) -> NDArray[np.float64]:
    """Outputs of a day that the model was fitted on are all missing: they say nothing."""
    scores = scores_of(watched, day)
    for place, bins in enumerate(watched.features):
        if bins.feature in outputs and not day.counts[place][:-1].any():
            without(watched, scores, [bins.feature])
    return scores
