"""The closed grammar of row expressions: parsed, typed, and never executed as Python.

Column names, literals, `+ - * /`, comparisons (also chained, and `in` with literals), `and`, `or`,
`not`, `x is None`, `x is not None`. Times and dates compare with each other and with ISO texts;
as numbers they are microseconds and days since 1970.
"""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ColumnType = Literal["str", "int", "float", "bool", "datetime", "date"]
COLUMN_TYPES: tuple[ColumnType, ...] = get_args(ColumnType)
Constant = str | int | float | bool

ArithmeticOperator = Literal["+", "-", "*", "/"]
CompareOperator = Literal["==", "!=", "<", "<=", ">", ">="]

_ARITHMETIC: Mapping[type[ast.operator], ArithmeticOperator] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/",
}  # fmt: skip
_COMPARE: Mapping[type[ast.cmpop], CompareOperator] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_NUMBERS = ("int", "float")
_FIX = (
    "use column names, literals, + - * /, comparisons, in (...), and, or, not, `x is None`"
)  # fmt: skip


class Column(msgspec.Struct, frozen=True):
    """The value of a column."""

    name: str
    type: ColumnType


class Known(msgspec.Struct, frozen=True):
    """A literal, already in the units of its type (microseconds, days)."""

    value: Constant
    type: ColumnType


class Arithmetic(msgspec.Struct, frozen=True):
    """Two numbers joined; division gives a float, integers wrap at 64 bits."""

    op: ArithmeticOperator
    left: Node
    right: Node
    type: ColumnType


class Compare(msgspec.Struct, frozen=True):
    """A comparison; missing where a side is missing, false where a side is NaN."""

    op: CompareOperator
    left: Node
    right: Node
    operand: ColumnType
    """What both sides are brought to before they are compared."""
    type: ColumnType = "bool"


class Logic(msgspec.Struct, frozen=True):
    """`and` or `or` of three-valued logic (Kleene)."""

    op: Literal["and", "or"]
    parts: tuple[Node, ...]
    type: ColumnType = "bool"


class Negation(msgspec.Struct, frozen=True):
    """`not`; missing stays missing."""

    part: Node
    type: ColumnType = "bool"


class Missing(msgspec.Struct, frozen=True):
    """Whether a column has no value; never missing itself."""

    column: Column
    type: ColumnType = "bool"


Node = Column | Known | Arithmetic | Compare | Logic | Negation | Missing


def parse_expression(text: str, types: Mapping[str, ColumnType]) -> Node:
    """Return a row expression, typed by its columns; the whole is a truth value.

    Raises:
        InvalidInputError: it leaves the grammar, names an unknown column, or mixes types.

    >>> parse_expression("not late", {"late": "bool"})
    Negation(part=Column(name='late', type='bool'), type='bool')
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"rule {text!r} cannot be read: {error}", fix=_FIX) from None
    node = _Reader(text, types).node(tree)
    if node.type != "bool":
        raise InvalidInputError(
            f"rule {text!r} is a {node.type}, not a truth value", fix="compare it with something"
        )
    return node


def column_names(node: Node) -> tuple[str, ...]:
    """Return the columns that an expression names, each once, in order."""
    return tuple(dict.fromkeys(_names(node)))


def _names(node: Node) -> list[str]:
    match node:
        case Column(name=name):
            return [name]
        case Missing(column=column):
            return [column.name]
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right):
            return [*_names(left), *_names(right)]
        case Logic(parts=parts):
            return [name for part in parts for name in _names(part)]
        case Negation(part=part):
            return _names(part)
        case _:
            return []


def constant(value: object, type_: ColumnType) -> Constant:
    """Return a literal in the units of a column's type: times in microseconds, dates in days.

    Raises:
        InvalidInputError: the literal is not of this type, or is not finite.
    """
    made = _converted(value, type_)
    if made is None or made in (float("inf"), float("-inf")) or made != made:  # noqa: PLR0124 - NaN
        raise InvalidInputError(f"{value!r} is no {type_}", fix=f"write a literal {type_}")
    return made


def _converted(  # noqa: PLR0911 - one a type
    value: object, type_: ColumnType
) -> Constant | None:
    if type_ == "float" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type_ == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value if -(2**63) <= value < 2**63 else None
    if type_ == "bool" and isinstance(value, bool):
        return value
    if type_ == "str" and isinstance(value, str):
        return value
    if type_ in ("datetime", "date"):
        time = _time(value)
        if time is None:
            return None
        whole = microseconds(time)
        return whole if type_ == "datetime" else whole // 86_400_000_000
    return None


def _time(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return None


class _Reader:
    """Turns Python's syntax tree into nodes."""

    def __init__(self, text: str, types: Mapping[str, ColumnType]) -> None:
        self._text, self._types = text, types
        self._readers: Mapping[type[ast.expr], Callable[..., Node]] = {
            ast.Name: self._column, ast.Constant: self._known, ast.BinOp: self._arithmetic,
            ast.UnaryOp: self._unary, ast.BoolOp: self._logic, ast.Compare: self._comparison,
        }  # fmt: skip

    def node(self, tree: ast.expr) -> Node:
        reader = self._readers.get(type(tree))
        if reader is None:
            raise self._refused(tree, "is not part of the grammar")
        return reader(tree)

    def _column(self, tree: ast.Name) -> Column:
        if tree.id not in self._types:
            raise InvalidInputError(
                f"rule {self._text!r} names {tree.id!r}, which is no column of the contract",
                fix=f"columns: {', '.join(self._types)}",
            )
        return Column(tree.id, self._types[tree.id])

    def _known(self, tree: ast.Constant) -> Known:
        value = tree.value
        for type_ in ("bool", "int", "float", "str"):
            if type(value).__name__ == type_:
                return Known(constant(value, type_), type_)
        raise self._refused(tree, "is not part of the grammar")

    def _arithmetic(self, tree: ast.BinOp) -> Node:
        op = _ARITHMETIC.get(type(tree.op))
        left, right = self.node(tree.left), self.node(tree.right)
        if op is None:
            raise self._refused(tree, "uses an operator that is not part of the grammar")
        if op == "-" and left.type == right.type and left.type in ("datetime", "date"):
            return Arithmetic(op, left, right, "int")
        if left.type not in _NUMBERS or right.type not in _NUMBERS:
            raise self._refused(tree, f"joins {left.type} and {right.type}")
        is_whole = op != "/" and left.type == right.type == "int"
        return Arithmetic(op, left, right, "int" if is_whole else "float")

    def _unary(self, tree: ast.UnaryOp) -> Node:
        part = self.node(tree.operand)
        if isinstance(tree.op, ast.Not) and part.type == "bool":
            return Negation(part)
        if isinstance(tree.op, ast.USub) and part.type in _NUMBERS:
            if isinstance(part, Known):
                return Known(-part.value, part.type)  # type: ignore[operator]  # a number
            return Arithmetic("-", Known(constant(0, part.type), part.type), part, part.type)
        raise self._refused(tree, f"does not fit a {part.type}")

    def _logic(self, tree: ast.BoolOp) -> Node:
        parts = tuple(self.node(value) for value in tree.values)
        for part, value in zip(parts, tree.values, strict=True):
            if part.type != "bool":
                raise self._refused(value, f"is a {part.type}, not a truth value")
        return Logic("and" if isinstance(tree.op, ast.And) else "or", parts)

    def _comparison(self, tree: ast.Compare) -> Node:
        sides = [tree.left, *tree.comparators]
        parts = [
            self._pair(op, left, right, tree)
            for op, left, right in zip(tree.ops, sides, sides[1:], strict=False)
        ]
        return parts[0] if len(parts) == 1 else Logic("and", tuple(parts))

    def _pair(self, op: ast.cmpop, left: ast.expr, right: ast.expr, whole: ast.expr) -> Node:
        if isinstance(op, ast.Is | ast.IsNot):
            column = self.node(left)
            is_none = isinstance(right, ast.Constant) and right.value is None
            if not is_none or not isinstance(column, Column):
                raise self._refused(whole, "may only be COLUMN is None")
            return Missing(column) if isinstance(op, ast.Is) else Negation(Missing(column))
        if isinstance(op, ast.In | ast.NotIn):
            return self._among(self.node(left), right, is_in=isinstance(op, ast.In))
        return self._compared(_COMPARE[type(op)], self.node(left), self.node(right), whole)

    def _among(self, left: Node, right: ast.expr, *, is_in: bool) -> Node:
        if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
            raise self._refused(right, "must be a list of literals")
        parts = tuple(
            self._compared("==", left, self.node(item), right) for item in right.elts
        )  # fmt: skip
        found = parts[0] if len(parts) == 1 else Logic("or", parts)
        return found if is_in else Negation(found)

    def _compared(self, op: CompareOperator, left: Node, right: Node, whole: ast.expr) -> Node:
        left, right = _timed(left, right), _timed(right, left)
        if left.type == right.type:
            if left.type == "bool" and op not in ("==", "!="):
                raise self._refused(whole, "orders truth values")
            return Compare(op, left, right, left.type)
        if left.type in _NUMBERS and right.type in _NUMBERS:
            return Compare(op, left, right, "float")
        raise self._refused(whole, f"compares {left.type} and {right.type}")

    def _refused(self, tree: ast.expr, why: str) -> InvalidInputError:
        return InvalidInputError(
            f"rule {self._text!r}: {ast.unparse(tree)!r} {why}", fix=_FIX
        )  # fmt: skip


def _timed(side: Node, other: Node) -> Node:
    """Return a text literal that is compared with a time or date as one."""
    if isinstance(side, Known) and side.type == "str" and other.type in ("datetime", "date"):
        return Known(constant(side.value, other.type), other.type)
    return side
