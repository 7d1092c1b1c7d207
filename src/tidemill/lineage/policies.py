"""Policies: what the move of an alias needs, judged here whoever asks, a trigger too.

The policy of `model:delay@champion` is the newest version of `policy:model.delay.champion`. Which
version was judged is a condition of the move's commit, so a policy that changes meanwhile makes the
move fail instead of slipping through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.check import State, Verdict
from tidemill.core.errors import NotAllowedError
from tidemill.core.facts import Condition, RefAt
from tidemill.core.policy import Policy
from tidemill.core.query import Note, Query, Where
from tidemill.core.ref import RefName, Version
from tidemill.lineage.artifacts import find_artifact, read_value
from tidemill.lineage.attested_facts import (
    attested_artifacts,
    attested_newest,
    attested_notes,
    attested_products,
    require_versions,
)
from tidemill.lineage.teams import is_among
from tidemill.lineage.writing import find_ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.digest import ArtifactId
    from tidemill.lineage.record import Record

VERDICT = "verdict"
APPROVAL = "approval"


def policy_ref(ref: RefName, alias: str) -> RefName:
    """Return the ref that holds the policy of an alias."""
    return RefName(kind="policy", project=ref.project, name=f"{ref.kind}.{ref.name}.{alias}")


def approval_key(alias: str, actor: str) -> str:
    """Return the key of the note by which an actor approves that a version gets an alias."""
    return f"{APPROVAL}:{alias}:{actor}"


def current_policy(record: Record, ref: RefName, alias: str) -> tuple[Policy, Condition]:
    """Return the policy of an alias and the condition that it is still this one."""
    held_by = policy_ref(ref, alias)
    newest = attested_newest(record, held_by)
    if isinstance(newest, Version):
        policy = read_value(record, find_artifact(record, newest.artifact), Policy)
        return policy, RefAt(ref=held_by, number=newest.number)
    is_empty = find_ref(record, held_by) is None
    return Policy(alias=alias), RefAt(ref=held_by, number=None if is_empty else 0)


def judge_move(
    record: Record, version: Version, alias: str, verdicts: Sequence[ArtifactId]
) -> Condition:
    """Return the condition under which a version may get an alias.

    Raises:
        CorruptError: the version, its verdicts or the policy are not as the journal has them.
        NotAllowedError: the policy wants another actor, a verdict or an approval that is missing.
    """
    require_versions(record, version)
    policy, condition = current_policy(record, version.ref, alias)
    name = f"{version.ref.kind}:{version.ref.name}"
    if policy.actors and not is_among(record, record.actor, policy.actors):
        raise NotAllowedError(
            f"{record.actor} may not move {name}@{alias}; its policy names "
            f"{', '.join(policy.actors)}",
            fix=f"ask one of them, or tidemill policy set {name} {alias} --actor {record.actor}",
        )
    newest = _newest_verdicts(record, version.artifact, verdicts)
    for check in policy.verdicts:
        _require_pass(version, alias, check, newest.get(check))
    given = _approvals(record, version, alias)
    if len(given) < policy.approvals:
        raise NotAllowedError(
            f"{name}@{version.number} needs {policy.approvals} approvals for @{alias}, by others "
            f"than who moves it; it has {len(given)}",
            fix=f"tidemill approve {name}@{version.number} {alias} --because ...",
        )
    return condition


def verdict_states(
    record: Record, artifact: ArtifactId, also: Sequence[ArtifactId] = ()
) -> dict[str, State]:
    """Return the newest state of each check on an artifact, by the check's name.

    As the bytes of the verdicts say, and the seals of the runs that made them. A verdict whose
    summary names its `subject` speaks of that one alone: a comparison uses two models and judges
    the challenger.

    Raises:
        CorruptError: a verdict, or what the run that made it used, is not as the journal has it.
    """
    found = _newest_verdicts(record, artifact, also)
    return {check: verdict.state for check, verdict in found.items()}


def _newest_verdicts(
    record: Record, artifact: ArtifactId, also: Sequence[ArtifactId]
) -> dict[str, Verdict]:
    made = [(one, True) for one in attested_products(record, artifact)]
    brought = [(one, False) for one in attested_artifacts(record, also)] if also else []
    newest: dict[str, Verdict] = {}
    for one, is_tied in (*made, *brought):
        if one.kind == VERDICT and one.summary.get("subject", artifact) == artifact:
            verdict = read_value(record, one, Verdict)
            # One that the caller brings along, or that has subjects, must itself name this one.
            if artifact in verdict.subjects or (is_tied and not verdict.subjects):
                newest[verdict.check] = verdict
    return newest


def _require_pass(version: Version, alias: str, check: str, verdict: Verdict | None) -> None:
    """Refuse a version whose check has not passed; names the rule that stands in the way."""
    state = verdict.state if verdict else "not_run"
    if state in {"pass", "warn"}:
        return
    name = f"{version.ref.kind}:{version.ref.name}@{version.number}"
    why, mend = "; it has not been asked yet", ""
    if verdict is not None:
        broken = [one for one in verdict.findings if one.state not in {"pass", "warn"}]
        why = "".join(f"; {one.rule}: {one.what.partition(chr(10))[0]}" for one in broken[:1])
        why += f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        mend = broken[0].fix if broken else ""
    raise NotAllowedError(
        f"{name} may not become @{alias}: its check {check!r} says "
        f"{str(state).replace('_', ' ')}{why}",
        fix=f"{mend}; then tidemill check {name}" if mend else f"tidemill check {name}",
    )


def _approvals(record: Record, version: Version, alias: str) -> set[str]:
    subject = f"{version.ref}@{version.number}"
    where = (
        Where("subject", "=", subject),
        Where("key", "prefix", approval_key(alias, "")),
    )
    notes = record.ports.ledger.find(Query(Note, where=where))
    by_people = (
        note.actor
        for note in attested_notes(record, notes)
        if note.text and note.actor.kind != "trigger"
    )
    return {str(actor) for actor in by_people} - {str(record.actor)}
