"""Open Inference Protocol V2 over HTTP: requests to tensors.

JSON, and the binary tensor extension (`Inference-Header-Content-Length`): the JSON head is followed
by the raw little-endian bytes of each tensor that says `binary_data_size`; BYTES elements are a
uint32 length and their bytes. A tensor holds one column: its shape is [rows, *shape of a row], its
JSON data are flat or nested. Lists of records, and arrays whose rows differ in length, are BYTES of
shape [rows]: one JSON text a row, or the JSON itself. Bytes that are no text (images) are base64 in
JSON.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tidemill.wire.row_values import MOST_DIMENSIONS, NUMPY_TYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOATS = ("FP32", "FP64")
INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
DATATYPES = ("BOOL", *INTEGERS, *FLOATS, "BYTES")
PREDICTION_ID = "prediction_id"
"""The output that names each row's prediction, after the model's own outputs."""

_NUMPY = NUMPY_TYPES


class RequestError(Exception):
    """The request cannot be answered; `status` is the HTTP status, the text is for its sender."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a request: values of the datatype's NumPy type, or objects for BYTES.

    `values` have the tensor's shape; `valid`, of the same, tells what is there (JSON null is
    missing); None: all is. BYTES are `str`, and `bytes` where a binary tensor's are no UTF-8; with
    `has_json` some rows are lists or records, which were sent as JSON and not as its text.
    """

    name: str
    datatype: str
    values: Any
    valid: Any = None
    is_binary: bool = False
    has_json: bool = False


class InferenceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded request: tensors by name, and which outputs are wanted in which spelling."""

    rows: int
    tensors: Mapping[str, Tensor]
    id: str = ""
    outputs: tuple[str, ...] = ()
    """Names of the wanted outputs; empty: all."""
    binary: frozenset[str] = frozenset()
    """Outputs wanted in binary; `*`: all that are not named."""


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] = {}


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str = ""
    outputs: list[_Output] = []
    parameters: dict[str, Any] = {}


_requests = msgspec.json.Decoder(_Request)
_items: Mapping[str, type] = {
    **dict.fromkeys(FLOATS, float), **dict.fromkeys(INTEGERS, int), "BOOL": bool, "BYTES": str
}  # fmt: skip
_flat = {name: msgspec.json.Decoder(list[item]) for name, item in _items.items()}  # type: ignore[valid-type]
_nullable = {name: msgspec.json.Decoder(list[item | None]) for name, item in _items.items()}  # type: ignore[valid-type]
_any = msgspec.json.Decoder(list[Any])
_scalars: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(FLOATS, (float, int)), **dict.fromkeys(INTEGERS, (int,)), "BOOL": (bool,),
    "BYTES": (str,),
}  # fmt: skip


def decode_request(body: bytes, *, json_bytes: int | None = None) -> InferenceRequest:
    """Return the request in a body; `json_bytes` is the length of its JSON head, None: all of it.

    Raises:
        RequestError: 400, naming the tensor and what is wrong with it.
    """
    head, rest = _split(body, json_bytes)
    request = _parsed(head)
    tensors: dict[str, Tensor] = {}
    rows, offset = -1, 0
    for given in request.inputs:
        if given.name in tensors:
            raise RequestError(400, f"tensor {given.name!r} is given twice")
        size = _rows_of(given)
        if rows not in (-1, size):
            raise RequestError(
                400, f"tensor {given.name!r} has {size} rows, the tensors before it have {rows}"
            )
        rows = size
        binary_size = given.parameters.get("binary_data_size")
        if binary_size is None:
            tensors[given.name] = _from_json(given)
        else:
            end = offset + _whole(given.name, binary_size)
            tensors[given.name] = _from_bytes(given, rest[offset:end])
            offset = end
    if offset != len(rest):
        raise RequestError(400, f"{len(rest) - offset} binary bytes belong to no tensor")
    wants_binary = {o.name for o in request.outputs if o.parameters.get("binary_data") is True}
    if request.parameters.get("binary_data_output") is True:
        wants_binary.add("*")
    if rows < 1:
        raise RequestError(400, "the request has no rows")
    return InferenceRequest(
        rows=rows, tensors=tensors, id=request.id,
        outputs=tuple(o.name for o in request.outputs), binary=frozenset(wants_binary),
    )  # fmt: skip


def _split(body: bytes, json_bytes: int | None) -> tuple[bytes, memoryview]:
    if json_bytes is None:
        return body, memoryview(b"")
    if not 0 < json_bytes <= len(body):
        raise RequestError(
            400,
            f"Inference-Header-Content-Length is {json_bytes}, the body has {len(body)} bytes",
        )
    return body[:json_bytes], memoryview(body)[json_bytes:]


def _parsed(head: bytes) -> _Request:
    try:
        request = _requests.decode(head)
    except msgspec.ValidationError as error:
        raise RequestError(400, f"the request is not of the V2 protocol: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(400, f"the body is not JSON: {error}") from None
    except RecursionError:
        raise RequestError(400, "the body is nested too deeply") from None
    if not request.inputs:
        raise RequestError(400, "the request has no input tensors")
    return request


def _rows_of(given: _Input) -> int:
    if given.datatype not in DATATYPES:
        raise RequestError(
            400,
            f"tensor {given.name!r} has the datatype {given.datatype!r}; "
            f"there are {', '.join(DATATYPES)}",
        )
    shape = given.shape
    if not 1 <= len(shape) <= MOST_DIMENSIONS or min(shape) < 0:
        raise RequestError(
            400, f"tensor {given.name!r} has the shape {shape}; a column is [rows] or [rows, ...]"
        )
    return shape[0]


def _whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RequestError(400, f"tensor {name!r}: binary_data_size {value!r} is not a size")
    return value


def _from_json(given: _Input) -> Tensor:
    if given.data is msgspec.UNSET or not isinstance(given.data, msgspec.Raw):
        raise RequestError(400, f"tensor {given.name!r} has no data")
    data, may_miss = _decoded_items(given, given.data)
    if len(data) != math.prod(given.shape):
        raise RequestError(
            400, f"tensor {given.name!r} has the shape {given.shape} but {len(data)} values"
        )
    valid = None
    if may_miss and None in data:
        valid = np.array([value is not None for value in data], dtype=np.bool_)
        valid = valid.reshape(given.shape)
    values = _array(given, data).reshape(given.shape)
    is_text = not may_miss or given.datatype != "BYTES"
    has_json = not is_text and any(isinstance(item, list | dict) for item in data)
    return Tensor(
        name=given.name, datatype=given.datatype, values=values, valid=valid, has_json=has_json
    )


def _decoded_items(given: _Input, data: msgspec.Raw) -> tuple[list[Any], bool]:
    """Return the values, and whether any of them may be null."""
    try:
        return _flat[given.datatype].decode(data), False
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, f"tensor {given.name!r}: {error}") from None
    try:
        return _nullable[given.datatype].decode(data), True
    except msgspec.ValidationError as error:
        if len(given.shape) == 1:
            if given.datatype == "BYTES" and (rows := _json_rows(data)):
                return rows, True
            raise RequestError(
                400, f"tensor {given.name!r} is {given.datatype} of shape {given.shape}: {error}"
            ) from None
    flat: list[Any] = []
    try:
        _unnest(given, _any.decode(data), 0, flat)
    except (msgspec.ValidationError, RecursionError) as error:
        raise RequestError(400, f"tensor {given.name!r}: {error}") from None
    return flat, True


def _json_rows(data: msgspec.Raw) -> list[Any]:
    """Return texts, nulls, lists and records, one a row; none where there is anything else."""
    try:
        rows = _any.decode(data)
    except (msgspec.ValidationError, RecursionError):
        return []
    return rows if all(row is None or isinstance(row, str | list | dict) for row in rows) else []


def _unnest(given: _Input, items: list[Any], depth: int, flat: list[Any]) -> None:
    """Add nested values to a flat list, row after row; each level has the shape's length."""
    inner = depth + 1 == len(given.shape)
    for place, item in enumerate(items, start=1):
        if inner:
            flat.append(_scalar(given, item, place))
            continue
        length = given.shape[depth + 1]
        if isinstance(item, str) and given.datatype != "BYTES":
            raise RequestError(
                400, f"tensor {given.name!r} is {given.datatype} of shape {given.shape}: place "
                f"{place} holds text where a number is needed",
            )  # fmt: skip
        if not isinstance(item, list):
            raise RequestError(
                400, f"tensor {given.name!r} is {given.datatype} of shape {given.shape}: expected "
                f"a list of {length} in place {place}",
            )  # fmt: skip
        if len(item) != length:
            where = "row" if depth == 0 else "place"
            raise RequestError(
                400, f"tensor {given.name!r} is ragged: {where} {place} has {len(item)} values "
                f"instead of {length}",
            )  # fmt: skip
        _unnest(given, item, depth + 1, flat)


def _scalar(given: _Input, item: object, place: int) -> object:
    types = _scalars[given.datatype]
    told = type(item).__name__
    if item is None or (isinstance(item, types) and (bool in types or not isinstance(item, bool))):
        return item
    raise RequestError(
        400, f"tensor {given.name!r} is {given.datatype} of shape {given.shape}: place {place} "
        f"holds {'text where a number is needed' if isinstance(item, str) else told}",
    )  # fmt: skip


def _array(given: _Input, data: list[Any]) -> NDArray[Any]:
    if given.datatype == "BYTES":
        return np.fromiter(data, dtype=object, count=len(data))  # a list is one value
    filled = [0 if value is None else value for value in data] if None in data else data
    code = _NUMPY[given.datatype]
    if given.datatype in INTEGERS:
        limits = np.iinfo(code)
        for row, value in enumerate(filled):
            if not limits.min <= value <= limits.max:
                raise RequestError(
                    400, f"tensor {given.name!r}, row {row + 1}: {value} is no {given.datatype}"
                )
    try:
        with np.errstate(over="ignore"):
            array = np.array(filled, dtype=code)
    except OverflowError as error:
        raise RequestError(400, f"tensor {given.name!r}: {error}") from None
    if given.datatype == "FP32" and np.isinf(array).any():  # JSON has no infinity: it is too large
        place = int(np.argmax(np.isinf(array)))
        row = place // max(1, math.prod(given.shape[1:]))
        raise RequestError(400, f"tensor {given.name!r}, row {row + 1}: {filled[place]} is no FP32")
    return array


def _from_bytes(given: _Input, piece: memoryview) -> Tensor:
    if given.data is not msgspec.UNSET:
        raise RequestError(400, f"tensor {given.name!r} has both data and binary_data_size")
    size = math.prod(given.shape)
    if given.datatype == "BYTES":
        values = _texts(given.name, size, piece).reshape(given.shape)
        return Tensor(name=given.name, datatype="BYTES", values=values, is_binary=True)
    code = np.dtype(_NUMPY[given.datatype])
    if len(piece) != size * code.itemsize:
        raise RequestError(
            400,
            f"tensor {given.name!r} of shape {given.shape}, {given.datatype}, is "
            f"{size * code.itemsize} bytes, not {len(piece)}",
        )
    if given.datatype == "BOOL":
        values = (np.frombuffer(piece, dtype="|u1") != 0).reshape(given.shape)
    else:
        values = np.frombuffer(piece, dtype=code).reshape(given.shape)
    return Tensor(name=given.name, datatype=given.datatype, values=values, is_binary=True)


def _texts(name: str, rows: int, piece: memoryview) -> NDArray[Any]:
    if 4 * rows > len(piece):
        raise RequestError(400, f"tensor {name!r} of {rows} rows has only {len(piece)} bytes")
    values = np.empty(rows, dtype=object)
    position = 0
    for row in range(rows):
        start = position + 4
        end = start + int.from_bytes(piece[position:start], "little")
        if start > len(piece) or end > len(piece):
            raise RequestError(400, f"tensor {name!r} ends within row {row + 1}")
        found = bytes(piece[start:end])
        try:
            values[row] = found.decode()
        except UnicodeDecodeError:
            values[row] = found
        position = end
    if position != len(piece):
        raise RequestError(400, f"tensor {name!r} has {len(piece) - position} bytes too many")
    return values
