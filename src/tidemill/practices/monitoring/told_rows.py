"""Told rows: predictions that a caller brings of a model served elsewhere, as sealed windows hold.

A row is known by its key alone, so that the same told twice is one prediction, and another answer
for the key is its correction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.core.signature import Field, Signature
from tidemill.core.task import Task, class_column
from tidemill.kernels.text_times import required_times
from tidemill.lineage.suggestions import closest
from tidemill.practices.monitoring.blocks import INSTANT, META, stored_name
from tidemill.practices.monitoring.left_out import LeftOut, left_out, require_some
from tidemill.practices.monitoring.prediction_keys import told_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tidemill.practices.monitoring.left_out import Reason

_OF_TASK = ("score", "prediction", "probability")
_MISSING = "name the column with --{option}"


class ToldColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Where things stand in the caller's rows; `score` are one column or one a class."""

    key: str
    time: str
    score: tuple[str, ...]


class ToldRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows as they are sealed, one a key, the signature that they show, and what was left out.

    `frame` has `prediction_id`, `at`, and the logged columns under their sealed names.
    """

    frame: pl.DataFrame
    signature: Signature
    left_out: tuple[LeftOut, ...]
    twice: int

    @property
    def dropped(self) -> int:
        """How many rows were left out."""
        return sum(one.rows for one in self.left_out)


def score_columns(given: pl.DataFrame, task: Task | None, score: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that hold the answers: those named, or `score`; one of each class.

    Raises:
        InvalidInputError: there is no such column; names the closest.
    """
    names = tuple(score) or tuple(n for n in _OF_TASK if n in given.columns)[:1] or ("score",)
    if task is not None and task.has_class_columns and len(names) == 1:
        by_class = tuple(class_column(names[0], one) for one in task.classes)
        if names[0] not in given.columns:
            names = by_class
    for name in names:
        _require(given, name, "score")
    return names


def guessed_task(
    given: pl.DataFrame, score: Sequence[str], *, kind: str, label: str, classes: tuple[str, ...]
) -> Task:
    """Return the task that rows show, where their caller does not say all of it.

    Raises:
        InvalidInputError: the kind is unknown, or its classes cannot be told.
    """
    if kind not in ("", "binary", "multiclass", "regression"):
        raise InvalidInputError(
            f"there is no task {kind!r}", fix="use --task binary, multiclass or regression"
        )
    columns = tuple(score) or tuple(n for n in _OF_TASK if n in given.columns)[:1] or ("score",)
    prefix = f"{columns[0]}."
    found = tuple(n.removeprefix(prefix) for n in given.columns if n.startswith(prefix))
    if kind == "multiclass" or classes or len(columns) > 1 or (found and not kind):
        named = classes or found or (columns if len(columns) > 1 else ())
        if not named and columns[0] in given.columns:
            named = tuple(sorted(given[columns[0]].drop_nulls().cast(pl.String).unique()))
        if len(named) < 2:
            raise InvalidInputError(
                "nothing tells the classes of this task",
                fix="name them in the order of the scores: --classes low --classes high",
            )
        has_shares = bool(found) or len(columns) > 1
        metric = "" if has_shares else "accuracy"  # a decided class has no probability
        return Task(kind="multiclass", label=label, classes=tuple(named), metric=metric)
    if kind == "regression":
        return Task(kind="regression", label=label)
    if not kind and columns[0] in given.columns:
        values = given[columns[0]].cast(pl.Float64, strict=False).drop_nulls()
        if values.len() and not values.is_between(0.0, 1.0).all():
            return Task(kind="regression", label=label)
    return Task(kind="binary", label=label)


def told_rows(
    given: pl.DataFrame, columns: ToldColumns, task: Task, *, who: tuple[str, str], at: datetime
) -> ToldRows:
    """Return the caller's rows as they are sealed; rows without key, time or score are left out.

    Args:
        given: the caller's rows.
        columns: where things stand in them.
        task: what is predicted.
        who: project and name, of which the ids are made.
        at: the time of rows where no column has one.

    Raises:
        InvalidInputError: a column is missing or holds what is no time or probability, or no row
            can be taken.
    """
    _require(given, columns.key, "key")
    outputs = _outputs(columns.score, task)
    time = _times(given, columns.time, at)
    taken = {columns.key, columns.time, *columns.score, *(n for n, _ in outputs)}
    features = [name for name in given.columns if name not in taken]
    context = stored_name("context", columns.key)
    inputs = {name: stored_name("input", name) for name in features}
    frame = given.select(
        pl.col(columns.key).cast(pl.String).alias(context),
        time.alias("at"),
        *(expression.alias(stored_name("output", name)) for name, expression in outputs),
        *(_logged(given, name).alias(stored) for name, stored in inputs.items()),
    )
    answers = [stored_name("output", name) for name, _ in outputs]
    is_usable, left = left_out(_reasons(given, frame, columns, task), frame[context])
    require_some(given.height, left, "prediction")
    known = frame.filter(is_usable)
    _require_scores(known, answers, task)
    last = known.unique(context, keep="last", maintain_order=True)
    ids = [told_id(*who, key) for key in last[context].to_list()]
    signature = Signature(
        inputs=tuple(_field(name, frame.schema[stored]) for name, stored in inputs.items()),
        outputs=tuple(Field(name=name, datatype="FP64") for name, _ in outputs),
        context=(Field(name=columns.key, datatype="BYTES"),), row_key=columns.key,
    )  # fmt: skip
    return ToldRows(
        frame=last.with_columns(prediction_id=pl.Series(ids, dtype=pl.String)),
        signature=signature, left_out=left, twice=known.height - last.height,
    )  # fmt: skip


def _reasons(
    given: pl.DataFrame, frame: pl.DataFrame, columns: ToldColumns, task: Task
) -> list[Reason]:
    """Return why a row cannot be taken, in the order in which it counts."""
    found: list[Reason] = [
        ("no key", frame[stored_name("context", columns.key)].is_null(), None),
        ("no time", frame["at"].is_null(), None),
    ]
    is_decided = task.has_class_columns and len(columns.score) == 1
    for name in columns.score:
        column = given[name]
        found.append((f"no {name}", column.is_null(), None))
        if is_decided:
            texts = column.cast(pl.String)
            why = f"{name} is no class of {', '.join(task.classes)}"
            found.append((why, ~texts.is_in(list(task.classes)), texts))
        elif not column.dtype.is_numeric():
            is_bad = column.cast(pl.Float64, strict=False).is_null()
            found.append((f"{name} is no number", is_bad, column))
    return found


def sealed_frame(rows: pl.DataFrame, *, deployment: str, model: str, version: str) -> pl.DataFrame:
    """Return told rows with every column of a sealed window; `received_at` is theirs already."""
    nothing = pl.lit(None)
    whole: dict[str, pl.Expr] = {
        "deployment": pl.lit(deployment), "model": pl.lit(model), "model_version": pl.lit(version),
        "status": pl.lit("ok"), "contract_bits": pl.lit(0),
        "is_first_of_request": pl.lit(value=True), "queue_us": nothing, "model_us": nothing,
    }  # fmt: skip
    own = [name for name in rows.columns if name not in META]
    return rows.select(
        *(whole.get(name, pl.col(name)).cast(type_).alias(name) for name, type_ in META.items()),
        *own,
    ).sort("prediction_id")


def _require(given: pl.DataFrame, name: str, option: str) -> None:
    if name in given.columns:
        return
    near = closest(name, given.columns)
    raise InvalidInputError(
        f"the predictions have no column {name!r}; they have {', '.join(given.columns)}",
        fix=f"did you mean {near!r}?" if near else _MISSING.format(option=option),
    )


def _outputs(score: tuple[str, ...], task: Task) -> list[tuple[str, pl.Expr]]:
    if not task.has_class_columns:
        return [("score", pl.col(score[0]).cast(pl.Float64, strict=False))]
    if len(score) == 1:  # the decided class: all of the probability is on it
        decided = pl.col(score[0]).cast(pl.String)
        return [
            (class_column("score", one), (decided == one).cast(pl.Float64)) for one in task.classes
        ]
    if len(score) != len(task.classes):
        raise InvalidInputError(
            f"{len(score)} score columns do not give {len(task.classes)} classes",
            fix=f"name one a class, in the order of {', '.join(task.classes)}",
        )
    pairs = zip(task.classes, score, strict=True)
    return [
        (class_column("score", one), pl.col(name).cast(pl.Float64, strict=False))
        for one, name in pairs
    ]


def _times(given: pl.DataFrame, name: str, at: datetime) -> pl.Expr:
    if not name:
        return pl.lit(at).cast(INSTANT)
    _require(given, name, "time")
    dtype = given.schema[name]
    column = pl.col(name)
    if dtype == pl.String:
        parsed = required_times(given[name])
        return pl.lit(parsed)
    if dtype.is_integer():
        return pl.from_epoch(column, time_unit="us").cast(INSTANT)
    if isinstance(dtype, pl.Datetime | pl.Date):
        zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
        return (
            column.cast(INSTANT)
            if zoned
            else column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        )
    raise InvalidInputError(
        f"the column {name!r} is {dtype}, no time", fix="name a column of times with --time"
    )


def _require_scores(rows: pl.DataFrame, answers: list[str], task: Task) -> None:
    for name in answers:
        column = rows[name]
        allowed = column.is_between(0.0, 1.0) if task.has_probabilities else column.is_finite()
        what = "probability" if task.has_probabilities else "number"
        if not allowed.all():
            place = int((~allowed).arg_true()[0])
            raise InvalidInputError(
                f"{name} of the row with key {rows[rows.columns[0]][place]!r} is "
                f"{column[place]:g}, which is no {what}",
                fix="correct it, or say what is predicted: --task regression",
            )


def _logged(given: pl.DataFrame, name: str) -> pl.Expr:
    dtype, column = given.schema[name], pl.col(name)
    if dtype == pl.Boolean or dtype.is_integer():
        return column.cast(pl.Boolean if dtype == pl.Boolean else pl.Int64)
    if dtype.is_numeric():
        return column.cast(pl.Float64)
    if dtype.is_temporal():
        return column.cast(pl.Datetime("us")).cast(pl.Int64)
    return column.cast(pl.String)


def _field(name: str, dtype: pl.DataType) -> Field:
    types = {"Boolean": "BOOL", "Int64": "INT64", "Float64": "FP64"}
    return Field(name=name, datatype=types.get(str(dtype), "BYTES"))  # type: ignore[arg-type]
