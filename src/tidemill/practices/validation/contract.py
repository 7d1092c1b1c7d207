"""Contract: declare what data promises, as a class whose annotations are the columns.

class Flights(tm.Contract):
    key = ("flight_id",)
    flight_id: str
    dep_delay: int | None = tm.column(between=(-120, 2000), max_null_share=0.1)
    lands_later = tm.rule("landed_at is None or landed_at > departed_at")
"""

from __future__ import annotations

import inspect
import re
from datetime import date, datetime
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Union, get_args, get_origin

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_span
from tidemill.lineage.suggestions import closest
from tidemill.practices.validation.spec import ColumnSpec, ContractSpec, RuleSpec, contract_rules
from tidemill.practices.validation.table_checking import table_checked
from tidemill.practices.versioning.data import data_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.core.check import Verdict
    from tidemill.core.ref import Version
    from tidemill.kernels.row_expression import ColumnType
    from tidemill.lineage.record import Record

_TYPES: Mapping[object, ColumnType] = {
    str: "str", int: "int", float: "float", bool: "bool", datetime: "datetime", date: "date",
}  # fmt: skip
_TAKEN = "str, int, float, bool, datetime, date, each also `| None`"


class DeclaredColumn(msgspec.Struct, frozen=True, kw_only=True):
    """What `column(...)` was given."""

    options: ColumnSpec
    name: str = ""


class DeclaredRule(msgspec.Struct, frozen=True, kw_only=True):
    """What `rule(...)` was given."""

    expression: str
    refuses: bool
    label: str


def column(  # noqa: PLR0913 - a column has this many properties
    *,
    one_of: Sequence[object] | None = None,
    between: tuple[object, object] | None = None,
    pattern: str = "",
    max_null_share: float | None = None,
    unique: bool = False,
    unit: str = "",
    meaning: str = "",
    reject: bool = False,
    name: str = "",
) -> Any:  # noqa: ANN401 - stands where the annotation says what the column is
    """Say more of a column than its type.

    Args:
        one_of: the only values that it may have.
        between: lowest and highest value, both included; None: no bound.
        pattern: what a text must match as a whole.
        max_null_share: most missing values, as a share of the rows added (needs `| None`).
        unique: whether each value may come once only.
        unit: of a number, in words.
        meaning: what it is, in words.
        reject: whether a model server refuses a request that breaks a rule of this column.
        name: the column's name in the data, where it is no name for an attribute.
    """
    options = ColumnSpec(
        name="", type="str", between=None if between is None else _bounds(between),
        one_of=None if one_of is None else tuple(_plain(value) for value in one_of),
        pattern=pattern, max_null_share=max_null_share, is_unique=unique, unit=unit,
        meaning=meaning, is_refusing=reject,
    )  # fmt: skip
    return DeclaredColumn(options=options, name=name)


def rule(expression: str, *, reject: bool = False, name: str = "") -> DeclaredRule:
    """Declare a rule over the columns of one row.

    Args:
        expression: column names, literals, + - * /, comparisons, and, or, not, `x is None`.
        reject: whether a model server refuses a request with a row that breaks it.
        name: what to call it; default: the attribute's name.
    """
    return DeclaredRule(expression=expression, refuses=reject, label=name)


class Contract:
    """Subclass it to declare a contract. Attributes below are settings, annotations are columns."""

    data: ClassVar[str] = ""
    """Name of the data that it is about; default: the class's name in snake case."""
    key: ClassVar[tuple[str, ...]] = ()
    """Columns that tell a row from every other one."""
    unique: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Further sets of columns whose values may come once only."""
    min_rows: ClassVar[int] = 0
    """Fewest rows of a version."""
    fresh_within: ClassVar[str] = ""
    """How old the newest `fresh_column` may be at the effective time, like `2d`."""
    fresh_column: ClassVar[str] = ""
    max_quarantined_share: ClassVar[float] = 0.01
    """Largest share of a source's rows that may be put aside, 1 % unless you say otherwise; more,
    and the source is refused. A single row always may, except where it is 0."""
    extra: ClassVar[str] = "keep"
    """`keep` or `forbid` columns that are not declared."""
    contract_spec: ClassVar[ContractSpec]
    """What was declared, as a value."""

    def __init_subclass__(cls, **options: object) -> None:
        """Read the declaration, so that a mistake is told where it stands."""
        super().__init_subclass__(**options)
        cls.data = cls.__dict__.get("data") or snake_case(cls.__name__)
        cls.contract_spec = _spec(cls)

    @classmethod
    def contract_verdict(cls, record: Record, version: Version, at: datetime | None) -> Verdict:
        """Return what the contract says of a table, judged now where that is not known yet.

        Raises:
            InvalidInputError: the version is no table.
        """
        return table_checked(record, data_of(record, version), cls.contract_spec, at)


def spec_of(contract: type[Contract]) -> ContractSpec:
    """Return a declared contract as a value."""
    return contract.contract_spec


def snake_case(name: str) -> str:
    """Return a class's name as a name for data.

    >>> snake_case("PlaneHistory")
    'plane_history'
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


SETTINGS = frozenset(inspect.get_annotations(Contract))


def _spec(contract: type[Contract]) -> ContractSpec:
    columns, rules = _declared(contract)
    if not columns:
        raise _wrong(contract, "declares no column", "write `name: str` for each column")
    meaning = inspect.cleandoc(contract.__dict__.get("__doc__") or "")
    spec = ContractSpec(
        name=contract.__name__, data=contract.data, columns=tuple(columns.values()),
        rules=tuple(rules.values()), key=_names(contract.key),
        unique=tuple(_names(names) for names in contract.unique), min_rows=contract.min_rows,
        fresh_within=contract.fresh_within, fresh_column=contract.fresh_column,
        max_quarantined_share=float(contract.max_quarantined_share),
        takes_more_columns=contract.extra == "keep", meaning=meaning,
    )  # fmt: skip
    _check(contract, spec)
    return spec


def _declared(
    contract: type[Contract],
) -> tuple[dict[str, ColumnSpec], dict[str, RuleSpec]]:
    columns: dict[str, ColumnSpec] = {}
    rules: dict[str, RuleSpec] = {}
    for level in reversed(contract.__mro__):
        if level is Contract or not issubclass(level, Contract):
            continue
        for attribute, annotation in _annotations(level).items():
            made = _column(contract, attribute, annotation, level.__dict__.get(attribute))
            if made is not None:
                columns[made.name] = made
        for attribute, value in level.__dict__.items():
            if isinstance(value, DeclaredRule):
                rules[attribute] = RuleSpec(
                    name=value.label or attribute, expression=value.expression,
                    is_refusing=value.refuses,
                )  # fmt: skip
    return columns, rules


def _annotations(level: type) -> Mapping[str, object]:
    try:
        return inspect.get_annotations(level, eval_str=True)
    except (NameError, SyntaxError, TypeError) as error:
        raise InvalidInputError(
            f"contract {level.__name__}: an annotation cannot be read: {error}",
            fix=f"columns are {_TAKEN}; import what they name at the top of the module",
        ) from error


def _column(
    contract: type[Contract], attribute: str, annotation: object, value: object
) -> ColumnSpec | None:
    if attribute in SETTINGS:
        if attribute not in contract.__dict__:
            fix = f'write `{attribute}_: TYPE = tm.column(name="{attribute}")`'
            raise _wrong(contract, f"{attribute!r} is a setting and no name for a column", fix)
        return None
    if get_origin(annotation) is ClassVar:
        return None
    if value is not None and not isinstance(value, DeclaredColumn):
        what = f"column {attribute!r} has the value {value!r}"
        raise _wrong(contract, what, f"write `{attribute}: TYPE = tm.column(...)`")
    given = value if isinstance(value, DeclaredColumn) else DeclaredColumn(options=_NOTHING)
    type_, is_nullable = _type(contract, attribute, annotation)
    return msgspec.structs.replace(
        given.options, name=given.name or attribute, type=type_, is_nullable=is_nullable
    )


_NOTHING = ColumnSpec(name="", type="str")


def _type(contract: type[Contract], attribute: str, annotation: object) -> tuple[ColumnType, bool]:
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    known = [part for part in parts if part is not NoneType]
    if len(known) != 1 or known[0] not in _TYPES:
        what = f"column {attribute!r} has the type {annotation}"
        raise _wrong(contract, what, f"types of columns are {_TAKEN}")
    return _TYPES[known[0]], len(known) < len(parts)


def _names(given: object) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)  # type: ignore[arg-type]


def _bounds(given: tuple[object, object]) -> tuple[Any, Any]:
    low, high = given
    return _plain(low), _plain(high)


def _plain(value: object) -> Any:  # noqa: ANN401 - what a column's type makes of it is seen later
    return value.isoformat() if isinstance(value, date) else value


def _check(contract: type[Contract], spec: ContractSpec) -> None:
    """Raise InvalidInputError where the parts of a contract do not fit together."""
    try:
        names = [rule.name for rule in contract_rules(spec)]
        parse_span(spec.fresh_within or "1d")
    except InvalidInputError as error:
        raise _wrong(contract, error.what, error.fix) from error
    for name in (*(n for names_ in spec.unique_sets for n in names_), spec.fresh_column):
        if name and name not in spec.types:
            near = closest(name, list(spec.types)) or "one of its columns"
            raise _wrong(contract, f"names {name!r}, which is no column", f"did you mean {near}?")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _wrong(contract, f"two rules are called {twice[0]!r}", "rename one of them")
    if bool(spec.fresh_within) != (spec.types.get(spec.fresh_column) == "datetime"):
        fix = 'fresh_within = "2d" and fresh_column = "observed_at"'
        raise _wrong(contract, "freshness needs a length and a column of times", fix)
    for column_ in spec.columns:
        if column_.max_null_share is not None and not column_.is_nullable:
            what = f"column {column_.name!r} has a share of missing values but may have none"
            raise _wrong(contract, what, f"write `{column_.name}: {column_.type} | None`")


def _wrong(contract: type, what: str, fix: str) -> InvalidInputError:
    return InvalidInputError(f"contract {contract.__name__}: {what}", fix=fix)
