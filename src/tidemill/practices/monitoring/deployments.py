"""What a deployment served: read from its artifact, without the practice that deploys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import ArtifactId
from tidemill.core.errors import NotFoundError
from tidemill.core.pointer import Pointer, parse_pointer
from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Ref
from tidemill.core.run import RunId
from tidemill.core.signature import Signature
from tidemill.core.task import Task
from tidemill.kernels.row_rules import decode_request_rules
from tidemill.lineage.artifacts import find_artifact, read_value, tree_entries
from tidemill.lineage.paging import every
from tidemill.lineage.refs import ref_name, resolve, versions
from tidemill.lineage.suggestions import closest
from tidemill.lineage.writing import find_ref
from tidemill.practices.versioning.evidence import Evidence, evidence_of

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.ref import RefName, Version
    from tidemill.lineage.record import Record


WATCHED = "watched"
"""Kind of the ref of a model that is served elsewhere."""
SCORING = "scoring"
"""Kind of the ref of data that a model scored as a whole."""


def require_deployment(record: Record, name: str) -> None:
    """Refuse a name that nothing was ever deployed under. Raises NotFoundError, names the closest.

    Predictions that lie in the record without their deployment (from another place) count too.
    """
    if find_ref(record, ref_name(record, "predictions", name)) is None:
        resolve(record, f"deployment:{name}", kind="deployment")


def require_predictions(record: Record, labels: RefName) -> None:
    """Refuse labels of a name that nothing predicts under and that has no labels either.

    Raises:
        NotFoundError: names the closest.
    """
    if find_ref(record, labels) is not None:
        return
    where = (
        Where("ref.kind", "in", ("predictions", "deployment", WATCHED, SCORING)),
        Where("ref.project", "=", labels.project),
    )
    found = every(record.ports.ledger, Query(Ref, where=where, order=(Order("ref.name"),)))
    names = list(dict.fromkeys(ref.ref.name for ref in found))
    if labels.name in names:
        return
    near = closest(labels.name, names)
    known = f"these predict: {', '.join(names)}" if names else (
        f"tidemill deploy model:{labels.name}, or bring predictions made elsewhere: "
        f"tidemill predictions add {labels.name} FILE --key COLUMN --time COLUMN"
    )  # fmt: skip
    raise NotFoundError(
        f"nothing predicts as {labels.name!r}, so nothing can have these labels",
        fix=f"did you mean {near}?" if near else known,
    )


class ServedModel(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a deployment's artifact that watching needs (kind `deployment`)."""

    name: str
    model: str
    number: int
    artifact: ArtifactId
    run: RunId
    signature: Signature
    rules: str = ""
    task: Task | None = None
    """What it predicts, where it is served elsewhere; else its model says it."""

    @property
    def is_registered(self) -> bool:
        """Whether the registry knows the model; of others there is a name only."""
        return self.number > 0

    @property
    def pointer(self) -> str:
        """The version of the model, as one types it."""
        return f"{self.model}@{self.number}"

    @property
    def short_name(self) -> str:
        """The version of the model without its project."""
        if not self.is_registered:
            return self.model
        kind, _, name = self.model.partition(":")
        return f"{kind}:{name.rpartition('/')[2]}@{self.number}"


class _ModelHead(msgspec.Struct, frozen=True):
    task: Task


def served_now(record: Record, name: str, at: datetime | None = None) -> Version:
    """Return the version of `deployment:NAME` that was the newest at a time.

    Raises:
        NotFoundError: nothing was deployed under this name by then; names the closest.
    """
    pointer = Pointer(kind="deployment", project=record.project, name=name, at=at)
    return resolve(record, pointer)


def read_deployment(record: Record, artifact: str) -> ServedModel:
    """Return what a deployment's artifact says. Raises NotFoundError."""
    return read_value(record, find_artifact(record, artifact), ServedModel)


def deployed_versions(record: Record, ref: RefName) -> dict[str, Version]:
    """Return the newest version of each artifact of a deployment, by artifact."""
    return {v.artifact: v for v in reversed(versions(record, ref))}


def served_task(record: Record, served: ServedModel) -> Task:
    """Return what a served model predicts. Raises NotFoundError: nothing says so."""
    return served.task or model_task(record, served.artifact)


def model_task(record: Record, model: str) -> Task:
    """Return the task of a model's artifact, from the head that lies beside its file.

    Raises:
        NotFoundError: the model's files are gone, or name no task.
    """
    artifact = find_artifact(record, model)
    for entry in tree_entries(record, artifact):
        if entry.path == "model.json":
            data = b"".join(record.ports.objects.get(entry.digest))
            return msgspec.json.decode(data, type=_ModelHead).task
    raise NotFoundError(
        f"{artifact} has no model.json, so nothing says what it predicts",
        fix="register it again with `tidemill model add`",
    )


def rule_names(served: ServedModel) -> tuple[str, ...]:
    """Return the names of the request contract's rules, in the order of the logged bits."""
    return tuple(rule.name for rule in decode_request_rules(served.rules))


def served_evidence(record: Record, served: ServedModel) -> Evidence:
    """Return the report and sample that a served model came with; nothing of an unknown one."""
    if not served.is_registered:
        return Evidence()
    return evidence_of(record, served_version(record, served))


def watched_names(record: Record) -> list[str]:
    """Return every name under which predictions are logged or told: deployments, and WATCHED."""
    where = (
        Where("ref.kind", "in", ("deployment", WATCHED, SCORING)),
        Where("ref.project", "=", record.project),
    )
    query = Query(Ref, where=where, order=(Order("ref.name"),))
    return list(dict.fromkeys(ref.ref.name for ref in every(record.ports.ledger, query)))


def served_version(record: Record, served: ServedModel) -> Version:
    """Return the version of the model that a deployment serves. Raises NotFoundError."""
    return resolve(record, parse_pointer(served.pointer, project=record.project))
