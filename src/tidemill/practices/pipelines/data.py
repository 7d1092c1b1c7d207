"""Data in a pipeline: a version of a data set, resolved when the pipeline is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import CheckFailedError, InvalidInputError
from tidemill.core.pointer import parse_pointer
from tidemill.core.times import parse_time
from tidemill.lineage.artifacts import find_artifact, find_artifacts
from tidemill.lineage.judged import judged, kept_verdict
from tidemill.lineage.refs import ref_name, resolve, versions
from tidemill.lineage.writing import find_ref
from tidemill.practices.infrastructure.project import project_root
from tidemill.practices.pipelines.codecs import value_of
from tidemill.practices.pipelines.plan import required_plan
from tidemill.practices.versioning.external import verified
from tidemill.practices.versioning.file_versions import read_external, shape_of

if TYPE_CHECKING:
    from datetime import date, datetime

    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.practices.pipelines.plan import Plan


def data(
    pointer: str, *, as_of: str | date | datetime | None = None, contract: type | None = None
) -> Any:  # noqa: ANN401 - an `Output`, given to a step that takes a frame
    """Return a version of a data set as an input of the pipeline that is running.

    To a type checker it is whatever the step that it is given to takes: a frame of a table, a
    `Folder` of a folder of files, either of external data, which must still be as recorded.

    Args:
        pointer: such as `flights`, `flights@3`, `flights@reference`.
        as_of: effective time: the version that was newest then; default: the run's own.
        contract: a contract that the version must have been checked against: when it was added,
            or since (`tidemill data check`), and passed.

    Raises:
        NotFoundError: there is no such version.
        CheckFailedError: the version was neither added through this contract nor passed it since.
        ConflictError: external data are not what was recorded any more; names what changed.
        UsageError: called outside a pipeline function, inside a step say.
    """
    name = pointer.partition(":")[2] or pointer
    plan = required_plan(
        f"data({pointer!r})",
        f"give the step a parameter and pass data({pointer!r}) to it in the pipeline",
    )
    parsed = parse_pointer(pointer, project=plan.record.project, kind="data")
    if (parsed.number, parsed.at, parsed.word) == (None, None, None):
        moment = parse_time(as_of) if as_of is not None else plan.at
        parsed = msgspec.structs.replace(parsed, at=moment)
    elif as_of is not None:
        raise InvalidInputError(
            f"data({name!r}) says twice which version", fix="leave out either @ or as_of="
        )
    version = resolve(plan.record, parsed)
    artifact = find_artifact(plan.record, version.artifact)
    shape = shape_of(artifact)
    if contract is not None:
        _require_contract(plan, version, contract, shape)
    value = value_of(artifact, shape)
    if shape == "external":
        root = project_root(plan.record)
        verified(read_external(plan.record, artifact), root, str(version))
        value = msgspec.structs.replace(value, summary={"root": str(root)})
    return plan.known(value, str(version), version.run)


def _require_contract(plan: Plan, version: Version, contract: type, shape: str) -> None:
    """Accept a version that came through the contract, or that a check of it let pass since."""
    record, spec = plan.record, getattr(contract, "contract_spec", None)
    name = contract.__name__
    if shape == "external":
        raise CheckFailedError(
            f"{version} is external and no contract speaks of it, {name} neither",
            fix="leave out contract=: external data are compared with the record by themselves",
        )
    if _came_through(record, version, contract):
        return
    when = plan.at if getattr(spec, "fresh_within", "") else None
    found = judged(record, version.artifact, spec, when) if spec is not None else None
    verdict = kept_verdict(record, found) if found is not None else None
    if verdict is not None and verdict.has_passed:
        return
    check = f"tidemill data check {version} --contract {name}"
    if verdict is not None:
        raise CheckFailedError(
            f"{version} was checked against the contract {name}: {verdict.state}",
            fix=f"see what is broken: {check}; correct the data or the contract",
        )
    told = f"{check} --at {when.isoformat()}, and run with this --at" if when else check
    raise CheckFailedError(f"{version} was not checked against the contract {name}", fix=told)


def _came_through(record: Record, version: Version, contract: type) -> bool:
    """Whether a version was added through a contract, as it was declared then."""
    spec = getattr(contract, "contract_spec", None)
    name = str(getattr(spec, "data", "") or getattr(contract, "data", "") or version.ref.name)
    used = record.ports.ledger.edges([version.run], "up", 1)
    ids = [edge.artifact for edge in used if edge.role == "used"]
    kinds = find_artifacts(record, ids)
    given = {
        identity
        for identity, artifact in kinds.items()
        if artifact.kind in {"contract", "folder_contract"}
    }
    ref = ref_name(record, "contract", name)
    if find_ref(record, ref) is not None:
        given &= {one.artifact for one in versions(record, ref)}
    return bool(given)
