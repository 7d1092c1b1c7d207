"""How the history of one entity lies in the online store: packed arrays, no schema inside.

Layout: rows (u32 LE), then event, arrival, tie and source row (int64 LE each), then for each value
column of the view, in its order, 8-byte values and one byte of validity a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.practices.features.history import Column, History

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_FIXED = 4
_COUNT_BYTES = 4


def pack(history: History) -> bytes:
    """Return the rows of one entity as bytes."""
    parts = [
        len(history.event_us).to_bytes(_COUNT_BYTES, "little"),
        history.event_us.tobytes(),
        history.arrival_us.tobytes(),
        history.ties.tobytes(),
        history.rows.tobytes(),
    ]
    for column in history.columns.values():
        parts += [column.values.tobytes(), column.is_valid.tobytes()]
    return b"".join(parts)


def unpack(values: Sequence[bytes | None], dtypes: Mapping[str, str]) -> History:
    """Return the rows of many entities; the entity of a row is the place of its value."""
    pieces = [(place, _arrays(value, dtypes)) for place, value in enumerate(values) if value]
    counts = [len(arrays[0]) for _, arrays in pieces]
    entities = np.repeat(np.array([place for place, _ in pieces], dtype=np.int64), counts)
    joined = [
        np.concatenate(list(arrays))
        for arrays in zip(*(arrays for _, arrays in pieces), strict=True)
    ] or _arrays(bytes(_COUNT_BYTES), dtypes)
    columns = {
        name: Column(
            values=joined[_FIXED + 2 * place], is_valid=joined[_FIXED + 2 * place + 1], dtype=dtype
        )
        for place, (name, dtype) in enumerate(dtypes.items())
    }
    return History(
        entities=entities, event_us=joined[0], arrival_us=joined[1], ties=joined[2],
        rows=joined[3], columns=columns,
    )  # fmt: skip


def _arrays(value: bytes, dtypes: Mapping[str, str]) -> list[NDArray[Any]]:
    rows = int.from_bytes(value[:_COUNT_BYTES], "little")
    offset = _COUNT_BYTES
    kinds: list[type[np.generic]] = [np.int64] * _FIXED
    for dtype in dtypes.values():
        kinds += [np.float64 if dtype == "float" else np.int64, np.bool_]
    arrays = []
    for kind in kinds:
        arrays.append(np.frombuffer(value, dtype=kind, count=rows, offset=offset))
        offset += rows * arrays[-1].itemsize
    return arrays
