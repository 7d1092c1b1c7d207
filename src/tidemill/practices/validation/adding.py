"""Adding data: a source through its contract into the next version of a ref."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import CheckFailedError, InvalidInputError
from tidemill.lineage.refs import ref_name
from tidemill.lineage.search import require_project
from tidemill.lineage.wording import short_id
from tidemill.lineage.writing import opened
from tidemill.ports.source import UnreadRowsError
from tidemill.practices.validation.adding_files import folder_added, folder_to_add
from tidemill.practices.validation.addition import Addition, DataAdded, there_already
from tidemill.practices.validation.checking import checked
from tidemill.practices.validation.contract_versions import put_contract
from tidemill.practices.validation.declared_contracts import find_contract
from tidemill.practices.validation.keeping import put_verdict
from tidemill.practices.validation.spec import ContractSpec, polars_schema
from tidemill.practices.versioning.data import Ingested, ingest
from tidemill.practices.versioning.file_versions import newest_shape

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.practices.validation.watcher import ContractWatcher


def added(record: Record, wish: Addition, at: datetime | None) -> DataAdded:
    """Add a source. Raises as `operations.add_data`."""
    require_project(record, ref_name(record, "data", wish.name).project)
    folder = folder_to_add(record, wish)
    if folder is not None:
        return folder_added(record, wish, folder, at)
    newest = newest_shape(record, wish.name)
    if newest not in {"", "table"}:
        raise InvalidInputError(
            f"data:{wish.name} is {_SHAPES[newest]}, but what was given is a table",
            fix="add it under another name",
        )
    return _table_added(record, wish, at)


_SHAPES = {"folder": "a folder of files", "external": "external, not held"}


def _table_added(record: Record, wish: Addition, at: datetime | None) -> DataAdded:
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
    result = _result(done, contract, watcher)
    if done.is_new or contract is None:
        return result
    verdict = checked(record, str(done.version), contract=spec.name, at=at)
    return there_already(result, verdict, put_verdict(record, verdict).id)


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
        findings=verdict.findings if verdict else (), size_bytes=done.size_bytes,
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
