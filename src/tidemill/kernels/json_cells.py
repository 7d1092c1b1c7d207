"""Cells of a table as scalars that JSON can hold, for examples that people read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import polars as pl

from tidemill.core.canonical import canonical_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.run import Scalar


def json_rows(frame: pl.DataFrame, rows: Sequence[int]) -> tuple[tuple[Scalar, ...], ...]:
    """Return some rows as tuples of scalars; see `json_cells`."""
    if not frame.width:
        return ((),) * len(rows)
    columns = [json_cells(column) for column in frame[list(rows)].iter_columns()]
    return tuple(zip(*columns, strict=True))


def json_cells(column: pl.Series) -> list[Scalar]:
    """Return the values of a column as text, numbers, booleans or None, without loss.

    Times are ISO 8601, decimals their digits, bytes hex digits; NaN and infinities are the texts
    of `core.canonical`; lists, structs and maps are canonical JSON.

    >>> json_cells(pl.Series([1.5, float("nan"), None]))
    [1.5, 'NaN', None]
    """
    dtype = column.dtype
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return column.cast(pl.String).to_list()
    if dtype.is_temporal():
        return column.dt.to_string("iso:strict").to_list()
    return [None if value is None else _scalar(value) for value in column.to_list()]


def _scalar(value: Any) -> Scalar:  # noqa: ANN401 - any value that a table can hold
    if isinstance(value, float) and not math.isfinite(value):
        return canonical_json(value).decode().strip('"')
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | dict):
        return canonical_json(value).decode()
    return str(value)
