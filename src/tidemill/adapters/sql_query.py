"""The SQL of a `Query`: conditions, order, and the keyset of the next page."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tidemill.adapters.sql_dialect import first_line
from tidemill.adapters.sql_fields import SHAPES, Column, Shape
from tidemill.core.errors import CorruptError, InvalidInputError
from tidemill.core.query import Order, Query, Where, sort_keys
from tidemill.core.times import microseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.adapters.sql_dialect import Dialect, Session

T = TypeVar("T")

_LEAST_WHOLE = str(1 - 2**63)
"""Stands for a missing number or time in an order; one less is no BIGINT literal everywhere."""


def find(session: Session, dialect: Dialect, query: Query[T]) -> list[T]:
    """Run a query and return its results.

    Raises:
        InvalidInputError: a type, field, operator or value that the ledger does not know.
        CorruptError: a row holds what we never write.
    """
    shape = shape_of(query.result)
    sql, parameters = compiled(shape, dialect, query)
    build = shape.build
    refusals: tuple[type[Exception], ...] = (ValueError, OverflowError, *dialect.refusals)
    try:
        rows = session.execute(sql, parameters).fetchall()
    except refusals as error:
        raise InvalidInputError(
            f"the record cannot be asked for that value: {first_line(error)}",
            fix="use UTF-8 text, 64-bit whole numbers and times with a zone",
        ) from error
    try:
        return [build(row) for row in rows]
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise CorruptError(
            f"a {query.result.__name__} in the record cannot be read: {error}",
            fix="somebody changed the database by hand: restore it from a copy",
        ) from error


def shape_of(result: type) -> Shape:
    """Return how a result type lies in the tables."""
    shape = SHAPES.get(result)
    if shape is None:
        raise InvalidInputError(
            f"the ledger cannot be asked for {result.__name__}",
            fix="ask for one of: " + ", ".join(known.__name__ for known in SHAPES),
        )
    return shape


def compiled(shape: Shape, dialect: Dialect, query: Query[T]) -> tuple[str, tuple[Any, ...]]:
    """Return the statement of a query and its parameters."""
    if query.limit < 0:
        raise InvalidInputError(f"a limit of {query.limit} rows", fix="give a limit of 0 or more")
    compiler = _Compiler(shape, dialect, query.result.__name__)
    clauses = [compiler.condition(where) for where in query.where]
    keys = sort_keys(query)
    if query.after is not None:
        clauses.append(compiler.beyond(keys, query.after))
    order = ", ".join(compiler.sort_key(key) for key in keys)
    where = " WHERE " + " AND ".join(clauses) if clauses else ""
    sql = f"SELECT {shape.select} FROM {shape.tables}{where} ORDER BY {order} LIMIT ?"  # noqa: S608 - only names of ours; every value is bound
    return sql, (*compiler.parameters, query.limit)


class _Compiler:
    """Collects parameters in the order in which the statement meets them."""

    def __init__(self, shape: Shape, dialect: Dialect, name: str) -> None:
        self._shape, self._dialect, self._name = shape, dialect, name
        self.parameters: list[Any] = []

    def condition(self, where: Where) -> str:
        column, item = self._column(where.field)
        if where.value is None:
            return self._null(column, item, where)
        if where.op in {"prefix", "suffix", "contains"}:
            return self._text(column, item, where)
        sql = self._use(column, item)
        if where.op == "in":
            return self._among(sql, column, self._many(column, where))
        bound = self._literal(column, self._bound(column, where.field, where.value))
        if where.op == "!=":
            if not column.is_nullable:
                return f"{sql} <> {bound}"
            again = self._use(column, item)
            return f"({sql} <> {bound} OR {again} IS NULL)"
        if where.op not in {"=", "<", "<=", ">", ">="}:
            raise InvalidInputError(
                f"{where.op!r} is not an operator",
                fix="use one of: = != < <= > >= in prefix suffix contains",
            )
        # NaN is above every number in the tables, as PostgreSQL has it, but greater than none.
        guard = f" AND {sql} <> 'NaN'" if column.kind == "real" and where.op[0] == ">" else ""
        return f"{sql} {where.op} {bound}{guard}"

    def sort_key(self, order: Order) -> str:
        column, item = self._column(order.field)
        return self._ordered(column, item) + (" DESC" if order.descending else "")

    def beyond(self, keys: Sequence[Order], after: Sequence[Any]) -> str:
        """Return the condition of all rows behind the row with these sort values."""
        if len(keys) != len(after):
            raise InvalidInputError(
                f"`after` has {len(after)} values; this order has {len(keys)} keys",
                fix="take it from core.query.page_end(query, last_row)",
            )
        if len({key.descending for key in keys}) == 1:
            sign = "<" if keys[0].descending else ">"
            left = ", ".join(self._ordered(*self._column(key.field)) for key in keys)
            right = ", ".join(
                self._after(key, value) for key, value in zip(keys, after, strict=True)
            )
            return f"({left}) {sign} ({right})"
        steps = []
        for index, key in enumerate(keys):
            same = [
                f"{self._ordered(*self._column(k.field))} = {self._after(k, v)}"
                for k, v in zip(keys[:index], after[:index], strict=True)
            ]
            sign = "<" if key.descending else ">"
            column = self._ordered(*self._column(key.field))
            steps.append(" AND ".join([*same, f"{column} {sign} {self._after(key, after[index])}"]))
        return "(" + " OR ".join(steps) + ")"

    def _column(self, field: str) -> tuple[Column, str | None]:
        """Return a field's column, and the path where it is a mapping's item."""
        column = self._shape.fields.get(field)
        if column is not None:
            return column, None
        head, dot, item = field.partition(".")
        mapping = self._shape.mappings.get(head)
        if mapping is None or not dot:
            known = [*self._shape.fields, *(f"{name}.NAME" for name in self._shape.mappings)]
            raise InvalidInputError(
                f"{self._name} has no field {field!r}", fix="use one of: " + ", ".join(known)
            )
        return Column(mapping, "item", is_nullable=True), self._dialect.path(item)

    def _use(self, column: Column, item: str | None) -> str:
        """Return the expression of a field; an item's path becomes a parameter here."""
        if item is None:
            return column.sql
        self.parameters.append(item)
        return self._dialect.item.format(column.sql)

    def _use_text(self, column: Column, item: str | None) -> str:
        if item is None:
            return column.sql
        self.parameters.append(item)
        return self._dialect.item_text.format(column.sql)

    def _ordered(self, column: Column, item: str | None) -> str:
        sql = self._use(column, item)
        if not column.is_nullable:
            return sql
        return f"coalesce({sql}, {self._least(column)})"

    def _least(self, column: Column) -> str:
        """Return what stands for a missing value in an order, before all others."""
        least = {"text": "''", "item": self._dialect.item_least}
        return least.get(column.kind, _LEAST_WHOLE)

    def _after(self, key: Order, value: Any) -> str:  # noqa: ANN401 - any value of a query
        column, _ = self._column(key.field)
        if value is None:
            return self._least(column)
        return self._parameter(column, self._bound(column, key.field, value))

    def _null(self, column: Column, item: str | None, where: Where) -> str:
        if where.op not in {"=", "!="}:
            raise InvalidInputError(
                f"{where.field} {where.op} nothing means nothing", fix="compare with = or !="
            )
        return self._use(column, item) + (" IS NULL" if where.op == "=" else " IS NOT NULL")

    def _text(self, column: Column, item: str | None, where: Where) -> str:
        if column.kind not in {"text", "item"} or not isinstance(where.value, str):
            raise InvalidInputError(
                f"{where.op} compares text; {where.field} {where.op} {where.value!r} does not",
                fix="use = != < <= > >= or in",
            )
        if not where.value:  # every text begins with, ends with and holds the empty one
            return self._prefix(column, item, "")
        if where.op == "suffix":
            sql = self._dialect.suffix.format(self._use_text(column, item), len(where.value))
        elif where.op == "contains":
            sql = self._dialect.contains.format(self._use_text(column, item))
        else:
            return self._prefix(column, item, where.value)
        self.parameters.append(where.value)
        return sql

    def _prefix(self, column: Column, item: str | None, prefix: str) -> str:
        sql = f"{self._use(column, item)} >= {self._parameter(column, prefix)}"
        high = successor(prefix)
        if high is None:
            return sql
        return sql + f" AND {self._use(column, item)} < {self._parameter(column, high)}"

    def _among(self, sql: str, column: Column, values: list[Any]) -> str:
        if column.kind == "item":
            self.parameters.append(msgspec.json.encode(values).decode())
            return self._dialect.item_among.format(sql)
        self.parameters.append(self._dialect.many(values))
        return self._dialect.among.format(sql)

    def _many(self, column: Column, where: Where) -> list[Any]:
        if isinstance(where.value, str) or not isinstance(where.value, list | tuple | set):
            raise InvalidInputError(
                f"{where.field} in {where.value!r}", fix="give `in` a list of values"
            )
        return [self._bound(column, where.field, value) for value in where.value]

    def _literal(self, column: Column, value: Any) -> str:  # noqa: ANN401 - any bound value
        if column.choices:
            return f"'{value}'"
        return self._parameter(column, value)

    def _parameter(self, column: Column, value: Any) -> str:  # noqa: ANN401 - any bound value
        """Bind a value; return what stands for it in the statement."""
        if column.kind != "item":
            self.parameters.append(value)
            return "?"
        self.parameters.append(self._dialect.given_item(value))
        return self._dialect.item_value

    def _bound(self, column: Column, field: str, value: Any) -> Any:  # noqa: ANN401 - any value
        """Return a value as the tables hold it, if it suits the field."""
        match column.kind, value:
            case "time", datetime() if value.tzinfo:
                bound: Any = microseconds(value)
            case "real", int() | float():
                bound = self._dialect.real(float(value))
            case ("flag", bool()) | ("whole", int()):
                bound = int(value)
            case "item", str() | int() | float():
                bound = value
            case "text", str() if not column.choices or value in column.choices:
                bound = value
            case _:
                raise self._wrong(column, field, value)
        return bound

    def _wrong(self, column: Column, field: str, value: object) -> InvalidInputError:
        wanted = ", ".join(column.choices) or _WANTED[column.kind]
        return InvalidInputError(
            f"{self._name}.{field} cannot be compared with {value!r}", fix=f"give it {wanted}"
        )


_WANTED = {
    "time": "a time with a zone",
    "flag": "True or False",
    "real": "a number",
    "whole": "a whole number",
    "text": "a text",
    "bytes": "only None",
    "item": "a text, a number, True or False",
}


def successor(prefix: str) -> str | None:
    """Return the least text above all that begin with `prefix`; None: there is none.

    >>> successor("memo/a")
    'memo/b'
    """
    for end in range(len(prefix), 0, -1):
        point = ord(prefix[end - 1]) + 1
        if point <= 0x10FFFF:
            following = 0xE000 if 0xD800 <= point <= 0xDFFF else point
            return prefix[: end - 1] + chr(following)
    return None
