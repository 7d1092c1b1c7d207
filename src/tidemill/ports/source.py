"""The source port: what a version is read from. Yields batches, never needs all rows in memory."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl


class TableSource(Protocol):
    """Rows to be read once, in order, in batches of any size."""

    @property
    def name(self) -> str:
        """What people call it: a file's name, `a frame`."""
        ...

    def batches(self) -> "Iterator[pl.DataFrame]":
        """Yield the rows.

        Raises:
            InvalidInputError: it cannot be read; names file, line or column.
        """
        ...


class SourceOpener(Protocol):
    """Turns what a caller named into a source."""

    def open(
        self, given: object, *, schema: "Mapping[str, pl.DataType] | None" = None
    ) -> TableSource:
        """Return a source of a path (CSV, Parquet, JSON lines, Arrow), folder or frame.

        `schema` declares the types of some or all columns; the others are inferred.

        Raises:
            InvalidInputError: nothing can read it; lists what can be read.
            NotFoundError: there is no such file.
        """
        ...
