"""Plain immutable values of Python: spelled the same wherever they come from.

Plain are bool, int, float, complex, str, bytes, None, and tuples and frozensets of these.
"""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST_BITS = 4096
_LARGEST_TEXT = 1 << 16
_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.BitOr: operator.or_, ast.BitAnd: operator.and_, ast.BitXor: operator.xor,
}  # fmt: skip
_SIGNS: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert,
    ast.Not: operator.not_,
}  # fmt: skip


class NotPlainError(ValueError):
    """A value, or what an expression gives, is not plain."""


def spelled(value: object) -> str:
    """Return a plain value as text that tells 1, 1.0 and True apart.

    Raises:
        NotPlainError: it is something else.

    >>> spelled((1, -0.0, "a", frozenset({2, 1})))
    "(int:1,float:-0.0,str:'a',{int:1,int:2})"
    """
    kind = type(value)
    if value is None or kind in {bool, float, complex, str, bytes}:
        return f"{kind.__name__}:{value!r}"
    if isinstance(value, int) and kind is int:
        return f"int:{value}" if value.bit_length() < _LARGEST_BITS else f"int:{value:#x}"
    if isinstance(value, tuple) and kind is tuple:
        return f"({','.join(spelled(item) for item in value)})"
    if isinstance(value, frozenset) and kind is frozenset:
        return f"{{{','.join(sorted(spelled(item) for item in value))}}}"
    raise NotPlainError(kind.__name__)


def literal(node: ast.expr) -> str | None:
    """Return the spelled value of an expression of literals; None: it is more than that.

    >>> literal(ast.parse("1 + 1", mode="eval").body)
    'int:2'
    """
    try:
        return spelled(_value(node))
    except (NotPlainError, ArithmeticError, TypeError, ValueError, MemoryError):
        return None


def _value(node: ast.expr) -> Any:  # noqa: ANN401 - any plain value
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    if isinstance(node, ast.UnaryOp):
        return _SIGNS[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        one, other = _value(node.left), _value(node.right)
        for part in (one, other):
            is_long = isinstance(part, str | bytes | tuple) and len(part) > _LARGEST_TEXT
            if is_long or (isinstance(part, int) and part.bit_length() > _LARGEST_BITS):
                raise NotPlainError("too large")
        if isinstance(node.op, ast.Mult) and not (_is_number(one) and _is_number(other)):
            raise NotPlainError("repeated")
        return _OPERATORS[type(node.op)](one, other)
    raise NotPlainError(type(node).__name__)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | complex)
