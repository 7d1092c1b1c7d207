"""Adding data: a source through its contract into the next version of a ref."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.check import Finding, State, findings_table
from tidemill.core.digest import ArtifactId
from tidemill.core.errors import CheckFailedError
from tidemill.lineage.wording import short_id
from tidemill.lineage.writing import opened
from tidemill.ports.source import UnreadRowsError
from tidemill.practices.validation.declared_contracts import find_contract, put_contract
from tidemill.practices.validation.spec import ContractSpec, polars_schema
from tidemill.practices.versioning.data import Ingested, ingest

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.practices.validation.watcher import ContractWatcher


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be added, and how."""

    name: str
    source: object
    append: bool
    key: tuple[str, ...]
    again: bool
    contract: str
    because: str


class DataAdded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a source. `contract` is empty where none is declared."""

    version: str
    is_new: bool
    source: str
    rows: int
    rows_read: int
    rows_added: int
    rows_quarantined: int
    artifact: ArtifactId
    contract: str = ""
    state: State | None = None
    verdict: ArtifactId | None = None
    quarantine: str = ""
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        if not self.is_new:
            return f"{self.version} has these rows already ({self.source}); nothing was added"
        head = (
            f"{self.version} {short_id(self.artifact)} from {self.source}: {self.rows_read:,} rows"
            f" read, {self.rows_added:,} added, {self.rows_quarantined:,} put aside;"
            f" {self.rows:,} in all"
        )
        parts = [head, *_rules_told(self.findings)]
        if self.quarantine:
            parts.append(f"rows put aside: tidemill data get {self.quarantine}")
        if not self.contract:
            parts.append("no contract is declared for these data: tidemill contract infer"
                         f" {self.version}")  # fmt: skip
        return "\n".join(parts)

    __repr__ = __str__


def _rules_told(findings: tuple[Finding, ...]) -> list[str]:
    """Return what holds as a count and what does not as a table."""
    if not findings:
        return []
    broken = tuple(finding for finding in findings if finding.state != "pass")
    held = len(findings) - len(broken)
    if not broken:
        return [f"all {held} rules hold"]
    return [f"{held} of {len(findings)} rules hold", findings_table(broken)]


def added(record: Record, wish: Addition, at: datetime | None) -> DataAdded:
    """Add a source. Raises as `operations.add_data`."""
    spec = find_contract(record, wish.name, wish.contract)
    contract = put_contract(record, spec, at) if spec else None
    judged = msgspec.structs.replace(
        spec or ContractSpec(name="", data=wish.name, columns=()), data=wish.name,
        key=wish.key or (spec.key if spec else ()),
    )  # fmt: skip
    if contract is None:
        return _added_once(record, wish, (judged, contract), at, is_lenient=False)
    if isinstance(wish.source, str | Path):
        with contextlib.suppress(UnreadRowsError):  # then once more, each cell by itself
            return _added_once(record, wish, (judged, contract), at, is_lenient=False)
    return _added_once(record, wish, (judged, contract), at, is_lenient=True)


def _added_once(
    record: Record,
    wish: Addition,
    judged: tuple[ContractSpec, Version | None],
    at: datetime | None,
    *,
    is_lenient: bool,
) -> DataAdded:
    from tidemill.practices.validation.watcher import ContractWatcher  # noqa: PLC0415 - Polars

    spec, contract = judged
    watcher = ContractWatcher(record, spec, contract, record.moment(at))
    try:
        done = ingest(
            record, wish.name, wish.source, append=wish.append, key=spec.key,
            watchers=(watcher,), at=at, because=wish.because, schema=polars_schema(spec),
            again=wish.again, unread=watcher.unread if is_lenient else None,
        )  # fmt: skip
    except CheckFailedError as error:
        raise _refused(record, wish, watcher, error, at) from error
    finally:
        watcher.close()
    return _result(done, contract, watcher)


def _result(done: Ingested, contract: Version | None, watcher: ContractWatcher) -> DataAdded:
    verdict, aside = watcher.verdict, watcher.quarantine
    return DataAdded(
        version=str(done.version), is_new=done.is_new, source=done.source,
        rows=done.rows, rows_read=watcher.judge.rows,
        rows_added=done.rows_added, rows_quarantined=watcher.judge.rows_failed,
        artifact=done.version.artifact, contract=str(contract) if contract else "",
        state=verdict.state if verdict else None,
        verdict=watcher.verdict_artifact.id if watcher.verdict_artifact else None,
        quarantine=str(aside.version) if aside else "",
        findings=verdict.findings if verdict else (),
    )  # fmt: skip


def _refused(
    record: Record,
    wish: Addition,
    watcher: ContractWatcher,
    error: CheckFailedError,
    at: datetime | None,
) -> CheckFailedError:
    """Keep the verdict on a source that was refused, in a run of its own."""
    if watcher.verdict_artifact is None:
        return error
    with opened(
        record, kind="validation", name=wish.name, at=at, because=wish.because,
    ) as run:  # fmt: skip
        watcher.attach(run)
    aside = f"; rows: tidemill data get {watcher.quarantine.version}" if watcher.quarantine else ""
    return CheckFailedError(
        f"nothing was added to data:{wish.name}: {error.what}",
        fix="correct the source or the contract; verdict: tidemill show"
        f" {short_id(watcher.verdict_artifact.id)}{aside}",
    )
