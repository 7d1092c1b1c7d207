"""Compared rows: the sealed predictions of a window with their labels, asked of both models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.ref import Version
from tidemill.kernels.crossed_blocks import dealt_blocks
from tidemill.kernels.task_metrics import label_codes
from tidemill.lineage.refs import ref_name, versions
from tidemill.lineage.writing import newest_version
from tidemill.practices.monitoring.judged_rows import day_codes
from tidemill.practices.monitoring.judging import Judging, judging_of
from tidemill.practices.monitoring.labels import labels_known, labels_of_task, with_labels
from tidemill.practices.monitoring.outputs import output_array, output_names
from tidemill.practices.monitoring.report import read_report
from tidemill.practices.monitoring.seals import known_seals, scan_seals, seals_within
from tidemill.practices.training.contest import ContestRows
from tidemill.practices.versioning.evidence import evidence_of
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.registry import load_model

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from tidemill.core.digest import ArtifactId
    from tidemill.core.times import Window
    from tidemill.lineage.record import Record


class WindowRows(msgspec.Struct, frozen=True, kw_only=True):
    """Labelled predictions of a window, and the artifacts that they come from.

    `frame` has every logged column, `label`, and one row a prediction.
    """

    frame: pl.DataFrame
    sources: tuple[Version, ...]


def window_rows(
    record: Record, deployment: str, window: Window, asked: Model, at: datetime
) -> WindowRows:
    """Return the answered predictions of a sealed window whose label is known at a time.

    Raises:
        NotFoundError: the window is not sealed, or none of its rows has a label by then.
    """
    seals = seals_within(known_seals(record, deployment), window)
    rows = scan_seals(record, seals, window)
    if rows is None:
        raise NotFoundError(
            f"no predictions of {deployment} are sealed in {window}",
            fix=f"tidemill predictions collect {deployment} --window {window}",
        )
    row_key = asked.signature.row_key
    known = labels_of_task(
        with_labels(rows, labels_known(record, deployment, at), row_key), asked.task
    ).drop("unknown_label", strict=False)
    answered = known.filter(pl.col("status") == "ok", pl.col("label").is_not_null())
    frame = answered.sort("prediction_id").collect(engine="streaming")
    if not frame.height:
        raise NotFoundError(
            f"no prediction of {deployment} in {window} has a label by {at:%Y-%m-%d %H:%M}",
            fix=f"tidemill labels add {deployment} SOURCE --key {row_key or 'prediction_id'}",
        )
    newest = newest_version(record, ref_name(record, "labels", deployment))
    numbers = {seal.number for seal in seals}
    sealed = [v for v in _predictions(record, deployment) if v.number in numbers]
    labels = [newest] if isinstance(newest, Version) else []
    return WindowRows(frame=frame, sources=(*sealed, *labels))


class Contested(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions of a model, loaded, and how the challenger's evaluation was judged."""

    ours: Version
    theirs: Version
    challenger: Model
    champion: Model
    judging: Judging
    slices: tuple[str, ...] = ()

    def require_one_task(self) -> None:
        """Raise InvalidInputError where the two do not answer the same question."""
        ours, theirs = self.challenger.task, self.champion.task
        if (ours.kind, ours.label, ours.classes) != (theirs.kind, theirs.label, theirs.classes):
            raise InvalidInputError(
                f"the challenger predicts {ours.label} ({ours.kind}), the champion {theirs.label} "
                f"({theirs.kind})",
                fix="compare models of one task",
            )


def contested(record: Record, ours: Version, theirs: Version) -> Contested:
    """Return two versions as they are compared. Raises NotFoundError: a file is gone."""
    challenger = load_model(record, str(ours))
    identity = evidence_of(record, ours).report
    report = None if identity is None else read_report(record, identity)
    return Contested(
        ours=ours, theirs=theirs, challenger=challenger,
        champion=load_model(record, str(theirs)),
        judging=judging_of(record, challenger.task, report, ours),
        slices=tuple(dict.fromkeys(part.column for part in report.slices)) if report else (),
    )  # fmt: skip


def contest_rows(rows: WindowRows, pair: Contested, window: Window) -> ContestRows:
    """Return both models' answers on exactly these rows, from the features as they were logged.

    Raises:
        InvalidInputError: the two do not answer the same question, or one needs an input that was
            not logged; names it.
    """
    pair.require_one_task()
    frame = rows.frame
    logged = _logged(pair.champion, frame, pair.theirs.artifact)
    return answered_rows(
        pair, frame, window=str(window), days=day_codes(frame, "at"), logged=logged
    )


def answered_rows(
    pair: Contested,
    frame: pl.DataFrame,
    *,
    window: str,
    days: NDArray[np.int64],
    logged: NDArray[np.float64] | None = None,
) -> ContestRows:
    """Return both models' answers on rows, weighted and grouped as the challenger's evaluation was.

    Args:
        pair: the two models.
        frame: rows with their inputs, the labels as `label`, and columns of weight and group.
        window: what errors call these rows.
        days: what moves together, one code a row.
        logged: what the champion answered when it served.
    """
    judging, task = pair.judging, pair.challenger.task
    weight = judging.weight if judging.weight in frame.columns else ""
    group = judging.group if judging.group in frame.columns else ""
    weighed = _weights(frame, weight) if weight else None
    told = [f"weighted by {weight}"] if weight else []
    told += [f"rows of one {group} hang together"] if group else []
    told += [f"{name} is not in these rows" for name in (judging.weight, judging.group)
             if name and name not in frame.columns]  # fmt: skip
    return ContestRows(
        labels=label_codes(task, frame["label"].to_list(), window=window),
        champion=answers_of(pair.champion, frame, "champion"),
        challenger=answers_of(pair.challenger, frame, "challenger"),
        days=days, logged=logged, weights=weighed,
        groups=dealt_blocks(_levels(frame, group).rank("dense").to_numpy()) if group else None,
        frame=frame, judging=judging, basis="; ".join((*told, *judging.notes)), window=window,
        slices={
            name: _levels(frame, name).to_numpy().astype(np.str_)
            for name in pair.slices
            if name in frame.columns
        },
    )  # fmt: skip


def _levels(frame: pl.DataFrame, name: str) -> pl.Series:
    return frame[name].cast(pl.String).fill_null("(missing)")


def _weights(frame: pl.DataFrame, name: str) -> NDArray[np.float64]:
    given = frame[name]
    if not given.dtype.is_numeric() or given.null_count():
        raise InvalidInputError(
            f"the weight {name} is {given.dtype} and missing in {given.null_count():,} rows",
            fix=f"give every row a number as {name}",
        )
    return given.cast(pl.Float64).to_numpy()


def _predictions(record: Record, deployment: str) -> list[Version]:
    return versions(record, ref_name(record, "predictions", deployment), limit=100_000)


def answers_of(model: Model, frame: pl.DataFrame, who: str) -> NDArray[np.float64]:
    """Return a model's answers from the features as they were logged, as the task compares them.

    Raises:
        InvalidInputError: it needs an input that was not logged; names it.
    """
    names = [field.name for field in model.signature.inputs]
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InvalidInputError(
            f"the {who} needs {', '.join(missing)}, which these rows do not have",
            fix="bring rows that have them; of a deployment, deploy a model that takes these "
            "columns first: they are logged from then on",
        )
    outputs = model.predict(frame.select(names))
    return output_array(model.task, outputs)


def _logged(model: Model, frame: pl.DataFrame, champion: ArtifactId) -> NDArray[np.float64]:
    """Return the answers of the champion as logged, shaped as `answers_of`; NaN: it was not asked.

    NaN too for an output of the champion that these rows do not have.
    """
    outputs = [field.name for field in model.signature.outputs]
    own = (frame["model"] == str(champion)).to_numpy()
    nothing = np.full(frame.height, np.nan)
    columns = [
        np.where(own, frame[name].cast(pl.Float64).fill_null(math.nan).to_numpy(), nothing)
        if name in frame.columns
        else nothing
        for name in output_names(model.task, outputs)
    ]
    return np.column_stack(columns) if model.task.has_class_columns else columns[0]
