"""Prediction blocks as tables: many small requests become frames of one schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tidemill.core.times import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from tidemill.core.times import Window
    from tidemill.wire.prediction_block import LoggedColumn, PredictionBlock

INSTANT = pl.Datetime("us", "UTC")
META: Mapping[str, pl.DataType] = {
    "prediction_id": pl.String(),
    "received_at": INSTANT,
    "at": INSTANT,
    "deployment": pl.String(),
    "model": pl.String(),
    "model_version": pl.String(),
    "status": pl.String(),
    "contract_bits": pl.UInt64(),
    "is_first_of_request": pl.Boolean(),
    "queue_us": pl.Int64(),
    "model_us": pl.Int64(),
}
"""Columns of every sealed window; a logged column of the same name is kept as `ROLE.NAME`."""

SCORED_COLUMNS = ("data_row", "data_path", "refused_because")
"""Columns that say where a row stands in the data version that was scored as a whole (its place
from 0, or its path), and why it was given to no model."""

BATCH_ROWS = 50_000
_TYPES = {"f": pl.Float64(), "i": pl.Int64(), "u": pl.Int64(), "b": pl.Boolean(), "O": pl.String()}

Schema = dict[str, pl.DataType]


def stored_name(role: str, name: str) -> str:
    """Return under which name a logged column is sealed.

    >>> stored_name("context", "at"), stored_name("input", "distance")
    ('context.at', 'distance')
    """
    return f"{role}.{name}" if name in META else name


def column_names(block: PredictionBlock) -> list[str]:
    """Return the sealed name of each column of a block; a name of two roles is the first one's."""
    taken: set[str] = set()
    names = []
    for column in block.columns:
        name = stored_name(column.role, column.name)
        name = f"{column.role}.{column.name}" if name in taken else name
        taken.add(name)
        names.append(name)
    return names


def block_schema(block: PredictionBlock) -> Schema:
    """Return the logged columns of a block with the types that they are sealed with."""
    return {
        name: _TYPES[column.values.dtype.kind]
        for name, column in zip(column_names(block), block.columns, strict=True)
    }


def merged_schema(left: Schema, right: Schema) -> Schema:
    """Return a schema that both fit: numbers widen, what does not go together becomes text."""
    merged = dict(left)
    for name, dtype in right.items():
        merged[name] = _wider(merged.get(name, dtype), dtype)
    return merged


def _wider(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    if one == other:
        return one
    order: list[pl.DataType] = [pl.Boolean(), pl.Int64(), pl.Float64()]
    if one in order and other in order:
        return order[max(order.index(one), order.index(other))]
    return pl.String()


def rows_within(block: PredictionBlock, window: Window) -> NDArray[np.bool_]:
    """Return which rows of a block lie in a window of effective time, shape (rows,)."""
    start, end = microseconds(window.start), microseconds(window.end)
    wanted: NDArray[np.bool_] = (block.at_us >= start) & (block.at_us < end)
    return wanted


def block_ids(block: PredictionBlock) -> list[str]:
    """Return the prediction ids of a block as 32 hex digits."""
    text = np.ascontiguousarray(block.ids).tobytes().hex()
    return [text[start : start + 32] for start in range(0, len(text), 32)]


def frames(
    blocks: Iterable[tuple[PredictionBlock, NDArray[np.bool_]]],
    schema: Schema,
    versions: Mapping[str, str],
) -> Iterator[pl.DataFrame]:
    """Yield the wanted rows of blocks as frames of about 50,000 rows, all of one schema.

    Args:
        blocks: each with which of its rows are wanted.
        schema: of the logged columns, from `merged_schema`.
        versions: name of the model's version by deployment.
    """
    waiting: dict[tuple[Any, ...], list[tuple[PredictionBlock, NDArray[np.bool_]]]] = {}
    rows = 0
    for block, wanted in blocks:
        layout = (block.deployment, block.model, block.status, tuple(block_schema(block).items()))
        waiting.setdefault(layout, []).append((block, wanted))
        rows += int(wanted.sum())
        if rows >= BATCH_ROWS:
            yield _batch(waiting.values(), schema, versions)
            waiting, rows = {}, 0
    if rows:
        yield _batch(waiting.values(), schema, versions)


def _batch(
    layouts: Iterable[list[tuple[PredictionBlock, NDArray[np.bool_]]]],
    schema: Schema,
    versions: Mapping[str, str],
) -> pl.DataFrame:
    parts = [_frame(blocks, schema, versions) for blocks in layouts]
    return pl.concat(parts).sort("prediction_id")


def _frame(
    blocks: list[tuple[PredictionBlock, NDArray[np.bool_]]],
    schema: Schema,
    versions: Mapping[str, str],
) -> pl.DataFrame:
    """Return the rows of blocks of one layout."""
    first = blocks[0][0]
    wanted = np.concatenate([rows for _, rows in blocks])
    counts = [block.rows for block, _ in blocks]

    def repeated(values: list[int]) -> NDArray[np.int64]:
        column: NDArray[np.int64] = np.repeat(np.asarray(values, dtype=np.int64), counts)
        kept: NDArray[np.int64] = column[wanted]
        return kept

    ids = [text for block, _ in blocks for text in block_ids(block)]
    heads = np.concatenate([_first_of(rows) for _, rows in blocks])[wanted]
    meta: dict[str, pl.Series | pl.Expr] = {
        "prediction_id": pl.Series(ids, dtype=pl.String).filter(pl.Series(wanted)),
        "received_at": pl.from_epoch(
            pl.Series(repeated([b.received_us for b, _ in blocks])), time_unit="us"
        ).dt.replace_time_zone("UTC"),
        "at": pl.from_epoch(
            pl.Series(np.concatenate([b.at_us for b, _ in blocks])[wanted]), time_unit="us"
        ).dt.replace_time_zone("UTC"),
        "deployment": pl.lit(first.deployment),
        "model": pl.lit(first.model),
        "model_version": pl.lit(versions.get(first.deployment, "")),
        "status": pl.lit(first.status),
        "contract_bits": pl.Series(np.concatenate([b.contract_bits for b, _ in blocks])[wanted]),
        "is_first_of_request": pl.Series(heads),
        "queue_us": pl.Series(repeated([b.queue_us for b, _ in blocks])),
        "model_us": pl.Series(repeated([b.model_us for b, _ in blocks])),
    }
    columns = {
        name: _series([block.columns[place] for block, _ in blocks]).filter(pl.Series(wanted))
        for place, name in enumerate(column_names(first))
    }
    frame = pl.DataFrame({"prediction_id": meta["prediction_id"]}).with_columns(**meta, **columns)
    whole = {**META, **schema}
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in whole.items()
    )


def _first_of(wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The first wanted row of a request stands for the request."""
    first = np.zeros(len(wanted), dtype=np.bool_)
    if wanted.any():
        first[int(np.argmax(wanted))] = True
    return first


def _series(columns: list[LoggedColumn]) -> pl.Series:
    values = np.concatenate([column.values for column in columns])
    if values.dtype.kind == "O":
        return pl.Series(values.tolist(), dtype=pl.String)
    series = pl.Series(values)
    if all(column.valid is None for column in columns):
        return series
    valid = np.concatenate(
        [
            np.ones(len(column.values), np.bool_) if column.valid is None else column.valid
            for column in columns
        ]
    )
    return pl.select(pl.when(pl.Series(valid)).then(series)).to_series()
