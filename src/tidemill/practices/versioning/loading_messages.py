"""What is said to, and by, a process that reads models for another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar

import msgspec
import numpy as np

from tidemill.core.signature import Signature
from tidemill.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

T = TypeVar("T")


class Array(msgspec.Struct, frozen=True, kw_only=True):
    """An array on its way: numbers as their bytes, everything else cell by cell."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes = b""
    cells: tuple[Any, ...] = ()


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to do: read a folder, turn a file made elsewhere into one, or answer rows.

    `rows` are to be answered; with the first two they are a sample to try the model on.
    """

    do: Literal["read", "convert", "predict"]
    folder: str
    path: str = ""
    task: Task | None = None
    sample: Signature | None = None
    allow_code: bool = False
    rows: dict[str, Array] = {}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: `code` is what of the model runs when it is loaded; `error` why not."""

    code: tuple[str, ...] = ()
    outputs: dict[str, Array] = {}
    error: str = ""
    fix: str = ""
    error_code: str = ""


def packed(columns: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
    """Return arrays as they travel."""
    return {name: _packed(np.asarray(column)) for name, column in columns.items()}


def unpacked(arrays: Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    """Return arrays that have travelled."""
    return {name: _unpacked(array) for name, array in arrays.items()}


def write(stream: BinaryIO, value: msgspec.Struct) -> None:
    """Write one message: its length in 8 bytes, and MessagePack."""
    data = msgspec.msgpack.encode(value)
    stream.write(len(data).to_bytes(8, "little") + data)
    stream.flush()


def read(stream: BinaryIO, type_: type[T]) -> T | None:
    """Return the next message; None: the other side is gone."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    data = stream.read(int.from_bytes(head, "little"))
    try:
        return msgspec.msgpack.decode(data, type=type_)
    except msgspec.DecodeError:
        return None


def _packed(column: NDArray[Any]) -> Array:
    if column.dtype.kind in "OUS":
        return Array(dtype="object", shape=column.shape, cells=tuple(column.ravel().tolist()))
    data = np.ascontiguousarray(column).tobytes()
    return Array(dtype=column.dtype.str, shape=column.shape, data=data)


def _unpacked(array: Array) -> NDArray[Any]:
    if array.dtype == "object":
        cells = np.empty(len(array.cells), dtype=object)
        cells[:] = array.cells
        return cells.reshape(array.shape)
    return np.frombuffer(array.data, dtype=array.dtype).reshape(array.shape)
