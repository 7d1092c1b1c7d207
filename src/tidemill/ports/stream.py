"""The stream port: the open tail of predictions, written before an answer is given.

Rules: `append` never waits for a reader; what it returned for survives the death of the process
(not of the machine, unless opened durable); when there is no room it drops, counts, and says so.
Blocks are opaque bytes here. One writer a name; any number of readers.
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec


class StreamPosition(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A place in a stream, opaque and ordered: the segment and the offset in it."""

    segment: int
    offset: int


class StreamWriter(Protocol):
    """The writing end of one stream."""

    def append(self, block: bytes) -> bool:
        """Append a block; False: it was dropped and counted."""
        ...

    def dropped(self) -> int:
        """Return how many blocks this stream has dropped."""
        ...

    def close(self) -> None:
        """Close the writing end; the tail stays."""
        ...


class Stream(Protocol):
    """Open tails by name."""

    def writer(self, name: str, *, durable: bool = False) -> StreamWriter:
        """Open the writing end of a stream."""
        ...

    def names(self, prefix: str = "") -> list[str]:
        """Return the streams that there are."""
        ...

    def read(
        self, name: str, after: StreamPosition | None = None
    ) -> Iterator[tuple[StreamPosition, bytes]]:
        """Yield whole blocks after a position, oldest first; a torn last block is not there."""
        ...

    def dropped(self, name: str) -> int:
        """Return how many blocks the writers of a stream have dropped."""
        ...

    def forget(self, name: str, up_to: StreamPosition) -> None:
        """Let go of blocks up to and including a position: they are sealed elsewhere."""
        ...
