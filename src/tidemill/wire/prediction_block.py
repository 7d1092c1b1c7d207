"""The prediction block: what a model server writes to its stream for one request, as columns.

Layout: 4 bytes of magic `TMP1`, the length of the header as uint32, the header as MessagePack, then
the raw bytes of every column one after the other, little-endian. Text is int32 offsets (rows + 1)
and then UTF-8 bytes; a column with missing rows has one byte a row of validity before its values.
Types are float64, int64, bool and utf8, whatever the tensor was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidemill.core.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC = b"TMP1"
ID_BYTES = 16

Role = Literal["context", "input", "output"]
ColumnType = Literal["float64", "int64", "bool", "utf8"]
BlockStatus = Literal["ok", "rejected", "failed"]

_WIDTH = {"float64": 8, "int64": 8, "bool": 1}
_CODES = {"float64": "<f8", "int64": "<i8", "bool": "|b1"}


class LoggedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column: `values` has one entry a row; `valid` tells missing rows, None: there are none.

    Values are float64, int64 or bool arrays, or (utf8) an object array of `str` and None.
    """

    name: str
    role: Role
    values: NDArray[np.generic]
    valid: NDArray[np.bool_] | None = None


class PredictionBlock(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of one request, as logged before the answer was given.

    `status`: `ok`, `rejected` (a rule of the contract refused the request) or `failed` (the model
    raised); the last two have no output columns and were never answered with a prediction.
    """

    deployment: str
    """Artifact id of the deployment that answered."""
    model: str
    """Artifact id of the model."""
    ids: NDArray[np.uint8]
    """Prediction ids (UUIDv7), shape (rows, 16)."""
    received_us: int
    """Recorded time of the request, microseconds since 1970 UTC."""
    at_us: NDArray[np.int64]
    """Effective time a row, shape (rows,); where the signature names none, `received_us`."""
    columns: tuple[LoggedColumn, ...]
    contract_bits: NDArray[np.uint64]
    """Bit i of a row is set where rule i of the request contract failed, shape (rows,)."""
    queue_us: int = 0
    """Microseconds from the request's arrival until work on it began."""
    model_us: int = 0
    """Microseconds that the model itself took."""
    status: BlockStatus = "ok"
    request: str = ""
    """The id that the caller gave to the request."""

    @property
    def rows(self) -> int:
        """Rows of the request."""
        return len(self.at_us)


class _ColumnHead(msgspec.Struct, frozen=True, array_like=True):
    name: str
    role: Role
    type: ColumnType
    has_valid: bool
    size_bytes: int


class _Head(msgspec.Struct, frozen=True, array_like=True):
    rows: int
    deployment: str
    model: str
    received_us: int
    queue_us: int
    model_us: int
    status: BlockStatus
    request: str
    columns: tuple[_ColumnHead, ...]


_encoder = msgspec.msgpack.Encoder()
_head_decoder = msgspec.msgpack.Decoder(_Head)


def encode_block(block: PredictionBlock) -> bytes:
    """Return the bytes of a block.

    Raises:
        ValueError: a column has another number of rows than the block, or an unknown type.
    """
    heads: list[_ColumnHead] = []
    body: list[bytes] = [
        np.ascontiguousarray(block.ids).tobytes(),
        block.at_us.astype("<i8", copy=False).tobytes(),
        block.contract_bits.astype("<u8", copy=False).tobytes(),
    ]
    for column in block.columns:
        if len(column.values) != block.rows:
            message = f"column {column.name} has {len(column.values)} rows, the block {block.rows}"
            raise ValueError(message)
        type_, pieces = _column_bytes(column)
        size = sum(map(len, pieces))
        heads.append(_ColumnHead(column.name, column.role, type_, column.valid is not None, size))
        body += pieces
    head = _encoder.encode(
        _Head(
            block.rows, block.deployment, block.model, block.received_us, block.queue_us,
            block.model_us, block.status, block.request, tuple(heads),
        )
    )  # fmt: skip
    return b"".join([MAGIC, len(head).to_bytes(4, "little"), head, *body])


def decode_block(data: bytes | memoryview) -> PredictionBlock:
    """Return the block that `encode_block` wrote; number columns are views of `data`.

    Raises:
        CorruptError: the bytes are no prediction block of this layout.
    """
    view = memoryview(data)
    try:
        return _decoded(view)
    except (ValueError, IndexError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise CorruptError(
            f"{len(view)} bytes of the prediction log are not a prediction block ({error})",
            fix="the log was written by another version, or damaged: bring it back from a backup",
        ) from None


def stream_names(names: Iterable[str], deployment: str) -> list[str]:
    """Return those streams that hold predictions of a deployment, sorted.

    A stream has one writer, and while a model is swapped two servers live: the second writes to
    `NAME~1`. Read all of them.

    >>> stream_names(["delay", "delay~1", "delay.b", "delays"], "delay")
    ['delay', 'delay~1']
    """
    pattern = re.compile(re.escape(deployment) + r"(~\d+)?")
    return sorted(name for name in names if pattern.fullmatch(name))


def stream_candidates(deployment: str) -> Iterator[str]:
    """Yield the names that a server of a deployment tries to open, in order."""
    yield deployment
    yield from (f"{deployment}~{number}" for number in range(1, 100))


def _column_bytes(column: LoggedColumn) -> tuple[ColumnType, list[bytes]]:
    valid = [] if column.valid is None else [column.valid.astype(np.bool_, copy=False).tobytes()]
    kind = column.values.dtype.kind
    if kind == "f":
        return "float64", [*valid, column.values.astype("<f8", copy=False).tobytes()]
    if kind in "iu":
        return "int64", [*valid, column.values.astype("<i8", copy=False).tobytes()]
    if kind == "b":
        return "bool", [*valid, column.values.tobytes()]
    if kind == "O":
        texts = [value.encode() if value else b"" for value in column.values.tolist()]
        offsets = np.zeros(len(texts) + 1, dtype="<i4")
        np.cumsum([len(text) for text in texts], out=offsets[1:])
        return "utf8", [*valid, offsets.tobytes(), b"".join(texts)]
    message = f"column {column.name} has the type {column.values.dtype}, which is not logged"
    raise ValueError(message)


def _decoded(view: memoryview) -> PredictionBlock:
    if bytes(view[:4]) != MAGIC:
        message = "wrong magic"
        raise ValueError(message)
    start = 8 + int.from_bytes(view[4:8], "little")
    head = _head_decoder.decode(view[8:start])
    rows, reader = head.rows, _Reader(view, start)
    ids = reader.take(ID_BYTES * rows, "|u1").reshape(rows, ID_BYTES)
    at_us, bits = reader.take(8 * rows, "<i8"), reader.take(8 * rows, "<u8")
    columns = tuple(_read_column(reader, column, rows) for column in head.columns)
    if reader.position != len(view):
        message = f"{len(view) - reader.position} bytes too many"
        raise ValueError(message)
    return PredictionBlock(
        deployment=head.deployment, model=head.model, ids=ids, received_us=head.received_us,
        at_us=at_us, columns=columns, contract_bits=bits, queue_us=head.queue_us,
        model_us=head.model_us, status=head.status, request=head.request,
    )  # fmt: skip


class _Reader:
    """Takes arrays from bytes, one after the other."""

    def __init__(self, view: memoryview, position: int) -> None:
        self.view, self.position = view, position

    def take(self, size_bytes: int, code: str) -> NDArray[Any]:
        """Return the next bytes as an array."""
        piece = self.view[self.position : self.position + size_bytes]
        if len(piece) != size_bytes or size_bytes < 0:
            message = "it ends too early"
            raise ValueError(message)
        self.position += size_bytes
        return np.frombuffer(piece, dtype=code)


def _read_column(reader: _Reader, head: _ColumnHead, rows: int) -> LoggedColumn:
    end = reader.position + head.size_bytes
    valid = reader.take(rows, "|b1") if head.has_valid else None
    if head.type == "utf8":
        values = _read_text(reader, rows, valid)
    else:
        values = reader.take(_WIDTH[head.type] * rows, _CODES[head.type])
    if reader.position != end:
        message = f"column {head.name} has another size than its header says"
        raise ValueError(message)
    return LoggedColumn(name=head.name, role=head.role, values=values, valid=valid)


def _read_text(reader: _Reader, rows: int, valid: NDArray[np.bool_] | None) -> NDArray[np.generic]:
    offsets = reader.take(4 * (rows + 1), "<i4").tolist()
    text = reader.take(offsets[-1], "|u1").tobytes()
    values = np.empty(rows, dtype=object)
    for row in range(rows):
        if valid is None or valid[row]:
            values[row] = text[offsets[row] : offsets[row + 1]].decode()
    return values
