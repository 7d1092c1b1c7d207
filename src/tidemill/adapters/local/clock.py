"""The machine's clock: recorded time that never goes back, ids that only grow, random bytes."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta

from tidemill.core.run import RunId

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VERSION_7 = 7 << 76
_VARIANT = 0b10 << 62
_RANDOM_BITS = (1 << 62) - 1


class _Ticks:
    """The latest time and id prefix that this process has given out, over all its clocks."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.latest_ns = 0
        self.latest_prefix = 0

    def after_fork(self) -> None:
        """Another thread of the parent may have held the lock; nobody will let go of it here."""
        self.lock = threading.Lock()

    def now_ns(self) -> int:
        """Return nanoseconds since 1970, never fewer than before."""
        with self.lock:
            self.latest_ns = max(self.latest_ns, time.time_ns())
            return self.latest_ns

    def prefix(self) -> int:
        """Return 60 bits, larger each time: milliseconds and 4096ths of one."""
        with self.lock:
            self.latest_ns = max(self.latest_ns, time.time_ns())
            milliseconds, rest = divmod(self.latest_ns, 1_000_000)
            now = milliseconds << 12 | (rest << 12) // 1_000_000
            self.latest_prefix = max(self.latest_prefix + 1, now)
            return self.latest_prefix


_ticks = _Ticks()
os.register_at_fork(after_in_child=_ticks.after_fork)


class SystemClock:
    """The clock of this machine. Safe in threads and after a fork."""

    def now(self) -> datetime:
        """Return recorded time, aware UTC; it stands still while the machine is set back."""
        return _EPOCH + timedelta(microseconds=_ticks.now_ns() // 1000)

    def monotonic_s(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()

    def new_id(self) -> RunId:
        """Return a UUIDv7 as 32 hex digits, later than every id this process made before.

        Source: RFC 9562, 5.7 and 6.2 method 3 (12 bits of sub-millisecond time, counted up when
        the clock has not moved); the last 62 bits are random, so that forks never meet.
        """
        prefix = _ticks.prefix()
        random = int.from_bytes(os.urandom(8)) & _RANDOM_BITS
        value = (prefix >> 12) << 80 | _VERSION_7 | (prefix & 0xFFF) << 64 | _VARIANT | random
        return RunId(f"{value:032x}")

    def salt(self) -> bytes:
        """Return 16 random bytes."""
        return os.urandom(16)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
