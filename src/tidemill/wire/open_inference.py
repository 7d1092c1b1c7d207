"""Open Inference Protocol V2 over HTTP: requests to tensors, tensors to answers, and metadata.

JSON, and the binary tensor extension (`Inference-Header-Content-Length`): the JSON head is followed
by the raw little-endian bytes of each tensor that says `binary_data_size`; BYTES elements are a
uint32 length and their bytes. A tensor holds one column: its shape is [rows] or [rows, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidemill.core.signature import Field, Signature

FLOATS = ("FP32", "FP64")
INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
DATATYPES = ("BOOL", *INTEGERS, *FLOATS, "BYTES")
PREDICTION_ID = "prediction_id"
"""The output that names each row's prediction, after the model's own outputs."""

_NUMPY = {
    "BOOL": "|b1", "INT8": "|i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "|u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip


class RequestError(Exception):
    """The request cannot be answered; `status` is the HTTP status, the text is for its sender."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a request: values of the datatype's NumPy type, or objects for BYTES.

    `valid` tells which rows are there (JSON null is missing); None: all are.
    """

    name: str
    datatype: str
    values: Any
    valid: Any = None


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
_nested = {name: msgspec.json.Decoder(list[list[item | None]]) for name, item in _items.items()}  # type: ignore[valid-type]


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
            tensors[given.name] = _from_json(given, rows)
        else:
            end = offset + _whole(given.name, binary_size)
            tensors[given.name] = _from_bytes(given, rows, rest[offset:end])
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


def encode_answer(
    request: InferenceRequest, model_name: str, version: str, outputs: Mapping[str, NDArray[Any]]
) -> tuple[bytes, int | None]:
    """Return the body of an answer, and the length of its JSON head where binary bytes follow.

    NaN is spelled null in JSON. `outputs` are numbers, booleans or text objects of shape (rows,) or
    (rows, classes); the data of the latter are flat, row after row.
    """
    names = request.outputs or tuple(outputs)
    heads: list[dict[str, Any]] = []
    pieces: list[bytes] = []
    for name in names:
        values = outputs[name]
        head: dict[str, Any] = {
            "name": name, "datatype": datatype_of(values), "shape": list(values.shape)
        }  # fmt: skip
        if name in request.binary or ("*" in request.binary and name not in request.outputs):
            piece = _binary(values)
            head["parameters"] = {"binary_data_size": len(piece)}
            pieces.append(piece)
        else:
            head["data"] = values.ravel().tolist()
        heads.append(head)
    answer: dict[str, Any] = {"model_name": model_name, "model_version": version}
    if request.id:
        answer["id"] = request.id
    body = msgspec.json.encode(answer | {"outputs": heads})
    return (b"".join([body, *pieces]), len(body)) if pieces else (body, None)


def model_metadata(name: str, version: str, platform: str, signature: Signature) -> bytes:
    """Return the body of an answer to `GET /v2/models/NAME`: context columns are inputs too."""

    def tensors(fields: Sequence[Field]) -> list[dict[str, Any]]:
        return [{"name": f.name, "datatype": f.datatype, "shape": [-1]} for f in fields]

    outputs = [
        *tensors(signature.outputs),
        {"name": PREDICTION_ID, "datatype": "BYTES", "shape": [-1]},
    ]
    return msgspec.json.encode({
        "name": name, "versions": [version], "platform": platform,
        "inputs": tensors((*signature.inputs, *signature.context)), "outputs": outputs,
    })  # fmt: skip


def datatype_of(values: NDArray[Any]) -> str:
    """Return the datatype of an output's values.

    >>> datatype_of(np.zeros(2)), datatype_of(np.zeros(2, dtype=np.int32))
    ('FP64', 'INT32')
    """
    kind, width = values.dtype.kind, values.dtype.itemsize * 8
    return {"f": f"FP{width}", "i": f"INT{width}", "u": f"UINT{width}", "b": "BOOL"}.get(
        kind, "BYTES"
    )


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
    if not 1 <= len(shape) <= 2 or min(shape) < 0 or shape[1:] not in ([], [1]):
        raise RequestError(
            400, f"tensor {given.name!r} has the shape {shape}; a column is [rows] or [rows, 1]"
        )
    return shape[0]


def _whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RequestError(400, f"tensor {name!r}: binary_data_size {value!r} is not a size")
    return value


def _from_json(given: _Input, rows: int) -> Tensor:
    if given.data is msgspec.UNSET or not isinstance(given.data, msgspec.Raw):
        raise RequestError(400, f"tensor {given.name!r} has no data")
    data, may_miss = _decoded_items(given, given.data)
    if len(data) != rows:
        raise RequestError(
            400, f"tensor {given.name!r} has the shape {given.shape} but {len(data)} values"
        )
    valid = None
    if may_miss and None in data:
        valid = np.array([value is not None for value in data], dtype=np.bool_)
    return Tensor(
        name=given.name, datatype=given.datatype, values=_array(given, data, valid), valid=valid
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
        if len(given.shape) == 2:
            return _unnested(given, data), True
        raise RequestError(
            400, f"tensor {given.name!r} is {given.datatype} of shape {given.shape}: {error}"
        ) from None


def _unnested(given: _Input, data: msgspec.Raw) -> list[Any]:
    try:
        nested = _nested[given.datatype].decode(data)
    except msgspec.ValidationError as error:
        raise RequestError(
            400, f"tensor {given.name!r} is {given.datatype} of shape {given.shape}: {error}"
        ) from None
    for row, item in enumerate(nested):
        if len(item) != 1:
            raise RequestError(
                400,
                f"tensor {given.name!r} is ragged: row {row} has {len(item)} values instead of 1",
            )
    return [item[0] for item in nested]


def _array(given: _Input, data: list[Any], valid: NDArray[np.bool_] | None) -> NDArray[Any]:
    if given.datatype == "BYTES":
        values = np.empty(len(data), dtype=object)
        values[:] = data
        return values
    filled = data if valid is None else [0 if value is None else value for value in data]
    code = _NUMPY[given.datatype]
    if given.datatype in INTEGERS:
        limits = np.iinfo(code)
        for row, value in enumerate(filled):
            if not limits.min <= value <= limits.max:
                raise RequestError(
                    400, f"tensor {given.name!r}, row {row}: {value} is no {given.datatype}"
                )
    if given.datatype == "FP32":
        with np.errstate(over="ignore"):  # infinity, as the datatype says
            return np.array(filled, dtype=code)
    return np.array(filled, dtype=code)


def _from_bytes(given: _Input, rows: int, piece: memoryview) -> Tensor:
    if given.data is not msgspec.UNSET:
        raise RequestError(400, f"tensor {given.name!r} has both data and binary_data_size")
    if given.datatype == "BYTES":
        values = _texts(given.name, rows, piece)
        return Tensor(name=given.name, datatype="BYTES", values=values)
    code = np.dtype(_NUMPY[given.datatype])
    if len(piece) != rows * code.itemsize:
        raise RequestError(
            400,
            f"tensor {given.name!r} of {rows} rows {given.datatype} is {rows * code.itemsize} "
            f"bytes, not {len(piece)}",
        )
    if given.datatype == "BOOL":
        return Tensor(
            name=given.name, datatype="BOOL", values=np.frombuffer(piece, dtype="|u1") != 0
        )
    return Tensor(name=given.name, datatype=given.datatype, values=np.frombuffer(piece, dtype=code))


def _texts(name: str, rows: int, piece: memoryview) -> NDArray[Any]:
    if 4 * rows > len(piece):
        raise RequestError(400, f"tensor {name!r} of {rows} rows has only {len(piece)} bytes")
    values = np.empty(rows, dtype=object)
    position = 0
    for row in range(rows):
        start = position + 4
        end = start + int.from_bytes(piece[position:start], "little")
        if start > len(piece) or end > len(piece):
            raise RequestError(400, f"tensor {name!r} ends within row {row}")
        try:
            values[row] = bytes(piece[start:end]).decode()
        except UnicodeDecodeError:
            raise RequestError(400, f"tensor {name!r}, row {row} is not UTF-8") from None
        position = end
    if position != len(piece):
        raise RequestError(400, f"tensor {name!r} has {len(piece) - position} bytes too many")
    return values


def _binary(values: NDArray[Any]) -> bytes:
    if values.dtype.kind != "O":
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [str(value).encode() for value in values.tolist()]
    return b"".join(piece for text in texts for piece in (len(text).to_bytes(4, "little"), text))
