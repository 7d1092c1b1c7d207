"""Prediction ids: UUIDv7 for many rows at once, each later than every one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidemill.ports.clock import Clock

_VERSION = 0x70
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
