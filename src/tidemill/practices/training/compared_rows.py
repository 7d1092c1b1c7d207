"""Compared rows: the sealed predictions of a window with their labels, asked of both models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.ref import Version
from tidemill.kernels.task_metrics import label_codes
from tidemill.lineage.refs import ref_name, versions
from tidemill.lineage.writing import newest_version
from tidemill.practices.monitoring.judged_rows import day_codes
from tidemill.practices.monitoring.labels import labels_known, with_labels
from tidemill.practices.monitoring.outputs import output_array, output_names
from tidemill.practices.monitoring.report import read_report
from tidemill.practices.monitoring.seals import known_seals, scan_seals, seals_within
from tidemill.practices.training.contest import ContestRows
from tidemill.practices.versioning.evidence import evidence_of

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from tidemill.core.digest import ArtifactId
    from tidemill.core.times import Window
    from tidemill.lineage.record import Record
    from tidemill.practices.versioning.model import Model


class WindowRows(msgspec.Struct, frozen=True, kw_only=True):
    """Labelled predictions of a window, and the artifacts that they come from.

    `frame` has every logged column, `label`, and one row a prediction.
    """

    frame: pl.DataFrame
    sources: tuple[Version, ...]


def window_rows(
    record: Record, deployment: str, window: Window, row_key: str, at: datetime
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
    known = with_labels(rows, labels_known(record, deployment, at), row_key)
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


def contest_rows(
    rows: WindowRows, challenger: Model, champion: Model, *,
    champion_id: ArtifactId, slices: tuple[str, ...], window: Window,
) -> ContestRows:  # fmt: skip
    """Return both models' answers on exactly these rows, from the features as they were logged.

    Raises:
        InvalidInputError: the two do not answer the same question, or one needs an input that was
            not logged; names it.
    """
    ours, theirs = challenger.task, champion.task
    if (ours.kind, ours.label, ours.classes) != (theirs.kind, theirs.label, theirs.classes):
        raise InvalidInputError(
            f"the challenger predicts {ours.label} ({ours.kind}), the champion {theirs.label} "
            f"({theirs.kind})",
            fix="compare models of one task",
        )
    frame = rows.frame
    return ContestRows(
        labels=label_codes(ours, frame["label"].to_list(), window=str(window)),
        champion=answers_of(champion, frame, "champion"),
        challenger=answers_of(challenger, frame, "challenger"),
        days=day_codes(frame, "at"), logged=_logged(champion, frame, champion_id),
        slices={
            name: frame[name].cast(pl.String).fill_null("(missing)").to_numpy().astype(np.str_)
            for name in slices
            if name in frame.columns
        },
        window=str(window),
    )  # fmt: skip


def slice_columns(record: Record, version: Version) -> tuple[str, ...]:
    """Return the columns that the evaluation of a version was sliced by."""
    report = evidence_of(record, version).report
    if report is None:
        return ()
    return tuple(dict.fromkeys(part.column for part in read_report(record, report).slices))


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
            f"the {who} needs {', '.join(missing)}, which the deployment did not log",
            fix="deploy a model that takes these columns first; they are logged from then on",
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
    return np.column_stack(columns) if model.task.kind == "multiclass" else columns[0]
