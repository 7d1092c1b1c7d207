"""ContractSpec: a contract as a value, and the row rules that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.text import table
from tidemill.kernels import row_rules
from tidemill.kernels.row_expression import ColumnType, Constant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

    from tidemill.kernels.row_rules import RowRule

Bound = int | float | str | None
"""One end of a range; times and dates as ISO text."""


class ColumnSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a contract says of one column. Bounds are included; `pattern` is a whole match."""

    name: str
    type: ColumnType
    is_nullable: bool = False
    between: tuple[Bound, Bound] | None = None
    one_of: tuple[Constant, ...] | None = None
    pattern: str = ""
    max_null_share: float | None = None
    is_unique: bool = False
    unit: str = ""
    meaning: str = ""
    is_refusing: bool = False
    """Whether a model server refuses a request that breaks a rule of this column."""


class RuleSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule over several columns of one row, in the words of `kernels/row_expression.py`."""

    name: str
    expression: str
    is_refusing: bool = False


class ContractSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contract: what the data of one ref promises. `name` is the class that declares it."""

    name: str
    data: str
    columns: tuple[ColumnSpec, ...]
    rules: tuple[RuleSpec, ...] = ()
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    min_rows: int = 0
    fresh_within: str = ""
    fresh_column: str = ""
    max_quarantined_share: float = 0.01
    takes_more_columns: bool = True
    meaning: str = ""

    @property
    def types(self) -> dict[str, ColumnType]:
        """The type of each column."""
        return {column.name: column.type for column in self.columns}

    @property
    def unique_sets(self) -> tuple[tuple[str, ...], ...]:
        """Every set of columns whose values may come once only: key, unique sets and columns."""
        single = tuple((column.name,) for column in self.columns if column.is_unique)
        given = (*((self.key,) if self.key else ()), *self.unique, *single)
        return tuple(dict.fromkeys(given))

    def __str__(self) -> str:
        rows = [
            [c.name, c.type + (" | None" if c.is_nullable else ""), c.unit, _told(c)]
            for c in self.columns
        ]
        parts = [f"contract {self.name} of data:{self.data}", *self._facts()]
        parts.append(table(["column", "type", "unit", "rules"], rows))
        parts += [f"{rule.name}: {rule.expression}" for rule in self.rules]
        return "\n".join(parts)

    __repr__ = __str__

    def _facts(self) -> Iterator[str]:
        if self.key:
            yield f"key {', '.join(self.key)}"
        if self.min_rows:
            yield f"at least {self.min_rows:,} rows"
        if self.fresh_within:
            yield f"{self.fresh_column} at most {self.fresh_within} old"


def contract_rules(spec: ContractSpec) -> tuple[RowRule, ...]:
    """Return the row rules of a contract, in the order of its columns, then its own.

    Raises:
        InvalidInputError: a bound, set, pattern or expression does not fit its column.
    """
    rules = [rule for column in spec.columns for rule in column_rules(column)]
    own = (
        row_rules.expression(rule.name, rule.expression, spec.types, is_refusing=rule.is_refusing)
        for rule in spec.rules
    )
    return (*rules, *own)


def column_rules(column: ColumnSpec) -> Iterator[RowRule]:
    """Yield the row rules of one column. Raises as `contract_rules`."""
    name, type_, refuses = column.name, column.type, column.is_refusing
    if not column.is_nullable:
        yield row_rules.not_null(name, type_, is_refusing=refuses)
    if column.between is not None:
        yield row_rules.between(name, type_, *column.between, is_refusing=refuses)
    elif type_ == "float":
        yield row_rules.not_nan(name, is_refusing=refuses)
    if column.one_of is not None:
        yield row_rules.one_of(name, type_, column.one_of, is_refusing=refuses)
    if column.pattern:
        yield row_rules.pattern(name, type_, column.pattern, is_refusing=refuses)


def polars_schema(spec: ContractSpec) -> Mapping[str, pl.DataType]:
    """Return the Polars type of each declared column, as a source is asked for it."""
    from tidemill.kernels.row_rules_polars import DTYPES  # noqa: PLC0415 - brings Polars

    return {column.name: DTYPES[column.type] for column in spec.columns}


def _told(column: ColumnSpec) -> str:
    parts = []
    if column.between is not None:
        low, high = ("" if bound is None else str(bound) for bound in column.between)
        parts.append(f"{low}..{high}")
    if column.one_of is not None:
        parts.append("one of " + ", ".join(map(str, column.one_of)))
    if column.pattern:
        parts.append(column.pattern)
    if column.max_null_share is not None:
        parts.append(f"missing in at most {column.max_null_share:.4g}")
    return "; ".join([*parts, *(["unique"] if column.is_unique else [])])
