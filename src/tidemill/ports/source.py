"""The source port: what a version is read from. Yields batches, never needs all rows in memory."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

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


class SqlQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that a query gives. `place` is a URL, a glob of files, or an open DB-API connection."""

    place: object
    sql: str


def query(connection: object, sql: str) -> SqlQuery:
    """Return the rows of a query as a source: `tm.add_data("sales", tm.query(connection, "…"))`.

    Args:
        connection: an open DB-API connection, or a URL: `duckdb:///FILE`, `sqlite:///FILE`, or a
            glob of files, which are the table `source` in the query.
        sql: the query; its rows are read in batches, in the order in which they come.
    """
    return SqlQuery(place=connection, sql=sql)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder that a caller named. `shape` says what it looks like: a table, or files."""

    path: Path
    shape: Literal["table", "files"]


class TableSource(Protocol):
    """Rows to be read once, in order, in batches of any size."""

    @property
    def name(self) -> str:
        """What people call it: a file's name, `a frame`."""
        ...

    @property
    def file(self) -> str:
        """The file of a folder that the newest batch came from; "" where it is no folder."""
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
        """Return a source of a path (CSV, Parquet, JSON, Arrow), folder, frame or query.

        `schema` declares the types of some or all columns; the others are inferred. With `unread`
        a row that cannot be read as declared is told and stays in its batch; without it, it is an
        error.

        Raises:
            InvalidInputError: nothing can read it; lists what can be read.
            NotFoundError: there is no such file.
        """
        ...

    def place(self, given: object) -> Place | None:
        """Return the file or folder that a caller named; None: a frame or a query.

        A folder is a table where all that it holds are files of rows by their names.

        Raises:
            NotFoundError: there is no such file or folder.
        """
        ...
