"""Ends: what a step leaves in the record, many steps in one commit.

The end of a step is its run, its results, its memo key and the release of its lease, together: so
a step is known as done exactly when its result is durable.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.errors import ConflictError
from tidemill.core.facts import (
    ArtifactMade,
    Batch,
    Condition,
    Edge,
    Fact,
    Figured,
    Keyed,
    KeyIs,
    LeaseIs,
    Noted,
    RunOpened,
    RunSealed,
)
from tidemill.core.run import RunId
from tidemill.core.text import printable
from tidemill.kernels.secret_text import without_secrets
from tidemill.lineage.artifacts import put_value
from tidemill.ports.ledger import ConditionFailedError
from tidemill.practices.pipelines.codecs import artifact_of
from tidemill.practices.pipelines.identity.observed import observed_digest, shown, spelled
from tidemill.practices.pipelines.memo import (
    OBSERVED,
    STEP_CODE,
    STEP_CODE_KIND,
    UNDECLARED,
    Remembered,
    made_name,
    memo_key,
    recall,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.digest import Digest
    from tidemill.lineage.record import Record
    from tidemill.ports.executor import StepOutcome, Value
    from tidemill.practices.pipelines.nodes import Node

_OUTPUT_KEPT = 4000
"""Characters of what a step printed that stay on its run."""
_NAMED = 3
"""Outside modules that are named."""


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What all steps of a pipeline run share."""

    parent: RunId
    at: datetime
    code: Artifact
    environment: Artifact
    stored: dict[str, Artifact] = msgspec.field(default_factory=dict)
    """What steps reach, by its identities."""

    def code_of(self, record: Record, node: Node) -> Artifact | None:
        """Return what a step reaches as an artifact, stored once a run of a pipeline."""
        found, known = node.kept_code, node.known_code
        if found is None or known is None:
            return None
        key = f"{known.code} {known.environment} {found.options}"
        if key not in self.stored:
            self.stored[key] = put_value(record, STEP_CODE_KIND, found)
        return self.stored[key]


class StepEnd:
    """The end of one call: its node and what became of it."""

    def __init__(self, node: Node, run: RunId, outcome: StepOutcome) -> None:
        self.node, self.run, self.outcome = node, run, outcome
        self.adopted: Remembered | None = None

    @property
    def values(self) -> tuple[Value, ...]:
        """What is known of the result: ours, or that of who was faster."""
        return self.adopted.values if self.adopted else self.outcome.values

    @property
    def is_done(self) -> bool:
        """Whether the step gave a result."""
        return self.outcome.state == "done"

    @property
    def is_memoized(self) -> bool:
        """Whether the result may be reused: everything that decided it is in its identity."""
        return self.is_done and not (self.outcome.outside or self.outcome.changed)

    @property
    def key(self) -> str:
        """The key of its result: its identity, and what it observed."""
        return memo_key(self.node.identity, observed_digest(self.outcome.observed))

    @property
    def warning(self) -> str:
        """What it read undeclared, and did that nobody can verify later; "": nothing."""
        reads = [one for one in self.outcome.observed if one.kind not in {"module", "package"}]
        told = [f"reads {shown(one)}" for one in reads[:_NAMED]]
        told += [f"and {len(reads) - _NAMED} more"] if len(reads) > _NAMED else []
        told += self.outcome.told[:_NAMED]
        return ", ".join(told)

    @property
    def doubt(self) -> str:
        """Why a result is not memoized, and what to do; "": it is, or there is none."""
        if not self.is_done or self.is_memoized:
            return ""
        if self.outcome.changed:
            return (
                f"not memoized: it changed {', '.join(self.outcome.changed[:_NAMED])}, which others"
                " see; give it a parameter, and return what is new"
            )
        names = ", ".join(self.outcome.outside[:_NAMED])
        more = ", ..." if len(self.outcome.outside) > _NAMED else ""
        return (
            f"not memoized: {names}{more} was imported from outside the project; "
            "put it into the project or install it"
        )


def commit_ends(record: Record, shared: Circumstances, ends: Sequence[StepEnd]) -> None:
    """Write ends into the record, in one commit where no condition fails.

    An end whose identity somebody else has ended meanwhile adopts that result.
    """
    try:
        _commit(record, shared, ends)
    except ConflictError:
        for end in ends:
            _commit_alone(record, shared, end)


def _commit_alone(record: Record, shared: Circumstances, end: StepEnd) -> None:
    try:
        _commit(record, shared, [end])
    except ConditionFailedError:
        recalled = recall(record, [end.node.identity])  # what others observed held just now
        end.adopted = recalled.known.get(end.node.identity)
        if end.node.lease is not None:
            record.ports.ledger.release(end.node.lease)
        if end.adopted is None:  # our lease ran out, and nobody used the time
            end.node.lease = None
            end.node.replaces = recalled.stale.get(end.node.identity, {})
            _commit(record, shared, [end])


def _commit(record: Record, shared: Circumstances, ends: Sequence[StepEnd]) -> None:
    now = record.now()
    facts: list[Fact] = []
    conditions: list[Condition] = []
    objects: dict[Digest, None] = {}
    known: set[str] = set()
    for end in ends:
        for value in end.outcome.values:
            if value.artifact not in known:
                known.add(value.artifact)
                facts.append(ArtifactMade(artifact=artifact_of(value)))
            objects |= dict.fromkeys(
                [*value.objects, *([value.manifest] if value.manifest else [])]
            )
        facts += _facts(record, shared, end, now)
        code = shared.code_of(record, end.node)
        if code is not None:
            facts.append(ArtifactMade(artifact=code))
            facts.append(Edge(run=end.run, artifact=code.id, role="used", name=STEP_CODE))
            objects |= dict.fromkeys([code.manifest] if code.manifest else [])
        conditions += _conditions(end)
    batch = Batch(facts=tuple(facts), conditions=tuple(conditions), objects=tuple(objects), at=now)
    record.ports.ledger.commit(batch)


def _conditions(end: StepEnd) -> list[Condition]:
    node = end.node
    found: list[Condition] = []
    if end.is_memoized:
        found.append(KeyIs(key=end.key, run=node.replaces.get(end.key)))
    if node.lease is not None:
        found.append(LeaseIs(key=node.lease.key, token=node.lease.token, release=True))
    return found


def _facts(record: Record, shared: Circumstances, end: StepEnd, now: datetime) -> list[Fact]:
    node, run, outcome = end.node, end.run, end.outcome
    facts: list[Fact] = [
        RunOpened(
            run=run, kind="step", name=node.step.name, project=record.project,
            actor=record.actor, opened_at=node.opened_at or now, at=shared.at,
            parent=shared.parent, code=shared.code.id, environment=shared.environment.id,
            params=node.params,
        )
    ]  # fmt: skip
    facts += [
        Edge(
            run=run, artifact=slot.value.artifact, role="used", name=slot.name,
            source=slot.output.source,
        )
        for slot in node.slots
    ]  # fmt: skip
    for index, value in enumerate(outcome.values):
        name = made_name(value.codec, index, len(outcome.values))
        facts.append(Edge(run=run, artifact=value.artifact, role="made", name=name))
    facts.append(_figures(run, outcome, now))
    if outcome.output.strip():
        text = without_secrets(printable(outcome.output[-_OUTPUT_KEPT:]))
        facts.append(Noted(subject=run, key="output", text=text, actor=record.actor, at=now))
    is_done = end.is_done
    facts.append(
        RunSealed(
            run=run, status="done" if is_done else "failed", sealed_at=now,
            error="" if is_done else without_secrets(printable(_with_fix(outcome))),
        )
    )  # fmt: skip
    if end.is_memoized:
        facts.append(Keyed(key=end.key, run=run))
    told = {"memo": end.doubt, UNDECLARED: end.warning, OBSERVED: spelled(outcome.observed)}
    facts += [
        Noted(subject=run, key=key, text=text, actor=record.actor, at=now)
        for key, text in told.items()
        if text
    ]
    return facts


def _figures(run: RunId, outcome: StepOutcome, now: datetime) -> Figured:
    rows = [
        *outcome.figures,
        ("time.wall_s", outcome.wall_s, 0),
        ("time.cpu_s", outcome.cpu_s, 0),
        ("memory.peak_bytes", float(outcome.peak_bytes), 0),
    ]
    return Figured(
        run=run, keys=tuple(row[0] for row in rows), values=tuple(row[1] for row in rows),
        steps=tuple(row[2] for row in rows), at=(now,) * len(rows),
    )  # fmt: skip


def _with_fix(outcome: StepOutcome) -> str:
    return f"{error_text(outcome)} (fix: {outcome.fix})" if outcome.fix else error_text(outcome)


def error_text(outcome: StepOutcome) -> str:
    """Return what went wrong in a step: place in the user's code, and the error."""
    return f"{outcome.where}: {outcome.error}" if outcome.where else outcome.error
