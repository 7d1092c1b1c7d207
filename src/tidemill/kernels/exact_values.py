"""Columns spelled so that equality in Polars is equality of meaning (`td1`).

Polars takes -0.0 for 0.0 and has several types for one meaning. Here floats become their bits (one
NaN, two zeros), categories their text, times their number, arrays and maps lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tidemill.kernels.table_types import instance

if TYPE_CHECKING:
    from collections.abc import Sequence

_BITS: dict[type[pl.DataType], pl.DataType] = {
    pl.Float16: pl.Int16(), pl.Float32: pl.Int32(), pl.Float64: pl.Int64(),
}  # fmt: skip
_PER_UNIT_NS = {"ms": 1_000_000, "us": 1_000, "ns": 1}


def exact_pair(
    old: pl.DataFrame, new: pl.DataFrame, names: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return these columns of both tables, comparable exactly; columns are called "0", "1", ...

    The columns must have the same type text (`table_types`) in both. Linear in their size.
    """
    columns: tuple[list[pl.Expr], list[pl.Expr]] = ([], [])
    for place, name in enumerate(names):
        dtypes = old.schema[name], new.schema[name]
        for exprs, dtype in zip(columns, dtypes, strict=True):
            value = _exact(pl.col(name), dtype, is_mixed=dtypes[0] != dtypes[1])
            exprs.append(value.alias(str(place)))
    return old.select(columns[0]), new.select(columns[1])


def _exact(value: pl.Expr, dtype: pl.DataType, *, is_mixed: bool) -> pl.Expr:
    if isinstance(dtype, pl.BaseExtension):
        return _exact(value.ext.storage(), instance(dtype.ext_storage()), is_mixed=is_mixed)
    if dtype.is_nested():
        return _exact_nested(value, dtype, is_mixed=is_mixed)
    if type(dtype) in _BITS:
        one_nan = value.fill_nan(pl.lit(float("nan"), dtype=dtype))
        return one_nan.reinterpret(dtype=_BITS[type(dtype)])
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return value.cast(pl.String)
    if isinstance(dtype, pl.Datetime | pl.Duration) and is_mixed:
        return value.to_physical().cast(pl.Int128) * _PER_UNIT_NS[dtype.time_unit]
    return value.to_physical()


def _exact_nested(value: pl.Expr, dtype: pl.DataType, *, is_mixed: bool) -> pl.Expr:
    if isinstance(dtype, pl.Struct):
        fields = [
            _exact(value.struct.field(field.name), instance(field.dtype), is_mixed=is_mixed).alias(
                field.name
            )
            for field in dtype.fields
        ]
        if not fields:
            return value
        return pl.when(value.is_not_null()).then(pl.struct(fields))
    if isinstance(dtype, pl.Map):
        item: pl.DataType = pl.Struct({"key": dtype.key, "value": dtype.value})
        value = value.map.entries()
    elif isinstance(dtype, pl.Array):
        item = instance(dtype.inner)
        value = value.arr.to_list()
    elif isinstance(dtype, pl.List):
        item = instance(dtype.inner)
    else:
        return value
    return value.list.eval(_exact(pl.element(), item, is_mixed=is_mixed))
