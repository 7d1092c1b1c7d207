"""Row rules: what one row of data must satisfy, as plain values that every evaluator reads alike.

Evaluators are `row_rules_polars` (tables) and `row_rules_numpy` (requests of a model server). A
missing value passes every rule but `not_null`; NaN fails every rule on a float column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import InvalidInputError
from tidemill.kernels.row_expression import (
    ColumnType,
    Constant,
    Node,
    column_names,
    constant,
    parse_expression,
)
from tidemill.kernels.row_pattern import portable_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RuleKind = Literal["not_null", "not_nan", "between", "one_of", "pattern", "expression"]


class RowRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule. `columns` are the names that it reads, with their types.

    `low` and `high` are included; `values` and bounds are in the units of the type (microseconds,
    days). `text` is the portable pattern, or the expression. `is_refusing`: a model server refuses
    a request with a row that fails.
    """

    name: str
    kind: RuleKind
    columns: tuple[tuple[str, ColumnType], ...]
    low: int | float | None = None
    high: int | float | None = None
    values: tuple[Constant, ...] = ()
    text: str = ""
    is_refusing: bool = False

    @property
    def column(self) -> str:
        """The first column that it reads."""
        return self.columns[0][0]

    @property
    def type(self) -> ColumnType:
        """The type of the first column."""
        return self.columns[0][1]


class RequestRules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that a model server holds each row of a request to; bit i of a row is rule i."""

    rules: tuple[RowRule, ...] = ()


def between(
    column: str, type_: ColumnType, low: object, high: object, *, is_refusing: bool = False
) -> RowRule:
    """Return the rule that a value lies in a range, bounds included; None: no bound.

    Raises:
        InvalidInputError: a bound is not of the type, the range is empty, or it has no bound.
    """
    if type_ in ("str", "bool"):
        raise InvalidInputError(f"{column!r} is a {type_} and has no range", fix="use one_of")
    lowest, highest = _bound(low, type_), _bound(high, type_)
    if lowest is None and highest is None:
        raise InvalidInputError(f"the range of {column!r} has no bound", fix="between=(0, 100)")
    if lowest is not None and highest is not None and lowest > highest:
        raise InvalidInputError(
            f"the range of {column!r} is empty: {low} is above {high}", fix="swap the bounds"
        )
    return RowRule(
        name=f"{column}.between", kind="between", columns=((column, type_),), low=lowest,
        high=highest, is_refusing=is_refusing,
    )  # fmt: skip


def one_of(
    column: str, type_: ColumnType, values: Sequence[object], *, is_refusing: bool = False
) -> RowRule:
    """Return the rule that a value is one of a closed set; raises as `between`."""
    if not values or isinstance(values, str):
        raise InvalidInputError(f"{column!r}: one_of needs values", fix='one_of=["a", "b"]')
    return RowRule(
        name=f"{column}.one_of", kind="one_of", columns=((column, type_),),
        values=tuple(constant(value, type_) for value in values), is_refusing=is_refusing,
    )  # fmt: skip


def pattern(column: str, type_: ColumnType, text: str, *, is_refusing: bool = False) -> RowRule:
    """Return the rule that a text matches a pattern as a whole; raises as `portable_pattern`."""
    if type_ != "str":
        raise InvalidInputError(f"{column!r} is a {type_}, a pattern needs text", fix="use between")
    return RowRule(
        name=f"{column}.pattern", kind="pattern", columns=((column, type_),),
        text=portable_pattern(text), is_refusing=is_refusing,
    )  # fmt: skip


def not_null(column: str, type_: ColumnType, *, is_refusing: bool = False) -> RowRule:
    """Return the rule that there is a value."""
    return RowRule(
        name=f"{column}.not_null", kind="not_null", columns=((column, type_),),
        is_refusing=is_refusing,
    )  # fmt: skip


def not_nan(column: str, *, is_refusing: bool = False) -> RowRule:
    """Return the rule that a float is a number."""
    return RowRule(
        name=f"{column}.not_nan", kind="not_nan", columns=((column, "float"),),
        is_refusing=is_refusing,
    )  # fmt: skip


def expression(
    name: str, text: str, types: Mapping[str, ColumnType], *, is_refusing: bool = False
) -> RowRule:
    """Return the rule that an expression holds; raises as `parse_expression`."""
    names = column_names(parse_expression(text, types))
    if not names:
        raise InvalidInputError(f"rule {name!r} names no column", fix="name at least one column")
    return RowRule(
        name=name, kind="expression", columns=tuple((column, types[column]) for column in names),
        text=" ".join(text.split()), is_refusing=is_refusing,
    )  # fmt: skip


def node_of(rule: RowRule) -> Node:
    """Return the parsed expression of an expression rule."""
    return parse_expression(rule.text, dict(rule.columns))


def encode_request_rules(rules: Sequence[RowRule]) -> str:
    """Return rules as the canonical JSON that a deployment carries; empty text: none."""
    return canonical_json(RequestRules(rules=tuple(rules))).decode() if rules else ""


def decode_request_rules(text: str) -> tuple[RowRule, ...]:
    """Return the rules of a deployment's canonical JSON.

    Raises:
        InvalidInputError: it is not what `encode_request_rules` writes.
    """
    if not text:
        return ()
    try:
        return msgspec.json.decode(text, type=RequestRules).rules
    except msgspec.DecodeError as error:
        raise InvalidInputError(
            f"the request contract cannot be read: {error}", fix="deploy the model again"
        ) from error


def _bound(value: object, type_: ColumnType) -> int | float | None:
    if value is None:
        return None
    made = constant(value, type_)
    return None if isinstance(made, str) else made
