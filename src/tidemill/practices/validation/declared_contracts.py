"""The contracts that a project declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.lineage.suggestions import closest
from tidemill.practices.infrastructure.project import declared
from tidemill.practices.validation.contract import Contract

if TYPE_CHECKING:
    from tidemill.lineage.record import Record
    from tidemill.practices.validation.spec import ContractSpec


def find_contract(record: Record, data: str, name: str = "") -> ContractSpec | None:
    """Return the contract that the project declares for data, or the one with a name.

    None: no contract is declared for these data.

    Raises:
        NotFoundError: no contract has this name; names the closest.
        InvalidInputError: several contracts are for these data.
    """
    known = declared_specs(record)
    if name:
        return _named(known, name)
    found = [spec for spec in known.values() if spec.data == data]
    if len(found) > 1:
        names = " and ".join(spec.name for spec in found)
        raise InvalidInputError(
            f"{names} are both contracts of data:{data}", fix="name one: --contract NAME"
        )
    return found[0] if found else None


def declared_specs(record: Record) -> dict[str, ContractSpec]:
    """Return every contract that the project declares, by the name of its class."""
    classes = declared(record, Contract, class_objects=True)
    return {contract.__name__: contract.contract_spec for contract in classes.values()}


def _named(known: dict[str, ContractSpec], name: str) -> ContractSpec:
    for spec in known.values():
        if name in (spec.name, spec.data):
            return spec
    near = closest(name, [*known, *(spec.data for spec in known.values())])
    raise NotFoundError(
        f"the project declares no contract {name!r}",
        fix=f"did you mean {near}?" if near else f"there are: {', '.join(known) or 'none'}",
    )
