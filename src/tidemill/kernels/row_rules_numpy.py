"""Row rules over arrays: for a model server, which has NumPy and no table engine."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.kernels.row_expression import (
    Arithmetic,
    Column,
    ColumnType,
    Compare,
    Known,
    Logic,
    Missing,
    Negation,
    Node,
)
from tidemill.kernels.row_rules import RowRule, node_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Bits = NDArray[np.bool_]
    Part = tuple[NDArray[Any], Bits]

_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less,
    "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide,
}  # fmt: skip


def failed_numpy(
    rule: RowRule, columns: Mapping[str, NDArray[Any]], valid: Mapping[str, Bits]
) -> Bits:
    """Return which rows fail a rule, shape (rows,); as `failed_polars` of the same rows.

    Args:
        rule: the rule; its expression and pattern are parsed once a process.
        columns: values by column: numbers, booleans, objects of text; times as microseconds.
        valid: where a column has a value; what stands elsewhere is ignored.
    """
    if rule.kind == "not_null":
        missing: Bits = ~valid[rule.column]
        return missing
    rows = _Rows(columns, valid)
    with np.errstate(all="ignore"):
        if rule.kind == "expression":
            holds, known = rows.expression(_parsed(rule))
        else:
            values, known = rows.column(rule.column, rule.type)
            holds = _simple(rule, values)
    failed: Bits = known & ~holds
    for name, _ in rule.columns:
        values = columns[name]
        if values.dtype.kind == "f":
            failed |= valid[name] & np.isnan(values)
    return failed


@lru_cache(maxsize=1024)
def _parsed(rule: RowRule) -> Node:
    return node_of(rule)


@lru_cache(maxsize=1024)
def _matcher(text: str) -> Callable[[str], object]:
    return re.compile(text).fullmatch


def _simple(rule: RowRule, values: NDArray[Any]) -> Bits:
    """Return where a rule of one column holds."""
    if rule.kind == "one_of":
        if rule.type == "str":
            known = frozenset(rule.values)
            return _each(values, lambda value: value in known)
        return np.isin(values, np.array(rule.values))
    if rule.kind == "pattern":
        matches = _matcher(rule.text)
        return _each(values, lambda value: matches(value) is not None)
    holds = np.ones(len(values), dtype=np.bool_)
    if rule.low is not None:
        holds &= values >= rule.low
    if rule.high is not None:
        holds &= values <= rule.high
    return holds


def _each(values: NDArray[Any], holds: Callable[[str], bool]) -> Bits:
    return np.fromiter(map(holds, values.tolist()), dtype=np.bool_, count=len(values))


class _Rows:
    """The rows of one batch: values, and where they are known (three-valued logic)."""

    def __init__(self, columns: Mapping[str, NDArray[Any]], valid: Mapping[str, Bits]) -> None:
        self._columns, self._valid = columns, valid
        self._count = len(next(iter(valid.values())))

    def column(self, name: str, type_: ColumnType) -> Part:
        """Return a column; text without a value is empty, so that it can be compared."""
        values, valid = self._columns[name], self._valid[name]
        if type_ == "str":
            return np.where(valid, values, "").astype(object), valid
        if type_ == "bool":
            return np.where(valid, values, False).astype(np.bool_), valid  # noqa: FBT003 - a value
        if values.dtype.kind == "f":
            return values.astype(np.float64, copy=False), valid
        return values.astype(np.float64 if type_ == "float" else np.int64, copy=False), valid

    def expression(self, node: Node) -> Part:  # noqa: PLR0911 - one a kind of node
        """Return an expression's value a row, and where it has one."""
        match node:
            case Column(name=name, type=type_):
                return self.column(name, type_)
            case Known(value=value, type=type_):
                dtype = object if type_ == "str" else None
                return np.full(self._count, value, dtype=dtype), self._all()
            case Missing(column=column):
                return ~self._valid[column.name], self._all()
            case Negation(part=part):
                values, known = self.expression(part)
                return ~values, known
            case Logic(op=op, parts=parts):
                return _logic(op, [self.expression(part) for part in parts])
            case Arithmetic(op=op, left=left, right=right, type=type_):
                return _joined(_ARITHMETIC[op], self._sides(left, right, type_))
            case Compare(left=left, right=right, operand=operand):
                return _compared(node, self._sides(left, right, operand))

    def _sides(self, left: Node, right: Node, type_: ColumnType) -> tuple[Part, Part]:
        sides = [self.expression(side) for side in (left, right)]
        if type_ == "float":
            sides = [(values.astype(np.float64), known) for values, known in sides]
        return sides[0], sides[1]

    def _all(self) -> Bits:
        return np.ones(self._count, dtype=np.bool_)


def _joined(function: Callable[[Any, Any], Any], sides: tuple[Part, Part]) -> Part:
    (left, left_known), (right, right_known) = sides
    return function(left, right), left_known & right_known


def _compared(node: Compare, sides: tuple[Part, Part]) -> Part:
    values, known = _joined(_COMPARE[node.op], sides)
    holds: Bits = values.astype(np.bool_)
    if node.op == "!=":  # IEEE says that NaN differs from everything; a rule says that it fails
        for side, _ in sides:
            if side.dtype.kind == "f":
                holds &= ~np.isnan(side)
    return holds, known


def _logic(op: str, parts: list[Part]) -> Part:
    """Kleene: a known false decides `and`, a known true decides `or`."""
    decides = op == "or"
    decided = np.logical_or.reduce([known & (values == decides) for values, known in parts])
    all_known = np.logical_and.reduce([known for _, known in parts])
    return (decided if decides else ~decided), decided | all_known
