"""What the types of a table mean, in the words of `td1`: one text for every way to store a type.

Text is `utf8` whether plain or as a dictionary, a time with any zone is an `instant`, a list of
fixed width is a list. Not in the text: units of time, precision, zone names, categories.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polars.datatypes import DataTypeClass

_SIMPLE: Mapping[type[pl.DataType], str] = {
    pl.Boolean: "bool",
    pl.Int8: "int8", pl.Int16: "int16", pl.Int32: "int32", pl.Int64: "int64",
    pl.UInt8: "uint8", pl.UInt16: "uint16", pl.UInt32: "uint32", pl.UInt64: "uint64",
    pl.Float16: "halffloat", pl.Float32: "float", pl.Float64: "double",
    pl.String: "utf8", pl.Categorical: "utf8", pl.Enum: "utf8", pl.Binary: "bytes",
    pl.Date: "date", pl.Time: "time", pl.Duration: "duration",
    pl.Null: "null",
}  # fmt: skip


def type_text(dtype: pl.DataType) -> str:
    """Return what a Polars type means, as it stands in a table's schema.

    Raises:
        InvalidInputError: the type has no meaning outside this process (Object) or none in Arrow
            (128-bit integers).

    >>> type_text(pl.List(pl.Datetime("ns", "Europe/Berlin")))
    'list<instant>'
    >>> type_text(pl.Struct({"a": pl.Enum(["x"])}))
    'struct<"a":utf8>'
    """
    simple = _SIMPLE.get(type(dtype))
    if simple is not None:
        return simple
    if isinstance(dtype, pl.Datetime):
        return "datetime" if dtype.time_zone is None else "instant"
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.scale})"
    return _nested_text(dtype)


def _nested_text(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List | pl.Array):
        return f"list<{type_text(instance(dtype.inner))}>"
    if isinstance(dtype, pl.Struct):
        fields = ",".join(
            f"{json.dumps(field.name, ensure_ascii=False)}:{type_text(instance(field.dtype))}"
            for field in dtype.fields
        )
        return f"struct<{fields}>"
    if isinstance(dtype, pl.Map):
        return f"map<{type_text(instance(dtype.key))},{type_text(instance(dtype.value))}>"
    if isinstance(dtype, pl.BaseExtension):
        return type_text(instance(dtype.ext_storage()))
    raise InvalidInputError(
        f"a column of type {dtype} has no identity",
        fix="cast it first: 128-bit integers to Int64 or Decimal, objects to text or a struct",
    )


def schema_texts(schema: Mapping[str, pl.DataType]) -> tuple[tuple[str, str], ...]:
    """Return name and type text of every column, in order.

    Raises:
        InvalidInputError: a column's type has no identity; names the column.
    """
    texts = []
    for name, dtype in schema.items():
        try:
            texts.append((name, type_text(dtype)))
        except InvalidInputError as error:
            raise InvalidInputError(f"column {name!r}: {error.what}", fix=error.fix) from None
    return tuple(texts)


def instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    """Return a type that Polars may give as a class (`pl.Int8`) as a value (`pl.Int8()`)."""
    return dtype if isinstance(dtype, pl.DataType) else dtype()
