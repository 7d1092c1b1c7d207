"""How the history of one entity lies in the online store: whole rows of 8-byte numbers.

A row is event, arrival, tie and source row (int64 LE), then for each value column of the view, in
its order, the value's 8 bytes and 1 where it is not null. So the rows of many entities are read as
one matrix, and rows are added to an entity by adding bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidemill.practices.features.history import Column, History

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_FIXED = 4


def packed(history: History, entities: int) -> list[bytes]:
    """Return the rows of each entity as bytes; `entities` says how many there are."""
    rows = np.empty((len(history.event_us), _FIXED + 2 * len(history.columns)), dtype="<i8")
    fixed = (history.event_us, history.arrival_us, history.ties, history.rows)
    for place, numbers in enumerate(fixed):
        rows[:, place] = numbers
    for place, column in enumerate(history.columns.values()):
        rows[:, _FIXED + 2 * place] = column.values.view(np.int64)
        rows[:, _FIXED + 2 * place + 1] = column.is_valid
    order = np.argsort(history.entities, kind="stable")
    rows, codes = rows[order], history.entities[order]
    ends = np.searchsorted(codes, np.arange(1, entities + 1))
    return [part.tobytes() for part in np.split(rows, ends[:-1])] if entities else []


def unpacked(values: Sequence[bytes | None], dtypes: Mapping[str, str]) -> History:
    """Return the rows of many entities; the entity of a row is the place of its value."""
    width = _FIXED + 2 * len(dtypes)
    counts = [len(value) // (8 * width) if value else 0 for value in values]
    joined = b"".join(value for value in values if value)
    rows: NDArray[np.int64] = np.frombuffer(joined, dtype="<i8").reshape(-1, width)
    numbers = np.ascontiguousarray(rows.T)
    columns = {
        name: Column(
            values=_values(numbers[_FIXED + 2 * place], dtype),
            is_valid=numbers[_FIXED + 2 * place + 1] != 0,
            dtype=dtype,
        )
        for place, (name, dtype) in enumerate(dtypes.items())
    }
    return History(
        entities=np.repeat(np.arange(len(counts), dtype=np.int64), counts), event_us=numbers[0],
        arrival_us=numbers[1], ties=numbers[2], rows=numbers[3], columns=columns,
    )  # fmt: skip


def _values(numbers: NDArray[np.int64], dtype: str) -> NDArray[np.int64] | NDArray[np.float64]:
    return numbers.view(np.float64) if dtype == "float" else numbers
