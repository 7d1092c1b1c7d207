"""What can be done with deployments: deploy, undeploy, roll back, see, bring all up or down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import digest_of
from tidemill.core.errors import CancelledError, NotFoundError
from tidemill.core.operation import Kind, Operation
from tidemill.core.times import parse_span
from tidemill.lineage.artifacts import find_artifact, find_artifacts, read_bytes, read_value
from tidemill.lineage.attested_facts import require_versions
from tidemill.lineage.changes import Part, changes
from tidemill.lineage.fields import fields_of
from tidemill.lineage.refs import ref_name, resolve, versions
from tidemill.lineage.suggestions import closest
from tidemill.lineage.wording import short_id
from tidemill.lineage.writing import opened
from tidemill.practices.delivery.deployment import (
    Deployed,
    DeploymentSpec,
    Serving,
    ServingStatus,
    Undeployed,
    serving,
)
from tidemill.practices.delivery.request_contract import request_contract
from tidemill.practices.delivery.rollout import POLL_S, WITHIN, roll_out
from tidemill.practices.delivery.scored import ScoringSpec
from tidemill.practices.delivery.scoring import predict_data
from tidemill.practices.pipelines.release import Release
from tidemill.practices.versioning.model import read_card
from tidemill.practices.versioning.registry import model_folder
from tidemill.practices.versioning.unpassed import unpassed_checks
from tidemill.wire.listening import require_loopback

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.ports.target import ServiceStatus
    from tidemill.practices.delivery.release import Released
    from tidemill.practices.delivery.release_difference import ReleaseDifference

FOLLOW_S = 0.25


def deploy(
    record: Record, model: str, *, name: str = "", at: datetime | None = None, because: str = ""
) -> Deployed:
    """Serve a version of a model, without a failed request while it replaces another.

    Returns once the new version takes the requests. Deploying what serves already changes nothing.

    Args:
        record: the record.
        model: the version, like model:delay@champion.
        name: name of the deployment; default: the model's.
        at: effective time of the rollout; default: now.
        because: why it is deployed.

    Raises:
        RolloutFailedError: it did not become ready; what served before serves on.
        NotFoundError: there is no such version.
        NotAllowedError: serving.host is an address that others can reach.
    """
    version = resolve(record, model, kind="model")
    spec = _spec(record, version, name or version.ref.name)
    ref = ref_name(record, "deployment", spec.name)
    done = roll_out(record, ref, spec, action="deploy", because=because, at=at)
    return msgspec.structs.replace(done, failing=unpassed_checks(record, version))


def rollback(
    record: Record, name: str, *, at: datetime | None = None, because: str = ""
) -> Deployed:
    """Serve again what a deployment served before its newest version.

    Args:
        record: the record.
        name: name of the deployment.
        at: effective time of the rollout; default: now.
        because: why it is rolled back.

    Raises:
        NotFoundError: there is no such deployment, or nothing before it.
    """
    ref = ref_name(record, "deployment", name)
    newest = resolve(record, f"deployment:{name}")
    before = next((v for v in versions(record, ref) if v.artifact != newest.artifact), None)
    if before is None:
        raise NotFoundError(
            f"nothing served as {name} before {newest}", fix=f"tidemill log deployment:{name}"
        )
    require_versions(record, newest, before)
    spec = read_value(record, find_artifact(record, before.artifact), DeploymentSpec)
    reason = because or f"back from {newest} to {before}"
    return roll_out(record, ref, spec, action="rollback", because=reason, at=at)


def undeploy(
    record: Record, name: str, *, at: datetime | None = None, because: str = ""
) -> Undeployed:
    """Stop serving a deployment after its last answer; its versions stay.

    Args:
        record: the record.
        name: name of the deployment.
        at: effective time; default: now.
        because: why it is stopped.

    Raises:
        NotFoundError: nothing serves under this name.
    """
    target = record.ports.target
    if target.status(name) is None:
        names = [status.name for status in target.services()]
        near = closest(name, names)
        raise NotFoundError(
            f"nothing serves as {name}",
            fix=f"did you mean {near}?" if near else f"these serve: {', '.join(names) or 'none'}",
        )
    version = resolve(record, f"deployment:{name}")
    with opened(
        record, kind="rollout", name=name, at=at, because=because, params={"action": "undeploy"}
    ) as run:
        run.used(version.artifact, name="deployment", source=version.run)
        target.remove(name)
        _await_gone(record, name)
    return Undeployed(name=name, was=str(version), run=run.id)


def serving_status(record: Record, name: str = "") -> ServingStatus:
    """Show what serves now: state, model, address, restarts.

    Args:
        record: the record.
        name: one deployment; default: all.
    """
    found = [s for s in record.ports.target.services() if name in ("", s.name)]
    if name and not found:
        raise NotFoundError(f"nothing serves as {name}", fix="tidemill deployment status")
    return ServingStatus(services=_named(record, found))


def up(record: Record, *, detach: bool = False) -> ServingStatus:
    """Keep everything deployed serving, triggers asked, days sealed; follow it until Ctrl-C.

    One supervisor lives in a project: one that lives already is followed, and goes on afterwards;
    one that this command started is stopped with it.

    Args:
        record: the record.
        detach: return at once and leave the supervisor in the background.
    """
    target = record.ports.target
    is_ours = target.start()
    if detach:
        return serving_status(record)
    shown: dict[str, str] = {}
    try:
        while True:
            record.tell.check()
            for service in _named(record, target.services()):
                line = _line(service)
                if shown.get(service.name) != line:
                    shown[service.name] = line
                    record.tell.line(line)
            record.ports.clock.sleep(FOLLOW_S)
    except (KeyboardInterrupt, CancelledError):
        if is_ours:
            record.tell.line("stopping")
            target.stop()
        return serving_status(record)


def down(record: Record) -> ServingStatus:
    """Stop every service after its last answer; `tidemill up` serves the same again."""
    record.ports.target.stop()
    return serving_status(record)


def release(
    record: Record,
    pipeline: str,
    *,
    because: str = "",
    at: datetime | None = None,
    plan: bool = False,
) -> Released:
    """Release a pipeline: code, lock, parameters, contracts, views and triggers as one version.

    What is released runs as it is by `tidemill run NAME@ALIAS` and by triggers that name it so,
    whatever becomes of the folder. Releasing the same again adds nothing.

    Args:
        record: the record.
        pipeline: its name, like pipeline:delay; for --plan a release to compare with, delay@prod.
        because: why it is released.
        at: effective time; default: now.
        plan: only say what a release would change.

    Raises:
        NotFoundError: the project declares no such pipeline.
        InvalidInputError: a file is too big or looks like a secret.
    """
    from tidemill.practices.delivery.release import make_release  # noqa: PLC0415 - brings the views

    return make_release(record, pipeline, because=because, at=at, plan=plan)


def _spec(record: Record, version: Version, name: str) -> DeploymentSpec:
    settings = record.settings
    artifact = find_artifact(record, version.artifact)
    signature = read_card(model_folder(record, artifact)).signature
    contracts, rules = request_contract(record, version, signature)
    return DeploymentSpec(
        name=name, model=str(version.ref), number=version.number, artifact=version.artifact,
        run=version.run, signature=signature, host=require_loopback(settings.text("serving.host")),
        threads=settings.whole("serving.threads"), log=settings.text("serving.log"),
        max_rows=settings.whole("serving.max_rows"),
        log_array_bytes=settings.whole("serving.log_array_bytes"), contracts=contracts, rules=rules,
    )  # fmt: skip


def _await_gone(record: Record, name: str) -> None:
    clock = record.ports.clock
    end = clock.monotonic_s() + parse_span(WITHIN).total_seconds()
    while record.ports.target.status(name) is not None and clock.monotonic_s() < end:
        record.tell.progress(f"{name}: last answers")
        clock.sleep(POLL_S)


def _named(record: Record, found: list[ServiceStatus]) -> tuple[Serving, ...]:
    """Return services with the names of their models and deployment versions."""
    wanted = {s.deployment or s.wanted for s in found} - {None}
    artifacts = find_artifacts(record, sorted(str(identity) for identity in wanted))
    return tuple(_with_names(record, s, artifacts) for s in found)


def _with_names(record: Record, status: ServiceStatus, artifacts: dict[str, Artifact]) -> Serving:
    artifact = artifacts.get(str(status.deployment or status.wanted))
    if artifact is None:
        return serving(status, "-", "-")
    spec = read_value(record, artifact, DeploymentSpec)
    ref = ref_name(record, "deployment", status.name)
    version = next((v for v in versions(record, ref) if v.artifact == artifact.id), None)
    return serving(
        status, f"model:{spec.model_name}@{spec.number}", str(version) if version else "-"
    )


def _line(service: Serving) -> str:
    first = service.error.partition("\n")[0]
    return f"{service.name}: {service.state} {service.model} {service.address} {first}".rstrip()


def _show(record: Record, artifact: Artifact) -> DeploymentSpec:
    return read_value(record, artifact, DeploymentSpec)


def _show_scoring(record: Record, artifact: Artifact) -> ScoringSpec:
    return read_value(record, artifact, ScoringSpec)


def _diff_scorings(record: Record, old: Artifact, new: Artifact) -> Part:
    """Return what differs in what two scorings scored, and how."""
    before, after = _show_scoring(record, old), _show_scoring(record, new)
    return changes("setting", _scoring_settings(before), _scoring_settings(after))


def _scoring_settings(spec: ScoringSpec) -> dict[str, str]:
    own = {"artifact", "run", "rules", "data_artifact"}
    fields = fields_of(spec).items()
    return {name: text for name, text in fields if name.partition(".")[0] not in own}


def _diff(record: Record, old: Artifact, new: Artifact) -> Part:
    """Return what differs in how two deployments answer; which model, their summaries say."""
    return changes("setting", _settings(_show(record, old)), _settings(_show(record, new)))


def show_release(record: Record, artifact: Artifact) -> Release:
    """Return a release as it was kept."""
    return read_value(record, artifact, Release)


def diff_releases(record: Record, old: Artifact, new: Artifact) -> ReleaseDifference:
    """Return what changed from one release to another: code, lock, all that it declares."""
    from tidemill.practices.delivery.release_difference import (  # noqa: PLC0415 - few ask for it
        release_difference,
    )

    return release_difference(record, show_release(record, old), show_release(record, new), {})


def show_lock(record: Record, artifact: Artifact) -> str:
    """Return the text of a lock."""
    return read_bytes(record, artifact).decode("utf-8", "replace")


def _settings(spec: DeploymentSpec) -> dict[str, str]:
    own = {"number", "artifact", "run", "rules"}
    fields = {
        name: text for name, text in fields_of(spec).items() if name.partition(".")[0] not in own
    }
    return fields | {
        "contract rules": short_id(digest_of(spec.rules.encode())) if spec.rules else ""
    }


OPERATIONS = (
    Operation(
        function=release, command=("release",), role="contributor",
        examples=("tidemill release pipeline:delay", "tidemill release delay@prod --plan"),
    ),
    Operation(
        function=deploy, command=("deploy",), role="contributor",
        examples=("tidemill deploy model:delay@champion", "tidemill deploy model:delay@2 --name b"),
    ),
    Operation(
        function=rollback, command=("rollback",), role="contributor",
        examples=('tidemill rollback delay --because "too many late answers"',),
    ),
    Operation(
        function=predict_data, command=("predict",), role="contributor",
        examples=(
            "tidemill predict model:delay@champion data:flights@9",
            "tidemill predict model:delay@2 data:flights --window 2013-04 --out delay-april",
        ),
    ),
    Operation(
        function=undeploy, command=("undeploy",), role="contributor",
        examples=("tidemill undeploy delay",),
    ),
    Operation(
        function=serving_status, command=("deployment", "status"),
        examples=("tidemill deployment status",),
    ),
    Operation(
        function=up, command=("up",), role="contributor", faces=("cli",),
        examples=("tidemill up --detach",),
    ),
    Operation(
        function=down, command=("down",), role="contributor", faces=("cli", "python"),
        examples=("tidemill down",),
    ),
)  # fmt: skip
KINDS = (
    Kind(
        name="scoring", what="what a model scored as a whole", show=_show_scoring,
        diff=_diff_scorings,
    ),
    Kind(
        name="pipeline", what="a released pipeline: code, lock and all that it declares",
        show=show_release, diff=diff_releases,
    ),
    Kind(name="lock", what="the packages that a release runs with", show=show_lock),
    Kind(
        name="deployment", what="a version of a model as it is served", show=_show, diff=_diff
    ),
)  # fmt: skip
