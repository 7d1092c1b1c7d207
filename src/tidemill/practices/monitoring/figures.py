"""The report of a window of predictions, with the labels that are known by a time."""

from __future__ import annotations

import inspect
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import digest_of_value
from tidemill.core.errors import ConflictError, NotFoundError, TidemillError
from tidemill.core.facts import Keyed, KeyIs
from tidemill.core.query import EdgeRow, Query, Where
from tidemill.core.ref import Version
from tidemill.core.task import Task
from tidemill.core.times import Window, parse_window
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.refs import ref_name
from tidemill.lineage.writing import newest_version, opened
from tidemill.practices.infrastructure.project import declared
from tidemill.practices.monitoring.business import BusinessFigure
from tidemill.practices.monitoring.deployments import (
    ServedModel,
    read_deployment,
    require_deployment,
    rule_names,
    served_evidence,
    served_task,
    served_version,
)
from tidemill.practices.monitoring.judging import Judging, judging_of
from tidemill.practices.monitoring.labels import LABELS, labels_known, with_labels
from tidemill.practices.monitoring.outputs import output_names
from tidemill.practices.monitoring.report import (
    Report,
    ReportFigure,
    ServedPart,
    read_report,
)
from tidemill.practices.monitoring.seals import (
    PREDICTIONS,
    Seal,
    known_seals,
    scan_seals,
    seals_within,
)
from tidemill.practices.monitoring.windows import collect_if_over

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from tidemill.core.digest import ArtifactId
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.judged_rows import JudgedRows
    from tidemill.practices.monitoring.own_losses import Loss
    from tidemill.practices.monitoring.own_metrics import Metric

REPORT = "report"
FORMAT = 2
"""Raised where the same inputs give another report than before."""


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
    """Return all sealed rows of the window with `label` as it was known; null: not yet."""
    found = scan_seals(record, rows.seals, rows.window, known_by=rows.at)
    if found is None:
        raise NotFoundError(f"{rows.name} has no rows in {rows.window}", fix="see its windows")
    return with_labels(found, labels_known(record, rows.name, rows.at), rows.row_key)


def report_window(  # noqa: D417 - `record` is the context, not an argument of a face
    record: Record, name: str, *, window: str, at: datetime | None = None
) -> Report:
    """Report a window of predictions: model, business and operation, with the labels known.

    Args:
        name: of the deployment.
        window: of effective time: 2013-04, 2013-04-07 or START..END.
        at: effective time; labels that arrived later are not seen.
    """
    span, moment = parse_window(window), record.moment(at)
    require_deployment(record, name)
    rows = window_rows(record, name, span, moment)
    business = tuple(_business(record))
    key = _memo_key(record, rows, business)
    known = record.ports.ledger.keys([key]).get(key)
    if known is not None:
        return _recalled(record, known)
    record.tell.progress(f"reporting {name} {span}")
    report = computed_report(record, rows, business)
    try:
        _record_report(record, rows, report, key)
    except ConflictError:  # somebody reported the same meanwhile
        known = record.ports.ledger.keys([key]).get(key)
        if known is None:
            raise
        return _recalled(record, known)
    return report


def computed_report(
    record: Record, rows: WindowRows, business: Sequence[BusinessFigure] = ()
) -> Report:
    """Return the report of a window; writes nothing."""
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.practices.monitoring.operation_figures import (  # noqa: PLC0415 - heavy
        operation_figures,
        server_figures,
    )
    from tidemill.practices.monitoring.quality import quality_report  # noqa: PLC0415 - heavy

    everything = labelled_rows(record, rows).collect(engine="streaming").sort("prediction_id")
    lacking = [name for name in rows.outputs if not _is_number(everything, name)]
    everything = everything.with_columns(pl.lit(None, pl.Float64).alias(n) for n in lacking)
    answered = everything.filter(pl.col("status") == "ok")
    finite = pl.all_horizontal(pl.col(name).is_finite() for name in rows.outputs)
    usable = answered.filter(finite.fill_null(value=False), pl.col("label").is_not_null())
    notes = (*_notes(rows, answered, usable), *_not_counted(rows, lacking))
    judged = judged_rows(rows, usable, window=str(rows.window))
    slices = slice_columns(record, rows, usable)
    report = quality_report(judged, slices=slices, business=business)
    is_told = all(seal.is_told for seal in rows.seals)
    operational = (
        ()
        if is_told
        else (
            *operation_figures(everything, rule_names(rows.served)),
            *server_figures(rows.seals, rows.every_seal),
        )
    )
    return msgspec.structs.replace(
        report, rows=everything.height, labelled=usable.height, time="at",
        weight=rows.judging.weight if judged.weights is not None else "",
        group=rows.judging.group if judged.groups is not None else "",
        operational=operational, parts=_parts(judged, everything),
        notes=(*report.notes, *notes, *rows.judging.notes, *_not_followed(rows)),
    )  # fmt: skip


def _not_followed(rows: WindowRows) -> Iterator[str]:
    """Say where the window cannot be judged as the evaluation was."""
    judging = rows.judging
    if judging.weight and not rows.stored(judging.weight):
        yield (
            f"the evaluation is weighted by {judging.weight}, which is not logged: here rows count "
            "alike; take it into the signature's context"
        )
    if judging.group and not rows.stored(judging.group):
        yield (
            f"the evaluation lets rows of one {judging.group} hang together, which is not logged: "
            "intervals are of days alone"
        )


def _is_number(frame: pl.DataFrame, name: str) -> bool:
    import polars as pl  # noqa: PLC0415 - heavy

    dtype = frame.schema.get(name)
    return dtype is not None and (dtype.is_numeric() or dtype == pl.Boolean)


def _not_counted(rows: WindowRows, lacking: Sequence[str]) -> Iterator[str]:
    if lacking:
        yield (
            f"the model logged no number {', '.join(lacking)}, so that nothing says how good it is"
        )
    signature = rows.served.signature
    for field in (*signature.inputs, *signature.outputs):
        if not field.is_single and field.name not in {n.rpartition(".")[0] for n in rows.outputs}:
            yield f"{field.name} is {field.kind} a row, of which no figure is made"


def slice_columns(record: Record, rows: WindowRows, frame: pl.DataFrame) -> tuple[str, ...]:
    """Return the columns that the evaluation was sliced by; else the context's short texts."""
    import polars as pl  # noqa: PLC0415 - heavy

    identity = served_evidence(record, rows.served).report
    if identity is not None:
        sliced = dict.fromkeys(part.column for part in read_report(record, identity).slices)
        if sliced:
            return tuple(name for name in sliced if name in frame.columns)
    signature = rows.served.signature
    told = (
        signature.context if rows.served.is_registered else (*signature.context, *signature.inputs)
    )
    context = [f.name for f in told if f.name != rows.row_key]
    short = [n for n in context if n in frame.columns and frame.schema[n] == pl.String]
    return tuple(name for name in short if frame[name].n_unique() <= _MOST_LEVELS)


_MOST_LEVELS = 20


def _notes(rows: WindowRows, answered: pl.DataFrame, usable: pl.DataFrame) -> tuple[str, ...]:
    notes = []
    missing = answered["label"].null_count()
    if missing:
        notes.append(f"{missing:,} answered rows had no label by {rows.at:%Y-%m-%dT%H:%M:%SZ}")
    unusable = answered.height - missing - usable.height
    if unusable:
        notes.append(f"{unusable:,} labelled rows have no finite output and are left out")
    if rows.window.end > rows.at:
        notes.append("the window is not over: only what is sealed is told")
    return tuple(notes)


def _parts(judged: JudgedRows, everything: pl.DataFrame) -> tuple[ServedPart, ...]:
    """Return the rows of each model of the window, in the order in which they answered."""
    versions = everything["model_version"].unique(maintain_order=True).to_list()
    parts = []
    for version in versions:
        own = judged.take((judged.frame["model_version"] == version).to_numpy())
        figures = (own.primary(),) if own.rows else ()
        rows = (everything["model_version"] == version).sum()
        parts.append(
            ServedPart(model=version, rows=int(rows), labelled=own.rows, figures=figures)
        )  # fmt: skip
    return tuple(parts)


def _business(record: Record) -> list[BusinessFigure]:
    try:
        return list(declared(record, BusinessFigure).values())
    except TidemillError as error:  # a report must not wait for a repair of the project's code
        record.tell.line(f"no business figures: {error.what}")
        return []


def _memo_key(record: Record, rows: WindowRows, business: Sequence[BusinessFigure]) -> str:
    import polars as pl  # noqa: PLC0415 - heavy

    newest = newest_version(record, ref_name(record, LABELS, rows.name))
    known = labels_known(record, rows.name, rows.at)
    identity = digest_of_value(
        {
            "format": FORMAT,
            "window": str(rows.window),
            "is_over": rows.window.end <= rows.at,
            "seals": [seal.artifact for seal in rows.seals],
            "labels": newest.artifact if isinstance(newest, Version) else "",
            # rows of one table that arrived by a time are told by how many they are
            "known": 0 if known is None else int(known.select(pl.len()).collect().item()),
            "last": "" if known is None else str(known.select(pl.max("arrived_at")).collect()),
            "business": [[figure.name, _source(figure)] for figure in business],
            "metrics": [[metric.name, _source(metric)] for metric in rows.judging.metrics],
            "loss": [rows.judging.loss.name, _source(rows.judging.loss)]
            if rows.judging.loss
            else [],
            "basis": [rows.judging.weight, rows.judging.group],
        }
    )
    return f"report:{record.project}/{rows.name}:{identity.partition(':')[2]}"


def _source(figure: BusinessFigure | Metric | Loss) -> str:
    try:
        return inspect.getsource(figure.function)
    except (OSError, TypeError):  # typed at a prompt
        return figure.__qualname__


def _recalled(record: Record, run: RunId) -> Report:
    where = (Where("run", "=", run), Where("role", "=", "made"), Where("name", "=", REPORT))
    (edge,) = record.ports.ledger.find(Query(EdgeRow, where=where, limit=1))
    return read_report(record, edge.artifact)


def _record_report(record: Record, rows: WindowRows, report: Report, key: str) -> None:
    artifact = put_value(record, REPORT, report, summary=report_summary(report))
    labels = newest_version(record, ref_name(record, LABELS, rows.name))
    served = rows.served
    with opened(record, kind="report", name=f"{rows.name} {rows.window}", at=rows.at) as run:
        for seal in rows.seals:
            run.used(seal.artifact, name=PREDICTIONS, source=seal.run)
        if isinstance(labels, Version):
            run.used(labels.artifact, name=LABELS, source=labels.run)
        run.used(served.artifact, name="model", source=served.run)
        run.made(artifact, name=REPORT)
        run.version(ref_name(record, REPORT, rows.name), artifact)
        for figure in (*report.figures, *report.business, *report.operational):
            if figure.value is not None:
                run.figure(figure.name, figure.value)
        run.add(Keyed(key=key, run=run.id))
        run.require(KeyIs(key=key, run=None))


def report_summary(report: Report) -> dict[str, str | int | float | bool | None]:
    """Return what lists tell of a report."""
    primary: ReportFigure | None = report.primary
    return {
        "window": report.window, "rows": report.rows, "labelled": report.labelled,
        report.task.metric: primary.value if primary else None,
    }  # fmt: skip


def evaluation_report(record: Record, served: ServedModel) -> tuple[ArtifactId, Report] | None:
    """Return the report that a deployed model's version came with; None: it came without one."""
    identity = served_evidence(record, served).report
    return None if identity is None else (identity, read_report(record, identity))
