"""The sealed rows of a window of predictions, and how they are judged: as the evaluation was."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import NotFoundError
from tidemill.core.task import Task
from tidemill.core.times import Window
from tidemill.practices.monitoring.deployments import (
    ServedModel,
    read_deployment,
    served_evidence,
    served_task,
    served_version,
)
from tidemill.practices.monitoring.judging import Judging, judging_of
from tidemill.practices.monitoring.labels import labels_known, labels_of_task, with_labels
from tidemill.practices.monitoring.outputs import output_names
from tidemill.practices.monitoring.report import Report, read_report
from tidemill.practices.monitoring.seals import Seal, known_seals, scan_seals, seals_within
from tidemill.practices.monitoring.windows import collect_if_over

if TYPE_CHECKING:
    import polars as pl

    from tidemill.core.digest import ArtifactId
    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.judged_rows import JudgedRows


class WindowRows(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed rows of a window: which seals, which model answered last, labels known when."""

    name: str
    window: Window
    seals: tuple[Seal, ...]
    every_seal: tuple[Seal, ...]
    served: ServedModel
    task: Task
    at: datetime
    judging: Judging = Judging()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The sealed columns that answer the task."""
        from tidemill.practices.monitoring.blocks import stored_name  # noqa: PLC0415 - heavy

        names = output_names(self.task, [field.name for field in self.served.signature.outputs])
        return tuple(stored_name("output", name) for name in names)

    def stored(self, column: str) -> str:
        """Return the sealed column of a column of the evaluation; "": it was not logged."""
        from tidemill.practices.monitoring.blocks import stored_name  # noqa: PLC0415 - heavy

        signature = self.served.signature
        for role, fields in (("context", signature.context), ("input", signature.inputs)):
            if column in {field.name for field in fields}:
                return stored_name(role, column)
        return ""

    @property
    def row_key(self) -> str:
        """The sealed column by which labels find their row; "" stands for the prediction's id."""
        from tidemill.practices.monitoring.blocks import stored_name  # noqa: PLC0415 - heavy

        key = self.served.signature.row_key
        return stored_name("context", key) if key else ""


def window_rows(record: Record, name: str, window: Window, at: datetime) -> WindowRows:
    """Return what is sealed of a window; seals it before, if the window is over.

    Raises:
        NotFoundError: nothing was predicted in the window.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    collect_if_over(record, name, window, at)
    everything = known_seals(record, name)
    seals = seals_within(everything, window)
    rows = scan_seals(record, seals, window, known_by=at)
    last = None if rows is None else rows.sort("at").select(pl.last("deployment")).collect()
    if last is None or not last.height or last.item() is None:
        raise NotFoundError(
            f"{name} has no sealed predictions in {window}",
            fix=f"see its windows: tidemill predictions list {name}; one is sealed when it is over",
        )
    served = read_deployment(record, last.item())
    task = served_task(record, served)
    return WindowRows(
        name=name, window=window, seals=tuple(seals), every_seal=tuple(everything), served=served,
        task=task, at=at, judging=served_judging(record, served, task),
    )  # fmt: skip


def served_judging(record: Record, served: ServedModel, task: Task) -> Judging:
    """Return how the rows of a served model are judged: as its evaluation was."""
    if not served.is_registered:
        return judging_of(record, task, None, None)
    found = evaluation_report(record, served)
    version = served_version(record, served)
    return judging_of(record, task, found[1] if found else None, version)


def judged_rows(rows: WindowRows, frame: pl.DataFrame, *, window: str) -> JudgedRows:
    """Return labelled rows of a window, judged as the evaluation of their model was.

    Args:
        rows: the window.
        frame: its answered rows with `label`; those without a weight are left out.
        window: what errors call them.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.practices.monitoring.judged_rows import JudgedRows  # noqa: PLC0415 - heavy

    weight, group = rows.stored(rows.judging.weight), rows.stored(rows.judging.group)
    if weight:
        frame = frame.filter(pl.col(weight).is_not_null())
    judged = JudgedRows(rows.task, frame, rows.outputs, time="at", window=window)
    judged.metrics, judged.loss = rows.judging.metrics, rows.judging.loss
    if weight and frame.height:
        judged.weigh_by(weight)
    if group:
        judged.group_by(group)
    return judged


def labelled_rows(record: Record, rows: WindowRows) -> pl.LazyFrame:
    """Return all sealed rows of the window with `label` as it was known; null: not yet.

    What is no label of the task is null too, see `labels_of_task`.
    """
    found = scan_seals(record, rows.seals, rows.window, known_by=rows.at)
    if found is None:
        raise NotFoundError(f"{rows.name} has no rows in {rows.window}", fix="see its windows")
    known = with_labels(found, labels_known(record, rows.name, rows.at), rows.row_key)
    return labels_of_task(known, rows.task)


def evaluation_report(record: Record, served: ServedModel) -> tuple[ArtifactId, Report] | None:
    """Return the report that a deployed model's version came with; None: it came without one."""
    identity = served_evidence(record, served).report
    return None if identity is None else (identity, read_report(record, identity))
