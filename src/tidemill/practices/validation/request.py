"""The rules of contracts that a request to a model can be held to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.practices.validation.spec import contract_rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.core.signature import Signature
    from tidemill.kernels.row_expression import ColumnType
    from tidemill.kernels.row_rules import RowRule
    from tidemill.practices.validation.spec import ContractSpec

_NUMBERS = frozenset(
    {"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP32", "FP64"}
)
_DATATYPES: Mapping[ColumnType, frozenset[str]] = {
    "str": frozenset({"BYTES"}), "bool": frozenset({"BOOL"}), "int": _NUMBERS, "float": _NUMBERS,
    "datetime": frozenset({"INT64"}), "date": frozenset(),
}  # fmt: skip


def request_rules(specs: Sequence[ContractSpec], signature: Signature) -> tuple[RowRule, ...]:
    """Return the row rules whose columns a request of this signature brings, each once.

    Where several contracts declare a column, a rule counts only if all of them have it: the same
    name may mean a nullable reference in one table and the key in another.
    """
    fields = (*signature.inputs, *signature.context)
    sent = {field.name: field.datatype for field in fields if field.is_single}
    rules = {spec.name: contract_rules(spec) for spec in specs}
    made: dict[RowRule, None] = {}
    for spec in specs:
        for rule in rules[spec.name]:
            others = (other for other in specs if _declares(other, rule))
            if _is_sent(rule, sent) and all(rule in rules[other.name] for other in others):
                made[rule] = None
    return tuple(made)


def _declares(spec: ContractSpec, rule: RowRule) -> bool:
    return all(name in spec.types for name, _ in rule.columns)


def _is_sent(rule: RowRule, sent: Mapping[str, str]) -> bool:
    return all(sent.get(name) in _DATATYPES[type_] for name, type_ in rule.columns)
