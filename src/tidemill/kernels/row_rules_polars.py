"""Row rules over tables: one Polars expression a rule, true where the row fails."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import polars as pl

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
from tidemill.kernels.row_rules import node_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.kernels.row_rules import RowRule

DTYPES: Mapping[ColumnType, pl.DataType] = {
    "str": pl.String(), "int": pl.Int64(), "float": pl.Float64(), "bool": pl.Boolean(),
    "datetime": pl.Datetime("us", "UTC"), "date": pl.Date(),
}  # fmt: skip
"""How each type of a contract is stored."""

_PLAIN: Mapping[ColumnType, pl.DataType] = {
    **DTYPES, "datetime": pl.Int64(), "date": pl.Int64(),
}  # fmt: skip


def failed_polars(rule: RowRule) -> pl.Expr:
    """Return which rows fail a rule: a boolean column without nulls, called as the rule.

    The columns must have the types of `DTYPES`.
    """
    if rule.kind == "not_null":
        return pl.col(rule.column).is_null().alias(rule.name)
    if rule.kind == "expression":
        holds = _expression(node_of(rule))
    else:
        holds = _simple(rule, _column(rule.column, rule.type))
    failed = (~holds).fill_null(value=False)
    for name, type_ in rule.columns:
        if type_ == "float":
            failed |= pl.col(name).is_nan().fill_null(value=False)
    return failed.alias(rule.name)


def _simple(rule: RowRule, column: pl.Expr) -> pl.Expr:
    """Return where a rule of one column holds, null where there is no value."""
    dtype = _PLAIN[rule.type]
    if rule.kind == "one_of":
        return column.is_in(pl.Series(list(rule.values), dtype=dtype).implode())
    if rule.kind == "pattern":
        return column.str.contains(f"^(?:{rule.text})$")
    if rule.kind == "not_nan":
        return column.is_not_nan()
    bounds = []
    if rule.low is not None:
        bounds.append(column >= pl.lit(rule.low, dtype=dtype))
    if rule.high is not None:
        bounds.append(column <= pl.lit(rule.high, dtype=dtype))
    return functools.reduce(lambda left, right: left & right, bounds)


def _column(name: str, type_: ColumnType) -> pl.Expr:
    """Return a column as plain numbers, text or truth values."""
    column = pl.col(name)
    if type_ == "datetime":
        return column.dt.epoch("us")
    if type_ == "date":
        return column.cast(pl.Int32).cast(pl.Int64)
    return column


def _expression(node: Node) -> pl.Expr:  # noqa: PLR0911 - one a kind of node
    match node:
        case Column(name=name, type=type_):
            return _column(name, type_)
        case Known(value=value, type=type_):
            return pl.lit(value, dtype=_PLAIN[type_])
        case Missing(column=column):
            return pl.col(column.name).is_null()
        case Negation(part=part):
            return ~_expression(part)
        case Logic(op=op, parts=parts):
            made = [_expression(part) for part in parts]
            if op == "and":
                return functools.reduce(lambda left, right: left & right, made)
            return functools.reduce(lambda left, right: left | right, made)
        case Arithmetic():
            return _arithmetic(node)
        case Compare():
            return _compare(node)


def _arithmetic(node: Arithmetic) -> pl.Expr:
    dtype = pl.Float64() if node.type == "float" else pl.Int64()
    left, right = _expression(node.left).cast(dtype), _expression(node.right).cast(dtype)
    if node.op == "+":
        return left + right
    if node.op == "-":
        return left - right
    return left * right if node.op == "*" else left / right


def _compare(node: Compare) -> pl.Expr:
    dtype = _PLAIN[node.operand]
    left, right = _expression(node.left).cast(dtype), _expression(node.right).cast(dtype)
    made = {
        "==": left == right, "!=": left != right, "<": left < right,
        "<=": left <= right, ">": left > right, ">=": left >= right,
    }[node.op]  # fmt: skip
    if node.operand != "float":
        return made
    # false where a side is NaN, but missing where the other is: null & false would be false
    return (
        made & (left.is_not_nan() | right.is_null()) & (right.is_not_nan() | left.is_null())
    )  # fmt: skip
