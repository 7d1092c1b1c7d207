"""Evaluation: the report of a model on rows with labels, in a pipeline or in a unit test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.core.task import LOSSES
from tidemill.core.text import counted
from tidemill.kernels.any_frame import any_frame
from tidemill.practices.infrastructure.project import declared_at, object_path
from tidemill.practices.monitoring.business import BusinessFigure
from tidemill.practices.monitoring.judged_rows import JudgedRows, day_text, required_column
from tidemill.practices.monitoring.outputs import flat_outputs, output_names
from tidemill.practices.monitoring.own_losses import Loss
from tidemill.practices.monitoring.own_metrics import Metric
from tidemill.practices.monitoring.quality import quality_report
from tidemill.practices.monitoring.report import MIN_SLICE_ROWS, OwnFunction, Report
from tidemill.practices.pipelines.declare import step
from tidemill.practices.pipelines.figures import figure
from tidemill.practices.versioning.model import Model  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.task import Task


@step
def evaluation(  # noqa: PLR0913, PLR0917 - rows and all that is asked of them
    model: Model,
    rows: pl.DataFrame,
    time: str,
    slices: tuple[str, ...],
    business: tuple[str, ...],
    metrics: tuple[str, ...] = (),
    group: str = "",
    weight: str = "",
    loss: str = "",
    min_slice_rows: int = MIN_SLICE_ROWS,
) -> Report:
    """Return the report of a model on labelled rows; functions of one's own are named by path."""
    frame = any_frame(rows)  # called by itself it is given frames of any library
    rows = rows if frame is None else frame
    label = model.task.label
    if label not in rows.columns:
        raise InvalidInputError(
            f"the rows to evaluate have no label column {label!r}; they have "
            f"{', '.join(rows.columns)}",
            fix=f"keep {label!r} in the rows, or correct the task's label",
        )
    known = rows.filter(pl.col(label).is_not_null())
    if known.is_empty():
        what = "there are no rows"
        if rows.height:
            what = f"none of {counted(rows.height, 'row')} has a {label!r}"
        raise InvalidInputError(
            f"there is nothing to evaluate the model on: {what}",
            fix="look at how the rows are split: is every row before the cut, or the window empty?",
        )
    outputs = flat_outputs(model.task, model.predict(known))
    frame = known.with_columns(
        label=pl.col(label), **{name: pl.Series(column) for name, column in outputs.items()}
    )
    figures = [declared_at(path, BusinessFigure) for path in business]
    own = [declared_at(path, Metric) for path in metrics]
    report = report_of(
        model.task, frame, tuple(outputs), time=time, slices=slices, business=figures,
        metrics=own, group=group, weight=weight, loss=declared_at(loss, Loss) if loss else None,
        min_slice_rows=min_slice_rows,
    )  # fmt: skip
    for told in (*report.figures, *report.business):
        if told.value is not None:
            figure(told.name, told.value)
    named = {metric.name: path for metric, path in zip(own, metrics, strict=True)}
    functions = [OwnFunction(what="metric", name=name, path=named[name]) for name in named]
    functions += [OwnFunction(what="loss", name=report.loss, path=loss)] if loss else []
    return msgspec.structs.replace(report, rows=rows.height, own=tuple(functions))


def evaluate(  # noqa: PLR0913 - as above
    model: Any,  # noqa: ANN401 - a model, in a pipeline the output that will be one
    rows: Any,  # noqa: ANN401 - a frame, in a pipeline the output that will be one
    *,
    time: str = "",
    slices: Sequence[str] = (),
    business: BusinessFigure | Sequence[BusinessFigure] = (),
    metrics: Metric | Sequence[Metric] = (),
    group: str = "",
    weight: str = "",
    loss: Loss | None = None,
    min_slice_rows: int = MIN_SLICE_ROWS,
) -> Any:  # noqa: ANN401
    """Return the report of a model on held-out rows: figures with intervals, slices, daily losses.

    Inside a pipeline it is a step like any other. The days of these rows are the reference of
    performance drift, so give rows that the model was not fitted on.

    Args:
        model: what is judged; its task says which figures there are and which column is the label.
        rows: with the model's inputs, the label, and the columns named here.
        time: the column of effective time; days are its UTC days.
        slices: columns whose levels are judged one by one; a text is one column.
        business: business figures of one's own.
        metrics: metrics of one's own, declared with `@tm.metric`; the task may name one to decide.
        group: the column of an entity whose rows hang together: intervals come from whole entities,
            with `time` from whole days and whole entities, both at once.
        weight: the column that says for how much each row counts; everything is weighted by it.
        loss: a loss of one's own, declared with `@tm.loss`, by which days are judged and models are
            compared; the task may name it.
        min_slice_rows: levels of slices with fewer labelled rows are put together under `(other)`,
            which no gate judges; `min_slice_rows` in [gates] says which of the others it judges.

    Raises:
        InvalidInputError: `min_slice_rows` is less than 1, or the rows lack a column named here.
    """
    if min_slice_rows < 1:
        raise InvalidInputError(
            f"min_slice_rows is {min_slice_rows}", fix="give 1 or more: a level has that many rows"
        )
    given = (business,) if isinstance(business, BusinessFigure) else tuple(business)
    paths = tuple(object_path(figure) for figure in given)
    own = (metrics,) if isinstance(metrics, Metric) else tuple(metrics)
    columns = (slices,) if isinstance(slices, str) else tuple(slices)
    return evaluation(
        model, rows, time=time, slices=columns, business=paths,
        metrics=tuple(object_path(metric) for metric in own), group=group, weight=weight,
        loss=object_path(loss) if loss else "", min_slice_rows=min_slice_rows,
    )  # fmt: skip


def report_of(  # noqa: PLR0913 - as above
    task: Task,
    frame: pl.DataFrame,
    outputs: Sequence[str] = (),
    *,
    time: str = "",
    slices: Sequence[str] = (),
    business: Sequence[BusinessFigure] = (),
    metrics: Sequence[Metric] = (),
    group: str = "",
    weight: str = "",
    loss: Loss | None = None,
    min_slice_rows: int = MIN_SLICE_ROWS,
) -> Report:
    """Return the report of rows that have their label (`label`) and their outputs. Pure.

    Args:
        task: what was predicted.
        frame: columns `label`, the outputs, time and slices; shape (rows, ...).
        outputs: names of the model's outputs; default: those of the task's usual names.
        time: the column of effective time.
        slices: columns whose levels are judged one by one.
        business: business figures, computed on the same rows.
        metrics: metrics of one's own, computed on the same rows.
        group: the column of an entity whose rows hang together.
        weight: the column that says for how much each row counts.
        loss: a loss of one's own.
        min_slice_rows: levels of slices with fewer labelled rows are put together.

    Raises:
        UnknownLabelError, NotFiniteError, MisalignedError: labels or outputs are no such thing.
        InvalidInputError: there is no column of a name that was given.
    """
    for column in slices:
        required_column(frame, column, "slices")
    names = output_names(task, tuple(outputs) or tuple(frame.columns))
    judged = JudgedRows(task, frame, names, time=time, window="the evaluated rows")
    judged.metrics, judged.loss = tuple(metrics), loss
    _require_loss(task, loss)
    if group:
        judged.group_by(group)
    if weight:
        judged.weigh_by(weight)
    window = _span(judged) if time and judged.rows else "the evaluated rows"
    report = quality_report(judged, slices=slices, business=business, min_slice_rows=min_slice_rows)
    return msgspec.structs.replace(report, window=window, time=time, weight=weight, group=group)


def _require_loss(task: Task, loss: Loss | None) -> None:
    """A loss that the task names must be the one that judges: ours, or the one that is given."""
    if not task.loss or task.loss in LOSSES[task.kind] or (loss and loss.name == task.loss):
        return
    raise InvalidInputError(
        f"the task's loss is {task.loss!r}, which is none of {', '.join(LOSSES[task.kind])}",
        fix=f"give it to the evaluation, declared with @tm.loss: evaluate(..., loss={task.loss})",
    )


def _span(judged: JudgedRows) -> str:
    return f"{day_text(judged.day.min())}..{day_text(judged.day.max() + 1)}"
