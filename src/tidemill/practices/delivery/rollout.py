"""One rollout: a run that makes a deployment, waits until it serves, and gives it its number.

The deployment is in the record before the first request reaches it, so that every prediction can be
explained. It becomes a version only once it serves; where it does not, what served before is asked
for again and the run has failed.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tidemill.core.errors import ConflictError, TidemillError
from tidemill.core.times import parse_span
from tidemill.lineage.artifacts import find_artifact, put_value, read_value
from tidemill.lineage.attested_facts import changed, require_versions
from tidemill.lineage.refs import resolve
from tidemill.lineage.writing import newest_version, opened
from tidemill.ports.target import ServiceSpec
from tidemill.practices.delivery.deployment import Deployed, DeploymentSpec, RolloutFailedError
from tidemill.practices.versioning.registry import model_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.ref import RefName, Version
    from tidemill.lineage.record import Record
    from tidemill.ports.target import ServiceStatus

POLL_S = 0.05
WITHIN = "90s"
"""How long a deployment may take to serve."""
BACK_WITHIN = "5s"
"""How long is waited to see that what served before is as it was."""


def deployment_artifact(record: Record, spec: DeploymentSpec) -> Artifact:
    """Return a deployment as an artifact; stored, not yet in the record."""
    summary = {"model": f"{spec.model_name}@{spec.number}", "log": spec.log}
    return put_value(record, "deployment", spec, summary=summary)


def roll_out(  # noqa: PLR0913 - what a run is opened with
    record: Record,
    ref: RefName,
    spec: DeploymentSpec,
    *,
    action: str,
    because: str,
    cause: str = "",
    at: datetime | None = None,
) -> Deployed:
    """Make a deployment serve and give it the next number of `deployment:NAME`.

    The same deployment serving already: nothing is written.

    Raises:
        RolloutFailedError: it did not become ready; what served before serves on.
        LeaseHeldError: another rollout of this name is under way.
        CorruptError: the model's version is not what the journal says of it.
    """
    _require_registered(record, spec)
    artifact = deployment_artifact(record, spec)
    with _alone(record, ref):
        before = record.ports.target.status(spec.name)
        newest = newest_version(record, ref)
        if _serves(before, artifact) and not isinstance(newest, int) and (
            newest.artifact == artifact.id
        ):  # fmt: skip
            return _deployed(spec, newest, before)
        with opened(
            record, kind="rollout", name=spec.name, at=at, because=because, cause=cause,
            params={"action": action, "model": f"{spec.model_name}@{spec.number}"},
        ) as run:  # fmt: skip
            run.used(spec.artifact, name="model", source=spec.run)
            for contract in spec.contracts:
                run.used(contract, name="contract")
            run.made(artifact, name="deployment")
            run.announce()
            status = _applied(record, service_spec(record, spec, artifact), before)
            pending = run.version(ref, artifact)
    return _deployed(spec, pending.version, status, run=run.id)


def _require_registered(record: Record, spec: DeploymentSpec) -> None:
    """Check that a deployment serves the model that the journal has under its number."""
    version = resolve(record, f"{spec.model}@{spec.number}")
    require_versions(record, version)
    if (version.artifact, version.run) != (spec.artifact, spec.run):
        raise changed(f"the deployment of {version} names another model")


def service_spec(record: Record, spec: DeploymentSpec, artifact: Artifact) -> ServiceSpec:
    """Return what a target is asked for; the model's files are checked out and verified."""
    model = find_artifact(record, spec.artifact)
    return ServiceSpec(
        name=spec.name, deployment=artifact.id, model=spec.artifact, model_name=spec.model_name,
        model_version=str(spec.number), model_folder=str(model_folder(record, model)),
        host=spec.host, port=0, threads=spec.threads, log=spec.log, max_rows=spec.max_rows,
        log_array_bytes=spec.log_array_bytes, contract=spec.rules,
    )  # fmt: skip


def _applied(record: Record, wanted: ServiceSpec, before: ServiceStatus | None) -> ServiceStatus:
    try:
        record.ports.target.apply(wanted)
        return _awaited(record, wanted)
    except ConflictError:
        raise  # somebody else asked for something else meanwhile: theirs now
    except (TidemillError, KeyboardInterrupt):
        _put_back(record, wanted.name, before)
        raise


def _awaited(record: Record, wanted: ServiceSpec) -> ServiceStatus:
    clock, target = record.ports.clock, record.ports.target
    began, within_s = clock.monotonic_s(), parse_span(WITHIN).total_seconds()
    while True:
        record.tell.check()
        status = target.status(wanted.name)
        if status is None or status.wanted != wanted.deployment:
            raise ConflictError(
                f"another deploy or undeploy of {wanted.name} took over",
                fix="tidemill deployment status shows what serves",
            )
        if status.state == "ready" and status.deployment == wanted.deployment:
            return status
        waited_s = clock.monotonic_s() - began
        if status.state == "failed" or waited_s > within_s:
            raise RolloutFailedError(
                f"{wanted.name} did not become ready with {wanted.model_name}"
                f"@{wanted.model_version} in {waited_s:.0f} s: {status.error or 'it still starts'}",
                fix="mend what the log says and deploy again; what served before serves on",
            )
        record.tell.progress(f"{wanted.name}: {status.state}")
        clock.sleep(POLL_S)


def _put_back(record: Record, name: str, before: ServiceStatus | None) -> None:
    """Ask for what served before again, so that a deployment that failed is not tried later."""
    if before is None or before.wanted is None:
        record.ports.target.remove(name)
        return
    artifact = find_artifact(record, before.wanted)
    spec = read_value(record, artifact, DeploymentSpec)
    record.ports.target.apply(service_spec(record, spec, artifact))
    end = record.ports.clock.monotonic_s() + parse_span(BACK_WITHIN).total_seconds()
    while record.ports.target.status(name) != before and record.ports.clock.monotonic_s() < end:
        record.ports.clock.sleep(POLL_S)


@contextmanager
def _alone(record: Record, ref: RefName) -> Iterator[None]:
    ledger = record.ports.ledger
    lease = ledger.lease(f"rollout:{ref}", ledger.owner(), 2 * parse_span(WITHIN).total_seconds())
    try:
        yield
    finally:
        ledger.release(lease)


def _serves(status: ServiceStatus | None, artifact: Artifact) -> bool:
    return status is not None and (status.state, status.deployment, status.wanted) == (
        "ready", artifact.id, artifact.id,
    )  # fmt: skip


def _deployed(
    spec: DeploymentSpec, version: Version, status: ServiceStatus | None, run: str = ""
) -> Deployed:
    return Deployed(
        name=spec.name, deployment=str(version), model=f"model:{spec.model_name}@{spec.number}",
        address=status.address if status else "", is_new=bool(run), run=run,
    )  # fmt: skip
