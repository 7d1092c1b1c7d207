"""The bytes that a chunk of a column means (`td1`): tagged streams, free of how it was stored.

A stream is a tag (1 byte), its length (u64, little endian) and its bytes. Tags, in order:

    V  validity bits, least significant first; only if the chunk holds a null
    I  integers, little endian; dates are int32 days, times and spans int64 microseconds
    R  u16 remainders of those in nanoseconds (0-999); only if one of them is not 0
    F  floats; every NaN is the quiet one, -0.0 stays
    b  bits of booleans
    D  decimals, unscaled, 32 bytes two's complement
    L  u32 lengths of texts, bytes, lists and maps; then B, the bytes, or the streams of the items
    S  rows of a struct (u64), then the streams of its fields; a map's items are such structs
    N  rows of a column of nothing (u64)

Values under a null are zero, and texts and lists under it are empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

Stream = tuple[bytes, "NDArray[np.uint8]"]

_WORD = 2**64
_MOST_MILLISECONDS = (2**63 - 1) // 1000


def streams(values: pl.Series) -> Iterator[Stream]:
    """Yield tag and bytes of each stream of a chunk of a column, linear in its size.

    Raises:
        InvalidInputError: a time lies outside the range of microseconds in 64 bits.
    """
    if isinstance(values.dtype, pl.BaseExtension):
        values = values.ext.storage()
    if values.null_count():
        yield b"V", _bits(values.is_not_null().to_numpy())
    dtype = values.dtype
    if dtype.is_integer():
        yield b"I", _little(_dense(values, 0))
    elif dtype.is_float():
        yield b"F", _little(_floats(values))
    else:
        yield from _READERS[type(dtype)](values)


def _little(values: NDArray[Any]) -> NDArray[np.uint8]:
    values = np.ascontiguousarray(values)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).view(np.uint8)


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(flags, bitorder="little")


def _count(rows: int) -> NDArray[np.uint8]:
    return _little(np.array([rows], dtype=np.uint64))


def _dense(values: pl.Series, filler: float | bool) -> NDArray[Any]:  # noqa: FBT001 - a value
    return (values.fill_null(filler) if values.null_count() else values).to_numpy()


def _floats(values: pl.Series) -> NDArray[Any]:
    given = _dense(values, 0.0)
    is_nan = np.isnan(given)
    if is_nan.any():
        given = given.copy()
        given[is_nan] = np.nan
    return given


def _boolean(values: pl.Series) -> Iterator[Stream]:
    yield b"b", _bits(_dense(values, filler=False))


def _date(values: pl.Series) -> Iterator[Stream]:
    yield b"I", _little(_dense(values.to_physical(), 0))


def _time(values: pl.Series) -> Iterator[Stream]:
    unit = getattr(values.dtype, "time_unit", "ns")  # Time has no unit: always nanoseconds
    physical: NDArray[np.int64] = _dense(values.to_physical(), 0)
    if unit == "us":
        yield b"I", _little(physical)
    elif unit == "ms":
        if physical.size and max(-int(physical.min()), int(physical.max())) > _MOST_MILLISECONDS:
            raise InvalidInputError(
                f"column {values.name!r} holds times outside the years -290308 to 294247",
                fix="set them to null, or correct them at the source",
            )
        yield b"I", _little(physical * 1000)
    else:
        microseconds, remainders = np.divmod(physical, 1000)
        yield b"I", _little(microseconds)
        if remainders.any():
            yield b"R", _little(remainders.astype(np.uint16))


def _decimal(values: pl.Series) -> Iterator[Stream]:
    unscaled = values.to_physical()
    unscaled = unscaled.fill_null(0) if unscaled.null_count() else unscaled
    words = np.empty((len(unscaled), 4), dtype=np.int64)
    words[:, 0] = (unscaled & (_WORD - 1)).cast(pl.UInt64).to_numpy().view(np.int64)
    words[:, 1] = (unscaled // _WORD).cast(pl.Int64).to_numpy()
    words[:, 2:] = words[:, 1:2] >> 63
    yield b"D", _little(words.reshape(-1))


def _text(values: pl.Series) -> Iterator[Stream]:
    yield from _binary(values.cast(pl.String).cast(pl.Binary))


def _binary(values: pl.Series) -> Iterator[Stream]:
    yield b"L", _lengths(values.bin.size())
    yield b"B", _items(values.cast(pl.List(pl.UInt8))).to_numpy()


def _list(values: pl.Series) -> Iterator[Stream]:
    yield b"L", _lengths(values.list.len())
    yield from streams(_items(values))


def _array(values: pl.Series) -> Iterator[Stream]:
    return _list(values.arr.to_list())


def _map(values: pl.Series) -> Iterator[Stream]:
    return _list(values.map.entries())


def _lengths(lengths: pl.Series) -> NDArray[np.uint8]:
    return _little(_dense(lengths, 0).astype(np.uint32, copy=False))


def _items(lists: pl.Series) -> pl.Series:
    return lists.explode(empty_as_null=False, keep_nulls=False)


def _struct(values: pl.Series) -> Iterator[Stream]:
    yield b"S", _count(len(values))
    valid = values.is_not_null() if values.null_count() else None
    for name in values.struct.fields:
        child = values.struct.field(name)
        if valid is not None:
            child = pl.select(pl.when(valid).then(child)).to_series()
        yield from streams(child)


def _null(values: pl.Series) -> Iterator[Stream]:
    yield b"N", _count(len(values))


_READERS: dict[type[pl.DataType], Callable[[pl.Series], Iterator[Stream]]] = {
    pl.Boolean: _boolean,
    pl.Date: _date,
    pl.Time: _time,
    pl.Datetime: _time,
    pl.Duration: _time,
    pl.Decimal: _decimal,
    pl.String: _text,
    pl.Categorical: _text,
    pl.Enum: _text,
    pl.Binary: _binary,
    pl.List: _list,
    pl.Array: _array,
    pl.Map: _map,
    pl.Struct: _struct,
    pl.Null: _null,
}
