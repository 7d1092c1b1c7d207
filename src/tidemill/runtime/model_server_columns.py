"""From the tensors of a request to the columns that a model takes, as its signature says."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import microseconds, parse_time, probable_unit
from tidemill.wire.open_inference import FLOATS, INTEGERS, PREDICTION_ID, RequestError, Tensor
from tidemill.wire.prediction_block import LoggedColumn
from tidemill.wire.row_values import (
    RowValueError,
    array_of,
    binary_of_text,
    logged_texts,
    row_value,
    stacked,
    value_of_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tidemill.core.signature import Field, Signature
    from tidemill.wire.open_inference import InferenceRequest
    from tidemill.wire.prediction_block import Role

_ACCEPTED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(FLOATS, (*FLOATS, *INTEGERS)),
    **dict.fromkeys(INTEGERS, INTEGERS),
    "BOOL": ("BOOL",),
    "BYTES": ("BYTES",),
}
"""Datatypes of tensors that a field of a datatype takes: those that lose nothing."""

_JSON: Mapping[type, str] = {list: "list", dict: "record"}


def request_columns(signature: Signature, request: InferenceRequest) -> tuple[LoggedColumn, ...]:
    """Return the context and input columns of a request, in the signature's order.

    Numbers are float64 or int64, text is objects; arrays are of the field's type, shape
    (rows, *shape); what differs from row to row is an object a row. Optional context that was not
    sent is missing in every row.

    Raises:
        RequestError: 400, naming the tensor that is unknown, missing or of the wrong type.
    """
    known = {field.name: field for field in (*signature.inputs, *signature.context)}
    for name in request.tensors:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it takes {_listed(known)}"
            raise RequestError(400, f"the model has no input {name!r}{hint}")
    _require(signature, request.tensors)
    given = _with_time(signature.time, request)
    columns = [_column(field, "context", given) for field in signature.context]
    return (*columns, *(_column(field, "input", request) for field in signature.inputs))


def model_inputs(columns: Sequence[LoggedColumn]) -> dict[str, NDArray[Any]]:
    """Return the input columns as arrays for the model: missing numbers are NaN, text None."""
    return {
        column.name: _with_nan(column) for column in columns if column.role == "input"
    }  # fmt: skip


def logged_columns(
    signature: Signature, columns: Sequence[LoggedColumn], limit_bytes: int
) -> tuple[LoggedColumn, ...]:
    """Return columns as the log takes them: arrays and nested values are a text a row."""
    fields = {
        **{("context", field.name): field for field in signature.context},
        **{("input", field.name): field for field in signature.inputs},
    }
    return tuple(_logged(fields[column.role, column.name], column, limit_bytes)
                 for column in columns)  # fmt: skip


def _logged(field: Field, column: LoggedColumn, limit_bytes: int) -> LoggedColumn:
    if field.is_single:
        return column
    texts = logged_texts(list(column.values), limit_bytes)
    return LoggedColumn(name=column.name, role=column.role, values=texts, valid=column.valid)


def require_outputs(signature: Signature, wanted: Sequence[str]) -> None:
    """Check the names of the outputs that a request wants.

    Raises:
        RequestError: 400, naming one that does not exist.
    """
    known = [*(field.name for field in signature.outputs), PREDICTION_ID]
    for name in wanted:
        if name not in known:
            raise RequestError(
                400, f"the model has no output {name!r}; it gives {', '.join(known)}"
            )


def _require(signature: Signature, tensors: Mapping[str, Tensor]) -> None:
    for field in signature.inputs:
        if field.name not in tensors:
            raise RequestError(
                400, f"tensor {field.name!r} ({field.kind}) is missing; send null for a row "
                "whose value is not known",
            )  # fmt: skip
    for field in signature.context:
        is_needed = not field.is_optional or field.name in (signature.time, signature.row_key)
        if is_needed and field.name not in tensors:
            raise RequestError(
                400, f"tensor {field.name!r} ({field.datatype}) is missing; it is logged with "
                "each prediction, so that labels find it",
            )  # fmt: skip


def _with_time(time: str, request: InferenceRequest) -> InferenceRequest:
    """Return a request whose effective times are microseconds; they may be ISO text.

    Raises:
        RequestError: 400, a text is no time, or a number is one in another unit.
    """
    tensor = request.tensors.get(time)
    if tensor is None or tensor.values.shape[1:] not in ((), (1,)):
        return request  # a wrong shape is told where columns are made
    tensor = msgspec.structs.replace(
        tensor, values=tensor.values.ravel(),
        valid=None if tensor.valid is None else tensor.valid.ravel(),
    )  # fmt: skip
    if tensor.datatype == "BYTES":
        tensor = msgspec.structs.replace(tensor, datatype="INT64", values=_from_text(tensor))
        return msgspec.structs.replace(request, tensors={**request.tensors, time: tensor})
    if tensor.datatype in INTEGERS:
        known = tensor.values if tensor.valid is None else tensor.values[tensor.valid]
        for value in (int(known.min()), int(known.max())) if len(known) else ():
            if value < 2**63 and (unit := probable_unit(value)):
                raise RequestError(
                    400, f"tensor {time!r}: {value} microseconds since 1970 would be no time of"
                    f" our days; it is probably {unit}: send microseconds UTC, or ISO text (BYTES)",
                )  # fmt: skip
    return request


def _from_text(tensor: Tensor) -> NDArray[np.int64]:
    times = np.zeros(len(tensor.values), dtype=np.int64)
    for row, text in enumerate(tensor.values):
        if tensor.valid is None or tensor.valid[row]:
            try:
                times[row] = microseconds(parse_time(str(text)))
            except InvalidInputError:
                raise RequestError(
                    400, f"tensor {tensor.name!r}, row {row + 1}: {text!r} is no ISO date or time"
                ) from None
    return times


def _column(field: Field, role: Role, request: InferenceRequest) -> LoggedColumn:
    tensor = request.tensors.get(field.name)
    if tensor is None:
        return LoggedColumn(
            name=field.name, role=role, values=_absent(field, request.rows),
            valid=np.zeros(request.rows, dtype=np.bool_),
        )  # fmt: skip
    try:
        values, valid = _single(field, tensor) if field.is_single else _composed(field, tensor)
    except RowValueError as error:
        raise RequestError(400, f"tensor {field.name!r}: {error}") from None
    if valid is not None and not field.is_optional:
        row = int(np.argmin(valid))
        raise RequestError(
            400, f"tensor {field.name!r}, row {row + 1}: null, but a value is needed"
        )
    return LoggedColumn(name=field.name, role=role, values=values, valid=valid)


def _require_type(field: Field, tensor: Tensor) -> None:
    if tensor.datatype not in _ACCEPTED[field.datatype]:
        raise RequestError(
            400, f"tensor {field.name!r} is {tensor.datatype}, the model takes {field.kind}"
        )


def _single(field: Field, tensor: Tensor) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    _require_type(field, tensor)
    shape = tensor.values.shape
    if shape[1:] not in ((), (1,)):
        raise RequestError(
            400, f"tensor {field.name!r} has the shape {list(shape)}, the model takes one "
            f"{field.datatype} a row: [{shape[0]}]",
        )  # fmt: skip
    flat = tensor.values.reshape(shape[0])
    if field.datatype == "BYTES" and (tensor.is_binary or tensor.has_json):
        _require_text(field, flat)
    valid = None if tensor.valid is None else tensor.valid.reshape(shape[0])
    return _typed(field, msgspec.structs.replace(tensor, values=flat)), valid


def _require_text(field: Field, values: NDArray[Any]) -> None:
    for row, value in enumerate(values):
        if isinstance(value, bytes):
            raise RequestError(400, f"tensor {field.name!r}, row {row + 1} is not UTF-8")
        if isinstance(value, list | dict):
            raise RequestError(
                400, f"tensor {field.name!r}, row {row + 1}: a {_JSON[type(value)]}, the model "
                "takes a text",
            )  # fmt: skip


def _composed(field: Field, tensor: Tensor) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return an array, a record, a list or bytes a row; and which rows are there."""
    is_a_text_a_row = tensor.datatype == "BYTES" and tensor.values.ndim == 1
    if not is_a_text_a_row:
        _require_type(field, tensor)
        if field.fields or field.is_binary:
            raise RequestError(
                400, f"tensor {field.name!r} has the shape {list(tensor.values.shape)}, the model "
                "takes one BYTES a row",
            )  # fmt: skip
        _require_elements(field, tensor)
        return array_of(field, tensor.values), None
    read = _bytes_of if field.is_binary else _value_of_json
    values = []
    for row, item in enumerate(tensor.values):
        try:
            values.append(None if item is None else read(field, item))
        except RowValueError as error:
            raise RequestError(400, f"tensor {field.name!r}, row {row + 1}: {error}") from None
    is_there = np.array([value is not None for value in values], dtype=np.bool_)
    if field.is_binary and tensor.is_binary:
        values = [item if isinstance(item, bytes) else item.encode() for item in tensor.values]
    return stacked(values), None if is_there.all() else is_there


def _value_of_json(field: Field, item: Any) -> Any:  # noqa: ANN401 - text, bytes, or what it spells
    is_text = isinstance(item, str | bytes)
    value = value_of_text(field, item) if is_text else row_value(field, item)
    if _has_gap(value):
        raise RowValueError("null in an array; every element needs a value")
    return value


def _has_gap(value: Any) -> bool:  # noqa: ANN401 - walks an array, a record or a list of them
    """Whether an array of a value that was JSON, which has no NaN of its own, held null."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            return any(item is None for item in value.flat)
        return value.dtype.kind == "f" and bool(np.isnan(value).any())
    if isinstance(value, dict):
        return any(_has_gap(item) for item in value.values())
    return isinstance(value, list) and any(_has_gap(item) for item in value)


def _bytes_of(field: Field, item: Any) -> bytes:  # noqa: ANN401 - as above
    del field
    if isinstance(item, list | dict):
        raise RowValueError(f"a {_JSON[type(item)]}, the model takes bytes: send them as base64")
    return item if isinstance(item, bytes) else binary_of_text(item)


def _require_elements(field: Field, tensor: Tensor) -> None:
    """Raise where an element of an array is null: it would be a NaN that nobody sent."""
    if tensor.valid is None:
        return
    row = int(np.argmin(tensor.valid.reshape(len(tensor.valid), -1).all(axis=1)))
    raise RequestError(
        400, f"tensor {field.name!r}, row {row + 1}: null in an array of {field.datatype}; every "
        "element needs a value",
    )  # fmt: skip


def _typed(field: Field, tensor: Tensor) -> NDArray[Any]:
    values: NDArray[Any] = tensor.values
    if field.datatype in FLOATS:
        return values.astype(np.float64, copy=False)
    if field.datatype not in INTEGERS:
        return values
    limits = np.iinfo(field.datatype.lower())
    high = min(limits.max, np.iinfo(np.int64).max)
    if field.datatype != tensor.datatype or limits.max > high:
        outside = (values > high) | (values < limits.min)
        if outside.any():
            row = int(np.argmax(outside))
            raise RequestError(
                400, f"tensor {field.name!r}, row {row + 1}: {values[row]} is no {field.datatype}"
            )
    return values.astype(np.int64, copy=False)


def _absent(field: Field, rows: int) -> NDArray[Any]:
    if field.datatype == "BYTES" or not field.is_single:
        return np.full(rows, None, dtype=object)
    if field.datatype == "BOOL":
        return np.zeros(rows, dtype=np.bool_)
    return np.zeros(rows, dtype=np.float64 if field.datatype in FLOATS else np.int64)


def _with_nan(column: LoggedColumn) -> NDArray[Any]:
    if column.valid is None or column.values.dtype.kind == "O":
        return column.values
    values = column.values.astype(np.float64)
    values[~column.valid] = np.nan
    return values


def _listed(known: Mapping[str, Field]) -> str:
    return ", ".join(list(known)[:20]) + (" ..." if len(known) > 20 else "")
