"""Data in a pipeline: a version of a data set, resolved when the pipeline is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.digest import ArtifactId, digest_of_value
from tidemill.core.errors import CheckFailedError, InvalidInputError
from tidemill.core.pointer import parse_pointer
from tidemill.core.times import parse_time
from tidemill.lineage.artifacts import find_artifact
from tidemill.lineage.refs import resolve
from tidemill.practices.infrastructure.project import project_root
from tidemill.practices.pipelines.codecs import value_of
from tidemill.practices.pipelines.plan import required_plan
from tidemill.practices.versioning.external import verified
from tidemill.practices.versioning.file_versions import read_external, shape_of

if TYPE_CHECKING:
    from datetime import date, datetime

    from tidemill.core.check import Verdict
    from tidemill.core.ref import Version
    from tidemill.core.run import RunId
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
        contract: what the version must keep, as it is declared now: it was added through it, or
            it is checked when the pipeline is planned, once for equal data.

    Raises:
        NotFoundError: there is no such version.
        CheckFailedError: the version breaks the contract as it is declared now.
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


def _require_contract(plan: Plan, version: Version, contract: Any, shape: str) -> None:  # noqa: ANN401 - a class of validation, which lies above
    """Accept a version that came through the contract as it is now, else judge it here and now."""
    record, name = plan.record, contract.__name__
    if shape == "external":
        raise CheckFailedError(
            f"{version} is external and no contract speaks of it, {name} neither",
            fix="leave out contract=: external data are compared with the record by themselves",
        )
    if not hasattr(contract, "contract_verdict"):
        raise InvalidInputError(f"{name} is no contract", fix=f"class {name}(tm.Contract): ...")
    if _came_through(record, version.run, ArtifactId(digest_of_value(contract.contract_spec))):
        return
    verdict: Verdict = contract.contract_verdict(record, version, plan.at)
    if verdict.has_passed:
        return
    broken = next(found for found in verdict.findings if found.state not in {"pass", "warn"})
    is_timed = getattr(contract.contract_spec, "fresh_within", "")
    when = f" --at {plan.at.isoformat()}" if is_timed else ""
    raise CheckFailedError(
        f"{version} was checked against the contract {name}: {verdict.state}"
        f" ({broken.rule}: {broken.what})",
        fix=f"see what is broken: tidemill data check {version} --contract {name}{when};"
        " correct the data or the contract",
    )


def _came_through(record: Record, run: RunId, contract: ArtifactId) -> bool:
    """Whether a run added rows, and those before added what it adds to, through one contract.

    O(appends).
    """
    maker: RunId | None = run
    while maker is not None:
        used = [edge for edge in record.ports.ledger.edges([maker], "up", 1) if edge.role == "used"]
        if not any(edge.artifact == contract for edge in used):
            return False
        maker = next((edge.source for edge in used if edge.name == "base"), None)
    return True
