"""What can be done about the quality of data: add it through its contract, check it, infer one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.check import Verdict
from tidemill.core.operation import Kind, Operation
from tidemill.core.text import table
from tidemill.lineage.artifacts import read_value
from tidemill.practices.validation.adding import Addition, DataAdded, added
from tidemill.practices.validation.checking import checked
from tidemill.practices.validation.contract_changes import ContractChanges, contract_changes
from tidemill.practices.validation.declared_contracts import declared_specs
from tidemill.practices.validation.spec import ContractSpec

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.lineage.record import Record


class DeclaredContracts(msgspec.Struct, frozen=True, kw_only=True):
    """The contracts that the project's code declares."""

    contracts: tuple[ContractSpec, ...]

    def __str__(self) -> str:
        if not self.contracts:
            return "the project declares no contract; `tidemill contract infer NAME` proposes one"
        rows = [
            [
                spec.name,
                f"data:{spec.data}",
                len(spec.columns),
                len(spec.rules),
                ", ".join(spec.key),
            ]
            for spec in self.contracts
        ]
        return table(["contract", "of", "columns", "own rules", "key"], rows)

    __repr__ = __str__


class ProposedContract(msgspec.Struct, frozen=True, kw_only=True):
    """A contract proposed from data, as Python text; nothing is activated."""

    data: str
    rows: int
    code: str

    def __str__(self) -> str:
        return self.code

    __repr__ = __str__


def add_data(  # noqa: PLR0913 - a source, where it goes, and how
    record: Record,
    name: str,
    source: object,
    *,
    append: bool = False,
    contract: str = "",
    key: tuple[str, ...] = (),
    again: bool = False,
    because: str = "",
    at: datetime | None = None,
) -> DataAdded:
    """Add a version of data: read once, checked against its contract, bad rows put aside.

    The same file again adds nothing and says so. Raises CheckFailedError where the contract is
    broken as a whole: then nothing is added, and the verdict is kept.

    Args:
        name: what the data are called, like flights.
        source: a file (CSV, Parquet, JSON lines, Arrow), a folder of these, or a frame.
        append: add the rows to the newest version; without it they replace it.
        contract: name of the contract; default: the one declared for these data.
        key: columns whose values tell a row from every other; default: the contract's.
        again: append a file that was appended before once more.
        because: why.
        at: effective time: when these data were known.
    """
    wish = Addition(
        name=name, source=source, append=append, key=key, again=again, contract=contract,
        because=because,
    )  # fmt: skip
    return added(record, wish, at)


def check_data(
    record: Record, data: str, *, contract: str = "", at: datetime | None = None
) -> Verdict:
    """Check a data version against its contract as it is declared now.

    Equal data and an equal contract are judged once. Raises NotFoundError without a contract.

    Args:
        data: which version, like data:flights or flights@3.
        contract: name of the contract; default: the one declared for these data.
        at: effective time: which version is the newest, and how old its rows may be.
    """
    return checked(record, data, contract=contract, at=at)


def infer_contract(record: Record, data: str, *, at: datetime | None = None) -> ProposedContract:
    """Propose a contract from a data version, as Python text to put into the project.

    Args:
        data: which version, like data:flights.
        at: effective time: which version is the newest.
    """
    from tidemill.practices.validation.inference import proposed_code  # noqa: PLC0415 - Polars
    from tidemill.practices.versioning.data import open_data, scan_data  # noqa: PLC0415 - as above

    found = open_data(record, data, at=at)
    code = proposed_code(found.version.ref.name, scan_data(record, str(found.version)))
    return ProposedContract(data=str(found.version), rows=found.rows, code=code)


def list_contracts(record: Record) -> DeclaredContracts:
    """List the contracts that the project's code declares."""
    return DeclaredContracts(contracts=tuple(declared_specs(record).values()))


def show_contract(record: Record, artifact: Artifact) -> ContractSpec:
    """Return a contract as it was kept."""
    return read_value(record, artifact, ContractSpec)


def diff_contracts(record: Record, old: Artifact, new: Artifact) -> ContractChanges:
    """Return what differs between two contracts: widening, narrowing or breaking."""
    return contract_changes(show_contract(record, old), show_contract(record, new))


def show_verdict(record: Record, artifact: Artifact) -> Verdict:
    """Return a verdict as it was kept."""
    return read_value(record, artifact, Verdict)


def show_profile(record: Record, artifact: Artifact) -> Any:  # noqa: ANN401 - Profile, loaded late
    """Return a profile as it was kept."""
    from tidemill.practices.validation.profile import Profile  # noqa: PLC0415 - brings Polars

    return read_value(record, artifact, Profile)


OPERATIONS = (
    Operation(
        function=add_data,
        command=("data", "add"),
        role="contributor",
        examples=("tidemill data add flights raw/flights-2013-01.csv --append --at 2013-02-01",),
    ),
    Operation(
        function=check_data,
        command=("data", "check"),
        role="contributor",
        examples=("tidemill data check data:flights",),
        failed=lambda verdict: not verdict.has_passed,
    ),
    Operation(
        function=infer_contract,
        command=("contract", "infer"),
        examples=("tidemill contract infer data:flights",),
    ),
    Operation(
        function=list_contracts, command=("contract", "list"), examples=("tidemill contract list",)
    ),
)
KINDS = (
    Kind(name="contract", what="what data promise", show=show_contract, diff=diff_contracts),
    Kind(name="verdict", what="what a check said", show=show_verdict),
    Kind(name="profile", what="statistics of added rows, a column each", show=show_profile),
)
