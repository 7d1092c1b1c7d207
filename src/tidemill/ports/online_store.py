"""The online store port: small values by key, for serving. It may be lost and filled again.

Rules: `write` of one call is atomic and replaces values; a reader sees a whole write or none of it;
any number of readers, also in other processes, while one writes.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol


class OnlineStore(Protocol):
    """Values by table and key."""

    def read(self, table: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the value of each key, None where there is none."""
        ...

    def write(self, table: str, values: Mapping[bytes, bytes]) -> None:
        """Set values, all together."""
        ...

    def clear(self, table: str) -> None:
        """Forget a table."""
        ...

    def close(self) -> None:
        """Let go of the place."""
        ...
