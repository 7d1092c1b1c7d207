"""Batches through a model: what is judged, answered and logged of each row."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError, TidemillError
from tidemill.kernels.row_rules import decode_request_rules
from tidemill.practices.delivery.refused_rows import Judged, judged_inputs
from tidemill.practices.monitoring.blocks import INSTANT, SCORED_COLUMNS, block_schema, frames
from tidemill.practices.versioning.columns import checked, columns_of
from tidemill.practices.versioning.formats.reading import UnfitRowsError
from tidemill.wire.logged_outputs import logged_outputs
from tidemill.wire.prediction_block import LoggedColumn, PredictionBlock
from tidemill.wire.prediction_ids import scored_ids
from tidemill.wire.row_values import logged_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from tidemill.core.signature import Field, Signature
    from tidemill.practices.delivery.scored_batches import Batch
    from tidemill.practices.delivery.scoring_job import ScoringJob
    from tidemill.practices.monitoring.blocks import Schema
    from tidemill.practices.versioning.model import Model
    from tidemill.wire.prediction_block import Role

    Bits = NDArray[np.bool_]

DATA_ROW, DATA_PATH, REFUSED_BECAUSE = SCORED_COLUMNS


class GivenRows(msgspec.Struct, frozen=True):
    """Rows as the model takes them, as they are logged, and where and when they are."""

    inputs: Any
    columns: tuple[LoggedColumn, ...]
    at_us: Any
    places: Any


class Scorer:
    """Makes prediction rows of batches; all frames that it gives have one schema."""

    def __init__(self, job: ScoringJob, model: Model) -> None:
        self._job, self._model = job, model
        self._rules = tuple(decode_request_rules(job.rules))
        self._waiting: list[PredictionBlock] = []
        self._schema: Schema | None = None

    def frames(self, batch: Batch) -> Iterator[pl.DataFrame]:
        """Yield the prediction rows of a batch; they wait while no row was answered yet.

        Raises:
            InvalidInputError: its columns are not those that the model takes, or the model fails.
        """
        rows = given_rows(self._job, self._model.signature, batch)
        if not len(rows.at_us):
            return
        signature = self._model.signature
        before = judged_inputs(self._rules, signature, rows.columns, len(rows.at_us))
        judged, outputs, model_us = self._answered(rows, before)
        refused = judged.is_refused
        if refused.any():
            self._waiting.append(self._block(rows, refused, judged, [], "rejected", 0))
        if not refused.all():
            block = self._block(rows, ~refused, judged, outputs, "ok", model_us)
            self._waiting.append(block)
            schema: Schema = block_schema(block)
            self._schema = self._schema or schema
        if self._schema:
            yield from self._flushed()

    def rest(self) -> Iterator[pl.DataFrame]:
        """Yield the rows that wait, where none was answered at all."""
        if self._waiting:
            self._schema = block_schema(self._waiting[0])
            yield from self._flushed()

    def _flushed(self) -> Iterator[pl.DataFrame]:
        blocks = [(block, np.ones(block.rows, dtype=np.bool_)) for block in self._waiting]
        versions = {self._job.scoring: self._job.model_version}
        parts = list(frames(blocks, self._schema or {}, versions))
        self._waiting = []
        yield pl.concat(parts).sort("prediction_id")

    def _answered(self, rows: GivenRows, judged: Judged) -> tuple[Judged, list[LoggedColumn], int]:
        """Ask the model, and again without the rows that it names as unfit.

        Returns which rows are refused by now, the outputs of the others, and the model's time.
        """
        while not judged.is_refused.all():
            wanted = ~judged.is_refused
            try:
                return judged, *self._answers(rows, wanted)
            except UnfitRowsError as error:  # it names one row at least
                because = judged.because.copy()
                because[wanted] = error.because
                judged = Judged(judged.bits, because)
        return judged, [], 0

    def _answers(self, rows: GivenRows, wanted: Bits) -> tuple[list[LoggedColumn], int]:
        inputs = {name: column[wanted] for name, column in rows.inputs.items()}
        began = perf_counter()
        try:
            outputs = {n: np.asarray(v) for n, v in self._model.predict(inputs).items()}
        except TidemillError:
            raise
        except Exception as error:  # noqa: BLE001 - the model is foreign code: it may raise anything
            first, last = rows.places[wanted][[0, -1]] + 1
            raise InvalidInputError(
                f"the model failed on rows {first:,} to {last:,}: {type(error).__name__}: {error}",
                fix="score these rows in Python with tm.load or Model.load(folder).predict",
            ) from None
        model_us = int(1e6 * (perf_counter() - began))
        for name, values in outputs.items():
            if values.ndim == 0 or len(values) != int(wanted.sum()):
                raise InvalidInputError(
                    f"the model's output {name!r} has the shape {values.shape} for "
                    f"{int(wanted.sum()):,} rows",
                    fix="answer one value a row",
                )
        return logged_outputs(self._model, outputs, self._job.log_array_bytes), model_us

    def _block(
        self,
        rows: GivenRows,
        wanted: Bits,
        judged: Judged,
        outputs: Sequence[LoggedColumn],
        status: Any,  # noqa: ANN401 - a literal of the block's
        model_us: int,
    ) -> PredictionBlock:
        job = self._job
        because = LoggedColumn(name=REFUSED_BECAUSE, role="context", values=judged.because)
        columns = [_part(column, wanted) for column in (*rows.columns, because)]
        fields = {
            f.name: f for f in (*self._model.signature.inputs, *self._model.signature.context)
        }
        logged = [_logged(fields.get(c.name), c, job.log_array_bytes) for c in columns]
        return PredictionBlock(
            deployment=job.scoring, model=job.model, received_us=job.received_us,
            ids=scored_ids(job.scoring.partition(":")[2], rows.places[wanted]),
            at_us=rows.at_us[wanted], columns=(*logged, *outputs),
            contract_bits=judged.bits[wanted], model_us=model_us, status=status,
        )  # fmt: skip


def given_rows(job: ScoringJob, signature: Signature, batch: Batch) -> GivenRows:
    """Return the rows of a batch that lie in the job's window.

    Raises:
        InvalidInputError: a column is missing or of another type; names it.
    """
    frame = _with_time(signature, batch.frame)
    at_us = _at_us(signature, frame, job.moment_us)
    places = batch.places
    if places is None:
        places = np.arange(batch.first, batch.first + frame.height, dtype=np.int64)
    wanted = np.ones(frame.height, dtype=np.bool_)
    if job.start_us is not None and job.end_us is not None:
        wanted = (at_us >= job.start_us) & (at_us < job.end_us)
    frame, at_us, places = frame.filter(pl.Series(wanted)), at_us[wanted], places[wanted]
    columns = columns_of(frame)
    inputs = checked(signature, columns)
    logged = [
        column_of(field, "context", columns.get(field.name), frame.height)
        for field in signature.context
    ]
    logged += [
        column_of(field, "input", inputs[field.name], frame.height) for field in signature.inputs
    ]
    logged.append(LoggedColumn(name=DATA_ROW, role="context", values=places))
    if batch.paths:
        paths = np.array(batch.paths, dtype=object)[wanted]
        logged.append(LoggedColumn(name=DATA_PATH, role="context", values=paths))
    return GivenRows(inputs, tuple(logged), at_us, places)


def column_of(field: Field, role: Role, values: Any, rows: int) -> LoggedColumn:  # noqa: ANN401 - an array or None
    """Return a column of the field's type, with what is missing told apart."""
    if values is None:
        empty = _empty(field, rows)
        return LoggedColumn(
            name=field.name, role=role, values=empty, valid=np.zeros(rows, dtype=np.bool_)
        )
    if values.dtype.kind == "O" or not field.is_single:
        is_object = values.dtype.kind == "O" and values.ndim == 1
        valid = np.array([v is not None for v in values], dtype=np.bool_) if is_object else None
        if field.is_single and field.datatype == "BYTES":
            values = _texts(values)
    else:
        valid = ~np.isnan(values) if values.dtype.kind == "f" else None
        filled = values if valid is None else np.where(valid, values, 0)
        values = filled.astype(_empty(field, 0).dtype)
    return LoggedColumn(
        name=field.name, role=role, values=values,
        valid=None if valid is None or valid.all() else valid,
    )  # fmt: skip


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    texts = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        texts[row] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return texts


def _empty(field: Field, rows: int) -> NDArray[Any]:
    if field.datatype == "BYTES" or not field.is_single:
        return np.full(rows, None, dtype=object)
    kinds: Mapping[str, Any] = {"FP": np.float64, "BO": np.bool_}
    return np.zeros(rows, dtype=kinds.get(field.datatype[:2], np.int64))


def _part(column: LoggedColumn, wanted: Bits) -> LoggedColumn:
    valid = None if column.valid is None else column.valid[wanted]
    return msgspec.structs.replace(column, values=column.values[wanted], valid=valid)


def _logged(field: Field | None, column: LoggedColumn, limit_bytes: int) -> LoggedColumn:
    if field is None or field.is_single:
        return column
    texts = logged_texts(list(column.values), limit_bytes)
    return msgspec.structs.replace(column, values=texts)


def _with_time(signature: Signature, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with their time column as microseconds UTC, whatever spells it."""
    name = signature.time
    if not name or name not in frame.columns:
        return frame
    try:
        return frame.with_columns(time_of(name, frame.schema[name]))
    except pl.exceptions.PolarsError as error:
        raise unreadable_time(name, error) from None


def time_of(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a time column as microseconds UTC (whole numbers), whatever spells it."""
    column = pl.col(name)
    if dtype == pl.String:
        column = column.str.to_datetime(time_unit="us", time_zone="UTC")
    elif dtype == pl.Date:
        column = column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    elif isinstance(dtype, pl.Datetime):
        column = column.dt.cast_time_unit("us")
    return column.cast(pl.Int64)


def unreadable_time(name: str, error: Exception) -> InvalidInputError:
    """Return the error that values of the time column are no times."""
    return InvalidInputError(
        f"the time column {name!r} cannot be read: {error}",
        fix="write times like 2013-04-01T06:30:00Z",
    )


def _at_us(signature: Signature, frame: pl.DataFrame, moment_us: int) -> NDArray[np.int64]:
    if not signature.time:
        return np.full(frame.height, moment_us, dtype=np.int64)
    return frame[signature.time].fill_null(moment_us).to_numpy()


def span_of(frame: pl.DataFrame) -> tuple[int, int]:
    """Return the earliest and latest effective time of prediction rows, microseconds UTC."""
    times = frame["at"].cast(INSTANT).cast(pl.Int64).to_numpy()
    return int(times.min()), int(times.max())


def refusals_of(frame: pl.DataFrame) -> list[tuple[str, int, int]]:
    """Return why rows of a frame were refused: each reason, how many rows, the first's place."""
    refused = frame.filter(pl.col("status") == "rejected")
    told = refused.group_by(REFUSED_BECAUSE, maintain_order=True).agg(pl.len(), pl.min(DATA_ROW))
    return list(told.iter_rows())
