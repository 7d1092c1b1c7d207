"""What can be done about the quality of data: add it through its contract, check it, infer one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tidemill.core.check import Verdict
from tidemill.core.operation import Kind, Operation
from tidemill.core.text import table
from tidemill.lineage.artifacts import read_value
from tidemill.practices.validation.adding import added
from tidemill.practices.validation.adding_files import external_added
from tidemill.practices.validation.addition import Addition, DataAdded, asked_source, refuse_idle
from tidemill.practices.validation.checking import checked
from tidemill.practices.validation.contract_changes import ContractChanges, contract_changes
from tidemill.practices.validation.declared_contracts import declared_specs
from tidemill.practices.validation.folder_contract import FolderSpec
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
    source: object = "",
    *,
    append: bool = False,
    contract: str = "",
    key: tuple[str, ...] = (),
    again: bool = False,
    shape: Literal["auto", "table", "files"] = "auto",
    external: bool = False,
    hash_: bool = False,
    snapshot: str = "",
    sql: str = "",
    from_: str = "",
    because: str = "",
    at: datetime | None = None,
) -> DataAdded:
    """Add a version of data: read once, checked against its contract, bad rows put aside.

    A table, the rows of a query, or a folder of any files. The same again adds nothing and says
    so; where there is a contract, the version that is there is checked against it. Raises
    CheckFailedError where the contract is broken as a whole: then nothing is added, and the verdict
    is kept.

    Args:
        name: what the data are called, like flights.
        source: a file (CSV, Parquet, JSON, Arrow), a folder (its links may not lead out of it), or
            a frame.
        append: add the rows or files to the newest version; without it they replace it.
        contract: name of the contract; default: the one declared for these data.
        key: columns whose values tell a row from every other; default: the contract's.
        again: append a file that was appended before once more.
        shape: what a folder is: one table, or files; default: told from what is in it.
        external: leave the data where they are; the version records names, sizes and times.
        hash_: of external data read all bytes too, and compare them whenever they are used.
        snapshot: of external data their state as their own system calls it: version, etag, id.
        sql: a query whose rows are added; --from says where.
        from_: duckdb:///FILE, sqlite:///FILE, or a glob of files, the table `source` of the query.
        because: why.
        at: effective time: when these data were known.
    """
    wish = Addition(
        name=name, source=asked_source(source, sql, from_), append=append, key=key, again=again,
        contract=contract, because=because, shape=shape, is_hashed=hash_, snapshot=snapshot,
    )  # fmt: skip
    if external:
        return external_added(record, wish, at)
    refuse_idle(wish)
    return added(record, wish, at)


def check_data(
    record: Record, data: object, *, contract: str = "", at: datetime | None = None
) -> Verdict:
    """Check a data version, a file or a frame against its contract as it is declared now.

    Equal data and an equal contract are judged once; of a file or a frame nothing is kept. Raises
    NotFoundError without a contract.

    Args:
        data: which version, like data:sales or sales@3; or a file or frame.
        contract: name of the contract, or FILE.py:NAME for a file; default: the one declared for
            these data.
        at: effective time: which version is the newest, and how old its rows may be.
    """
    from tidemill.practices.validation.files import (  # noqa: PLC0415 - versions do not need it
        checked_outside,
        is_outside,
    )

    if is_outside(data):
        return checked_outside(record, data, contract=contract, at=at)
    return checked(record, str(data), contract=contract, at=at)


def infer_contract(
    record: Record, data: object, *, out: str = "", at: datetime | None = None
) -> ProposedContract:
    """Propose a contract from a data version, a file or a frame, as Python text for the project.

    Args:
        data: which version, like data:sales; or a file or frame.
        out: a new file to write it to, like contracts.py.
        at: effective time: which version is the newest.
    """
    from tidemill.practices.validation import files  # noqa: PLC0415 - versions do not need it
    from tidemill.practices.validation.inference import proposed_code  # noqa: PLC0415 - Polars
    from tidemill.practices.versioning.data import open_data, scan_data  # noqa: PLC0415 - as above

    if files.is_outside(data):
        rows, name = files.outside_rows(record, data), files.name_of(data)
        told, count = name, rows.collect().height
    else:
        found = open_data(record, str(data), at=at)
        name, told, count = found.version.ref.name, str(found.version), found.rows
        rows = scan_data(record, told)
    code = proposed_code(name, rows)
    if out:
        files.write_code(out, code)
    return ProposedContract(data=told, rows=count, code=code)


def list_contracts(record: Record) -> DeclaredContracts:
    """List the contracts that the project's code declares."""
    return DeclaredContracts(contracts=tuple(declared_specs(record).values()))


def show_contract(record: Record, artifact: Artifact) -> ContractSpec:
    """Return a contract as it was kept."""
    return read_value(record, artifact, ContractSpec)


def diff_contracts(record: Record, old: Artifact, new: Artifact) -> ContractChanges:
    """Return what differs between two contracts: widening, narrowing or breaking."""
    return contract_changes(show_contract(record, old), show_contract(record, new))


def show_folder_contract(record: Record, artifact: Artifact) -> FolderSpec:
    """Return a folder contract as it was kept."""
    return read_value(record, artifact, FolderSpec)


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
        begins=True,
        failed=lambda added: added.state in {"fail", "not_run"},
        examples=(
            "tidemill data add flights raw/flights-2013-01.csv --append --at 2013-02-01",
            "tidemill data add pictures ./pictures --because 'as the camera wrote them'",
            "tidemill data add lake ./lake --external",
            "tidemill data add late --sql 'select * from source' --from 'raw/*.csv'",
        ),
    ),
    Operation(
        function=check_data,
        command=("data", "check"),
        begins=True,
        role="contributor",
        examples=("tidemill data check data:flights", "tidemill data check sales.csv"),
        failed=lambda verdict: not verdict.has_passed,
    ),
    Operation(
        function=infer_contract,
        command=("contract", "infer"),
        begins=True,
        examples=(
            "tidemill contract infer data:flights",
            "tidemill contract infer sales.csv --out contracts.py",
        ),
    ),
    Operation(
        function=list_contracts, command=("contract", "list"), examples=("tidemill contract list",)
    ),
)
KINDS = (
    Kind(name="contract", what="what data promise", show=show_contract, diff=diff_contracts),
    Kind(name="folder_contract", what="what a folder promises", show=show_folder_contract),
    Kind(name="verdict", what="what a check said", show=show_verdict),
    Kind(name="profile", what="statistics of added rows, a column each", show=show_profile),
)
