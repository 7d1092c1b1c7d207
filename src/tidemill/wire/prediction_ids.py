"""Prediction ids: of served rows by time (UUIDv7), of scored rows by what and where (UUIDv8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidemill.ports.clock import Clock

_VERSION, _CUSTOM = 0x70, 0x80
_VARIANT = 0x80


class PredictionIds:
    """Makes ids for one server process; for one thread at a time.

    The first row's time comes from the clock's own id, the rows after it count its 60 bits of time
    (milliseconds and 4096ths of one) up, and never below what was given out before. The last 62
    bits are random from a generator that the clock's salt seeds, so that processes never meet.

    Source: RFC 9562, 5.7 and 6.2 method 3.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._random = np.random.Generator(np.random.PCG64(int.from_bytes(clock.salt())))
        self._latest = 0

    def take(self, rows: int) -> NDArray[np.uint8]:
        """Return ids as bytes, shape (rows, 16), in ascending order."""
        first = int(self._clock.new_id(), 16)
        prefix = max((first >> 80) << 12 | (first >> 64) & 0xFFF, self._latest + 1)
        self._latest = prefix + rows - 1
        times = np.arange(prefix, prefix + rows, dtype=np.uint64)
        head = (times >> np.uint64(12)) << np.uint64(16) | (times & np.uint64(0xFFF))
        tail = self._random.integers(0, 1 << 62, size=rows, dtype=np.uint64)
        ids = np.empty((rows, 16), dtype=np.uint8)
        ids[:, :8] = head.astype(">u8").view(np.uint8).reshape(rows, 8)
        ids[:, 8:] = tail.astype(">u8").view(np.uint8).reshape(rows, 8)
        ids[:, 6] |= _VERSION
        ids[:, 8] |= _VARIANT
        return ids


def spelled_ids(ids: NDArray[np.uint8]) -> NDArray[Any]:
    """Return ids as text, 32 hex digits each, as `prediction:ID` takes them."""
    digits = ids.tobytes().hex()
    texts = np.empty(len(ids), dtype=object)
    texts[:] = [digits[start : start + 32] for start in range(0, len(digits), 32)]
    return texts


MOST_SCORED = 1 << 30
"""Rows of one scoring that ids can number."""


def scored_ids(scoring: str, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the ids of rows that a model scored, the same whenever they are scored again.

    UUIDv8: 60 bits of the scoring's digest, so that a scoring's ids lie together in ascending
    order; 30 bits of the row's place; 32 bits that mix both, so that short ids differ.

    Args:
        scoring: 64 hex digits of what was scored by what.
        rows: places in the data version, below `MOST_SCORED`, shape (rows,).

    Source: RFC 9562, 5.8; the mixing is that of Steele and others, Fast Splittable Pseudorandom
    Number Generators (2014).
    """
    places = rows.astype(np.uint64)
    mixed = places * np.uint64(0x9E3779B97F4A7C15) + np.uint64(int(scoring[16:32], 16))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed = (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(32)
    ids = np.empty((len(rows), 16), dtype=np.uint8)
    ids[:, :8] = np.frombuffer(bytes.fromhex(scoring[:16]), dtype=np.uint8)
    ids[:, 6] = (ids[:, 6] & 0x0F) | _CUSTOM
    tail = np.uint64(_VARIANT << 56) | places << np.uint64(32) | mixed
    ids[:, 8:] = tail.astype(">u8").view(np.uint8).reshape(len(rows), 8)
    return ids
