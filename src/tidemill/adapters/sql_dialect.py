"""What SQL databases spell differently, in one value; everything else is plain SQL with `?`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    """Types of the schema, and expressions with one `?` each; `{}` is the column.

    An *item* is a value of a mapping (a JSON object in a column): a number, true or false (1 or 0),
    or a text, in this order; nothing comes before them.
    """

    serial: str
    """A primary key that numbers itself."""
    number: str
    """A primary key that the writer gives."""
    text: str
    """Text that sorts by code point."""
    json: str
    """Text that is JSON."""
    bytes: str
    clustered: str
    """Ends a table that is stored in the order of its primary key."""
    is_array: bool
    """Whether many values are bound as the driver's array; else as the text of a JSON array."""
    among: str
    """`{}` is one of many values."""
    item: str
    """The item of a mapping whose name `path` binds."""
    item_path: str
    """How `path` spells the name `{}`."""
    item_text: str
    """The same as text, for its end and what it holds."""
    item_value: str
    """An item that is given; bound as JSON text where this is more than a `?`."""
    item_among: str
    """`{}`, an item, is one of a JSON array."""
    item_least: str
    """Stands for a missing item in an order."""
    nan: float | str
    """How not-a-number is bound; it is above all numbers."""
    refusals: tuple[type[Exception], ...]
    """What the driver raises for a value that no table takes; the transaction goes on."""
    suffix: str
    """`{}` ends with a text of `{}` characters."""
    contains: str
    before: str = ""
    """Statements that the first migration needs."""
    take_head: str = ""
    """Waits until no other transaction is about to append a block."""

    def ddl(self, sql: str) -> list[str]:
        """Return the statements of a migration in this dialect."""
        spelled = sql.format(
            serial=self.serial, number=self.number, text=self.text, json=self.json,
            bytes=self.bytes, clustered=self.clustered,
        )  # fmt: skip
        return statements(spelled)

    def many(self, values: Iterable[Any]) -> object:
        """Return many values as `among` binds them."""
        if self.is_array:
            return list(values)
        return msgspec.json.encode([_INFINITE.get(value, value) for value in values]).decode()

    def given_item(self, value: object) -> object:
        """Return an item as `item_value` binds it."""
        return value if self.item_value == "?" else msgspec.json.encode(value).decode()

    def path(self, name: str) -> str:
        """Return the parameter of `item` that names a key.

        Raises:
            InvalidInputError: the name cannot be asked for.
        """
        if not name or '"' in name or "\\" in name:
            raise InvalidInputError(
                f"{name!r} cannot be asked for", fix="use names without quotes and backslashes"
            )
        return self.item_path.format(name)

    def real(self, value: float) -> float | str:
        """Return a float as it is bound."""
        return self.nan if math.isnan(value) else value


_INFINITE = {math.inf: msgspec.Raw(b"9e999"), -math.inf: msgspec.Raw(b"-9e999")}
"""JSON has no infinity, but numbers that are read as one."""


def first_line(error: Exception) -> str:
    """Return what an error of a driver says, without the rows that some repeat below it."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def statements(sql: str) -> list[str]:
    """Return the statements of a text; none of ours holds a semicolon."""
    return [statement for statement in map(str.strip, sql.split(";")) if statement]
