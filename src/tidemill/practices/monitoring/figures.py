"""The report of a window of predictions, with the labels that are known by a time."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import digest_of_value
from tidemill.core.errors import ConflictError, TidemillError
from tidemill.core.ref import Version
from tidemill.core.text import counted
from tidemill.core.times import parse_window
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.attested import Kept, kept
from tidemill.lineage.refs import ref_name
from tidemill.lineage.writing import newest_version, opened
from tidemill.practices.infrastructure.project import declared
from tidemill.practices.monitoring.business import BusinessFigure
from tidemill.practices.monitoring.deployments import (
    require_deployment,
    rule_names,
    served_evidence,
)
from tidemill.practices.monitoring.labels import LABELS, labels_known
from tidemill.practices.monitoring.report import (
    Report,
    ReportFigure,
    ServedPart,
    read_report,
)
from tidemill.practices.monitoring.seals import (
    PREDICTIONS,
)
from tidemill.practices.monitoring.window_rows import (
    WindowRows,
    judged_rows,
    labelled_rows,
    window_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import polars as pl

    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.judged_rows import JudgedRows
    from tidemill.practices.monitoring.own_losses import Loss
    from tidemill.practices.monitoring.own_metrics import Metric

REPORT = "report"
FORMAT = 2
"""Raised where the same inputs give another report than before."""


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
    before = kept(record, key)
    known = _recalled(record, before)
    if known is not None:
        return known
    record.tell.progress(f"reporting {name} {span}")
    report = computed_report(record, rows, business)
    try:
        _record_report(record, rows, report, before)
    except ConflictError:  # somebody reported the same meanwhile
        known = _recalled(record, kept(record, key))
        if known is None:
            raise
        return known
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
    notes = (
        *_notes(rows, answered, usable), *_unknown_labels(rows, everything),
        *_not_counted(rows, lacking),
    )  # fmt: skip
    usable = usable.drop("unknown_label", strict=False)
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


def _unknown_labels(rows: WindowRows, everything: pl.DataFrame) -> Iterator[str]:
    """Say which labels are left out, as they are none of the task's."""
    if "unknown_label" not in everything.columns:
        return
    odd = everything.filter(everything["unknown_label"].is_not_null())
    key = rows.row_key or "prediction_id"
    classes = f"class of {', '.join(rows.task.classes) or '0, 1'}"
    yield (
        f"{counted(odd.height, 'label')} left out, being no "
        f"{'number' if rows.task.kind == 'regression' else classes}: first "
        f"{odd['unknown_label'][0]!r} of {odd[key][0]!r}; tidemill labels add {rows.name} corrects"
    )


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


def _recalled(record: Record, before: Kept) -> Report | None:
    report = before.artifact(REPORT)
    return None if before.run is None or report is None else read_report(record, report)


def _record_report(record: Record, rows: WindowRows, report: Report, before: Kept) -> None:
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
        before.give(run)


def report_summary(report: Report) -> dict[str, str | int | float | bool | None]:
    """Return what lists tell of a report."""
    primary: ReportFigure | None = report.primary
    return {
        "window": report.window, "rows": report.rows, "labelled": report.labelled,
        report.task.metric: primary.value if primary else None,
    }  # fmt: skip
