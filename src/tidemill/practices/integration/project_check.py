"""The check of a project: every gate of code, data and models, and what they say together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.check import Finding, worst
from tidemill.core.errors import (
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UsageError,
)
from tidemill.core.query import Query, Where
from tidemill.core.ref import Ref, RefName, Version
from tidemill.lineage.refs import resolve, versions
from tidemill.lineage.writing import newest_version
from tidemill.practices.infrastructure.project import declared, project_root
from tidemill.practices.integration.bounds import project_bounds
from tidemill.practices.integration.check_report import CheckReport
from tidemill.practices.integration.code_gate import code_findings, test_files
from tidemill.practices.integration.model_gates import model_gate
from tidemill.practices.integration.release_gates import release_gates
from tidemill.practices.integration.verdicts import Gate, Judged, Question, ask
from tidemill.practices.pipelines.capture import capture
from tidemill.practices.pipelines.code_identity import code_identity
from tidemill.practices.pipelines.release import KIND, release_of
from tidemill.practices.pipelines.undeclared import undeclared_by_steps
from tidemill.practices.validation.contract import Contract, spec_of
from tidemill.practices.validation.folder_contract import FolderContract
from tidemill.practices.validation.operations import check_data
from tidemill.practices.versioning.unpassed import GATES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from tidemill.lineage.record import Record
    from tidemill.practices.integration.bounds import Bounds
    from tidemill.practices.validation.folder_contract import FolderSpec
    from tidemill.practices.validation.spec import ContractSpec

SUBJECTS = ("code", "data", "model")


def run_gates(
    record: Record, pointer: str = "", *, only: Sequence[str] = (), at: datetime | None = None
) -> CheckReport:
    """Ask every gate; of models those of `pointer`, or of each model's newest version.

    Only all of them together give the verdict `gates`, which policies and triggers ask for. A
    pointer at a release asks the gates of code and data inside it, and for a plan of its run.

    Raises:
        UsageError: `only` names something else than code, data, model.
        NotFoundError: there is no such version.
    """
    for name in only:
        if name not in SUBJECTS:
            raise UsageError(f"there is no gate {name!r}", fix=f"--only {','.join(SUBJECTS)}")
    release = release_of(record, pointer) if pointer.startswith(f"{KIND}:") else None
    if release is not None:
        parts = release_gates(record, release, only, at=at)
        whole = [] if only else [combined_gate(record, release, parts, at=at)]
        return _report([*parts, *whole])
    wanted = set(only) or set(SUBJECTS)
    bounds = project_bounds(record)
    models = _models(record, pointer) if "model" in wanted else []
    gates: list[Gate] = []
    if "code" in wanted:
        gates += _told("code", record.project, lambda: [code_gate(record, bounds, at=at)])
    if "data" in wanted:
        gates += _told("data", record.project, lambda: list(data_gates(record, at=at)))
    general = tuple(gates)
    for version in models:
        own = _told("model", str(version), partial(_model_gates, record, version, bounds, at))
        whole = [] if only else [combined_gate(record, version, [*general, *own], at=at)]
        gates += [*own, *whole]
    return _report(gates)


def _report(gates: Sequence[Gate]) -> CheckReport:
    findings = tuple(finding for gate in gates for finding in gate.findings)
    return CheckReport(state=worst(findings), gates=tuple(gates))


def _model_gates(
    record: Record, version: Version, bounds: Bounds, at: datetime | None
) -> list[Gate]:
    return [model_gate(record, version, bounds, at=at)]


def _told(name: str, subject: str, gates: Callable[[], list[Gate]]) -> list[Gate]:
    """Return gates; one that cannot be asked has not passed, and hides none of the others."""
    try:
        return gates()
    except (InvalidInputError, NotFoundError, UnavailableError) as error:
        finding = Finding(rule=name, state="error", what=error.what, fix=error.fix)
        return [Gate(name=name, subject=subject, state="error", findings=(finding,))]


def code_gate(record: Record, bounds: Bounds, *, at: datetime | None = None) -> Gate:
    """Return the verdict on the project's code as it lies in its folder."""
    record.tell.progress("checking the code")
    captured = capture(record)
    root = project_root(record)
    tests = [path.read_bytes().hex() for path in test_files(root)]
    question = Question(
        check="code", subject=record.project,
        judged=(Judged(artifact=captured.code.id, name="code"),),
        memo=(
            code_identity(record), captured.environment.id, tests, bounds.test_timeout,
            undeclared_by_steps(record),
        ),
    )  # fmt: skip
    return ask(
        record, question, lambda: code_findings(record, bounds), at=at, attach=captured.attach
    )


def data_gates(record: Record, *, at: datetime | None = None) -> Iterator[Gate]:
    """Yield the verdict on the version, newest at `at`, of each data ref with a contract."""
    found = False
    for name, spec, has_age in _promises(record):
        ref = RefName(kind="data", project=record.project, name=name)
        newest = _newest_at(record, ref, at)
        if newest is not None:
            found = True
            yield _data_gate(record, newest, spec, record.moment(at) if has_age else None, at)
    if not found:
        finding = Finding(
            rule="contracts", state="warn", what="no data with a contract is in the record",
            fix="declare a Contract and tidemill data add NAME SOURCE",
        )  # fmt: skip
        yield Gate(name="data", subject=record.project, state="warn", findings=(finding,))


def _promises(record: Record) -> Iterator[tuple[str, ContractSpec | FolderSpec, bool]]:
    """Yield what is declared of tables and folders: name, contract, whether it asks their age."""
    for contract in declared(record, Contract, class_objects=True).values():
        yield contract.data, spec_of(contract), bool(contract.fresh_within)
    for folder in declared(record, FolderContract, class_objects=True).values():
        if folder is not FolderContract:
            yield folder.contract_name, folder.contract_spec, False


def _newest_at(record: Record, ref: RefName, at: datetime | None) -> Version | None:
    earlier = [v for v in versions(record, ref) if at is None or v.at <= at]
    return max(earlier, key=lambda version: version.number, default=None)


def _data_gate(
    record: Record,
    version: Version,
    spec: ContractSpec | FolderSpec,
    asked_at: datetime | None,  # what is fresh gets old
    at: datetime | None,
) -> Gate:
    record.tell.progress(f"checking {version}")
    question = Question(
        check="data", subject=str(version), memo=(spec, asked_at),
        judged=(Judged(artifact=version.artifact, source=version.run, name="data"),),
    )  # fmt: skip
    return ask(record, question, lambda: check_data(record, str(version), at=at).findings, at=at)


def combined_gate(
    record: Record, version: Version, parts: Sequence[Gate], *, at: datetime | None = None
) -> Gate:
    """Return what gates say of a model or a release together, as a verdict of the check `gates`."""
    findings = tuple(
        msgspec.structs.replace(finding, rule=f"{part.name}.{finding.rule}")
        for part in parts
        for finding in part.findings
    )
    judged = (
        Judged(artifact=version.artifact, source=version.run, name=version.ref.kind),
        *(
            Judged(artifact=part.verdict, source=part.run, name=f"{part.name}:{part.subject}")
            for part in parts
            if part.verdict is not None
        ),
    )
    question = Question(
        check=GATES, subject=str(version), judged=judged, memo=(findings,), confidence=0.95
    )
    return ask(record, question, lambda: findings, at=at)


def _models(record: Record, pointer: str) -> list[Version]:
    if pointer:
        return [resolve(record, pointer, kind="model")]
    where = (Where("ref.kind", "=", "model"), Where("ref.project", "=", record.project))
    refs = record.ports.ledger.find(Query(Ref, where=where))
    newest = [newest_version(record, ref.ref) for ref in refs if not ref.is_hidden]
    return [version for version in newest if isinstance(version, Version)]
