"""The clock port: recorded time, ids and salts. Nothing else may ask the machine for them."""

from datetime import datetime
from typing import Protocol

from tidemill.core.run import RunId


class Clock(Protocol):
    """Where time and randomness come from."""

    def now(self) -> datetime:
        """Return recorded time, aware UTC; never earlier than it said before in this process."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that only grow, for measuring how long things take."""
        ...

    def new_id(self) -> RunId:
        """Return a UUIDv7 as 32 hex digits, later than every id this process made before."""
        ...

    def salt(self) -> bytes:
        """Return 16 random bytes."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
