"""What SQL databases spell differently, in one value; everything else is plain SQL with `?`."""

from __future__ import annotations

import math
from typing import Any, Protocol

import msgspec

from tidemill.core.errors import InvalidInputError


class Cursor(Protocol):
    """What a statement leaves."""

    @property
    def rowcount(self) -> int:
        """Rows changed."""
        ...

    def fetchone(self) -> Any:  # noqa: ANN401 - a row of any types
        """Return the next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows left."""
        ...


class Session(Protocol):
    """A connection inside a transaction; `sqlite3.Connection` is one as it is."""

    def execute(self, sql: str, parameters: tuple[Any, ...] = ..., /) -> Cursor:
        """Run one statement."""
        ...

    def executemany(self, sql: str, parameters: list[tuple[Any, ...]], /) -> Cursor:
        """Run one statement for many rows."""
        ...


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """Types of the schema, and expressions with one `?` each; `{}` is the column."""

    serial: str
    """A primary key that numbers itself."""
    number: str
    """A primary key that the writer gives."""
    text: str
    """Text that sorts by code point."""
    bytes: str
    clustered: str
    """Ends a table that is stored in the order of its primary key."""
    among: str
    """`{}` is one of the items of a JSON array."""
    item: str
    """The scalar of a JSON object at `path`."""
    refusals: tuple[type[Exception], ...]
    """What the driver raises for a value that no table takes; the transaction goes on."""
    suffix: str
    """`{}` ends with a text of `{}` characters."""
    contains: str

    def ddl(self, sql: str) -> list[str]:
        """Return the statements of a migration in this dialect."""
        spelled = sql.format(
            serial=self.serial, number=self.number, text=self.text, bytes=self.bytes,
            clustered=self.clustered,
        )  # fmt: skip
        return [statement for statement in map(str.strip, spelled.split(";")) if statement]

    def path(self, name: str) -> str:
        """Return the parameter of `item` that names a key.

        Raises:
            InvalidInputError: the name cannot be asked for.
        """
        if not name or '"' in name or "\\" in name:
            raise InvalidInputError(
                f"{name!r} cannot be asked for", fix="use names without quotes and backslashes"
            )
        return f'$."{name}"'

    def real(self, value: float) -> float | str:
        """Return a float as it is bound: SQLite would make NaN a NULL, as text it stays itself."""
        return "NaN" if math.isnan(value) else value
