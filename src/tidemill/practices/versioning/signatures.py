"""Signatures: what a model takes and gives, inferred from a sample of rows and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.core.signature import Datatype, Field, Signature
from tidemill.practices.versioning.columns import columns_of, flat_columns
from tidemill.wire.row_values import NUMPY_TYPES

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

MOST_CATEGORIES = 10_000
FREE_TEXT_LEVELS, FREE_TEXT_SHARE = 100, 0.9
"""More levels than this, most of them in one row each: text that people wrote, no categories."""

DEFAULT_OUTPUTS = (Field(name="score", datatype="FP64", is_optional=False),)


def infer_signature(
    inputs: object,
    *,
    outputs: Sequence[Field] | Mapping[str, object] = DEFAULT_OUTPUTS,
    context: object | None = None,
    time: str = "",
    row_key: str = "",
    text: Sequence[str] = (),
) -> Signature:
    """Return the signature of a model that takes rows like these.

    Text columns become categories: their levels, sorted, are part of the signature. A column of
    more than 100 levels of which nearly all are in one row only is text and no category, unless its
    type says that it is one (Categorical, Enum). Arrays get the
    shape of a row's value, -1 where the lengths differ; a record in a row becomes a field a member,
    `customer.age`; a list of records a field with `fields`.

    Args:
        inputs: rows that the model takes, input columns only: a frame, a mapping of columns or
            arrays (rows, ...), or a list of records.
        outputs: what the model answers, declared, or a sample of it: `model.predict(rows)`;
            default: one column `score`.
        context: columns that are sent along and logged, never given to the model.
        time: context column that is the row's effective time.
        row_key: context column by which labels find their row.
        text: input columns that are read as text and are no categories.

    Raises:
        InvalidInputError: a column is of a type that no request can carry, or `time` or `row_key`
            is no context column.
    """
    fields = _fields(inputs, with_categories=True, text=text)
    sent = () if context is None else _fields(context, with_categories=False)
    answered = _answers(outputs) if isinstance(outputs, Mapping) else tuple(outputs)
    names = [field.name for field in sent]
    for role, name in (("time", time), ("row_key", row_key)):
        if name and name not in names:
            raise InvalidInputError(
                f"{role}={name!r} is no context column",
                fix=f"add it to `context`; there are {', '.join(names) or 'none'}",
            )
    return Signature(inputs=fields, outputs=answered, context=sent, time=time, row_key=row_key)


def _fields(
    rows: Any,  # noqa: ANN401 - any rows
    *,
    with_categories: bool,
    text: Sequence[str] = (),
) -> tuple[Field, ...]:
    if isinstance(rows, dict | list | tuple):
        return tuple(
            _field_of_array(name, column, with_categories=with_categories and name not in text)
            for name, column in columns_of(rows).items()
        )
    import polars as pl  # noqa: PLC0415 - heavy

    if isinstance(rows, pl.LazyFrame):
        rows = rows.collect()
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
    return tuple(
        _field(column, with_categories=with_categories and column.name not in text)
        for column in flat_columns(frame)
    )


def _answers(outputs: Mapping[str, object]) -> tuple[Field, ...]:
    return tuple(
        msgspec.structs.replace(
            _field_of_array(name, column, with_categories=False), is_optional=False
        )
        for name, column in columns_of(dict(outputs)).items()
    )


def _field(column: pl.Series, *, with_categories: bool) -> Field:
    import polars as pl  # noqa: PLC0415 - heavy

    if isinstance(column.dtype, pl.List | pl.Array) or column.dtype == pl.Binary:
        (array,) = columns_of(column.to_frame()).values()
        return _field_of_array(column.name, array, with_categories=with_categories)
    kinds: list[tuple[bool, Datatype]] = [
        (column.dtype == pl.Boolean, "BOOL"),
        (column.dtype.is_integer() or column.dtype.is_temporal(), "INT64"),
        (column.dtype.is_float() or column.dtype == pl.Null, "FP64"),
        (isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum), "BYTES"),
    ]
    datatype = next((name for fits, name in kinds if fits), None)
    if datatype is None:
        raise _unfit(column.name, str(column.dtype))
    categories = None
    if datatype == "BYTES" and with_categories:
        known = column.cast(pl.String).drop_nulls()
        levels = known.unique().to_list()
        if column.dtype != pl.String or not is_free_text(len(levels), len(known)):
            categories = _levels(column.name, levels)
    return Field(name=column.name, datatype=datatype, categories=categories)


def _field_of_array(name: str, column: NDArray[Any], *, with_categories: bool) -> Field:
    if column.dtype.kind != "O":
        shape = column.shape[1:]
        exact = _DATATYPES.get(column.dtype.newbyteorder("<").str)
        if exact is None:
            raise _unfit(name, column.dtype.name)
        wide: dict[str, Datatype] = {"f": "FP64", "i": "INT64", "u": "INT64", "b": "BOOL"}
        return Field(
            name=name, datatype=exact if shape else wide[column.dtype.kind], shape=shape
        )  # fmt: skip
    if column.ndim > 1 and not any(isinstance(item, dict) for item in column.flat):
        return Field(name=name, datatype="BYTES", shape=column.shape[1:])
    values = [value for value in column if value is not None]
    return _field_of_objects(name, values, with_categories=with_categories)


def _field_of_objects(name: str, values: Sequence[Any], *, with_categories: bool) -> Field:
    """Return the field of values of which each is an object; None is none of them."""
    types = {type(value) for value in values}
    if not values or types <= {int, float, bool}:
        number: Datatype = (
            "BOOL" if types == {bool} else "INT64" if types == {int} else "FP64"
        )  # fmt: skip
        return Field(name=name, datatype=number)
    if types <= {str}:
        levels = list(set(values))
        is_text = not with_categories or is_free_text(len(levels), len(values))
        return Field(
            name=name, datatype="BYTES", categories=None if is_text else _levels(name, levels)
        )
    if types == {bytes}:
        return Field(name=name, datatype="BYTES", is_binary=True)
    if types == {dict}:
        return Field(name=name, datatype="BYTES", fields=_members(values))
    arrays = [np.asarray(value) for value in values]
    elements = [item for array in arrays for item in array.flat]
    if any(isinstance(item, dict) for item in elements):
        return Field(name=name, datatype="BYTES", shape=(-1,), fields=_members(elements))
    return _field_of_ragged(name, arrays)


def _field_of_ragged(name: str, arrays: Sequence[NDArray[Any]]) -> Field:
    if len({array.ndim for array in arrays}) > 1 or arrays[0].ndim == 0:
        raise _unfit(name, "values of several kinds")
    shape = tuple(
        lengths.pop() if len(lengths := {array.shape[axis] for array in arrays}) == 1 else -1
        for axis in range(arrays[0].ndim)
    )
    kinds = {array.dtype for array in arrays if array.size}
    widest = np.result_type(*kinds) if kinds else np.dtype(np.float64)
    if widest.kind in "OUS":
        return Field(name=name, datatype="BYTES", shape=shape)
    exact = _DATATYPES.get(widest.newbyteorder("<").str)
    if exact is None:
        raise _unfit(name, widest.name)
    return Field(name=name, datatype=exact, shape=shape)


def _members(records: Sequence[Any]) -> tuple[Field, ...]:
    names = dict.fromkeys(key for record in records for key in record)
    return tuple(
        _field_of_objects(
            str(key), [v for r in records if (v := r.get(key)) is not None], with_categories=False
        )
        for key in names
    )


def is_free_text(levels: int, rows: int) -> bool:
    """Whether a column of so many levels in so many rows is text, not categories."""
    return levels > FREE_TEXT_LEVELS and levels >= FREE_TEXT_SHARE * rows


def _levels(name: str, levels: list[str]) -> tuple[str, ...]:
    if len(levels) > MOST_CATEGORIES:
        raise InvalidInputError(
            f"column {name!r} has {len(levels):,} levels; at most {MOST_CATEGORIES:,} can be "
            "categories",
            fix=f"is it text that the model reads: infer_signature(..., text=[{name!r}]); else "
            "leave it out of the inputs, or encode it as numbers",
        )
    return tuple(sorted(levels))


def _unfit(name: str, type_: str) -> InvalidInputError:
    return InvalidInputError(
        f"column {name!r} is {type_}; a request carries numbers, truth values, times, text, bytes, "
        "and arrays, records and lists of records of them",
        fix="cast it before the model is trained",
    )


_DATATYPES: dict[str, Datatype] = {
    NUMPY_TYPES[name]: name for name in get_args(Datatype) if name != "BYTES"
}
