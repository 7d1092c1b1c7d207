"""The source port: what a version is read from. Yields batches, never needs all rows in memory."""

from typing import TYPE_CHECKING, Protocol

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import polars as pl

    Unread = Callable[[pl.DataFrame], None]
    """Is told of rows that cannot be read as they are declared, before the batch that they are in.

    `row` is the number in the source, from 1; `rule` says `COLUMN.type` (the cell is null in the
    batch) or `fields` (too few or too many: nothing of the row counts); `text` stands there.
    """


class UnreadRowsError(InvalidInputError):
    """Some rows cannot be read as declared; opened with `unread`, the others can."""


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
            UnreadRowsError: so too, but with `unread` it can be; batches before may lack rows.
        """
        ...


class SourceOpener(Protocol):
    """Turns what a caller named into a source."""

    def open(
        self,
        given: object,
        *,
        schema: "Mapping[str, pl.DataType] | None" = None,
        unread: "Unread | None" = None,
    ) -> TableSource:
        """Return a source of a path (CSV, Parquet, JSON lines, Arrow), folder or frame.

        `schema` declares the types of some or all columns; the others are inferred. With `unread`
        a row that cannot be read as declared is told and stays in its batch; without it, it is an
        error.

        Raises:
            InvalidInputError: nothing can read it; lists what can be read.
            NotFoundError: there is no such file.
        """
        ...
