"""What the record says of triggers: causes that were answered, trainings, pauses, rules seen."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import digest_of_value
from tidemill.core.errors import ConflictError
from tidemill.core.facts import Batch, RunIsOpen, RunSealed
from tidemill.core.query import Note, Order, Query, Where
from tidemill.core.ref import RefName, Version
from tidemill.core.run import Run, RunId
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.attested import keys_under
from tidemill.lineage.writing import newest_version, opened
from tidemill.practices.pipelines.code_identity import code_identity, environment_identity
from tidemill.practices.pipelines.release import release_of
from tidemill.practices.training.decision import Past
from tidemill.practices.training.new_rows import left_open, lets_in_new_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tidemill.lineage.record import Record
    from tidemill.practices.training.trigger import Trigger

RETRAINING = "retraining"
RESUMED = "resumed"
TRIED = "tried"
"""Parameter of a training: each of its triggers with the digest of its circumstances."""
_OPEN_AGAIN = {"lost", "cancelled"}
"""A training that never came to its end has not answered its causes."""


def trigger_ref(record: Record, name: str) -> RefName:
    """Return the ref under which a trigger's rules are versions."""
    return RefName(kind="trigger", project=record.project, name=name)


def cause_key(record: Record, trigger: str, key: str) -> str:
    """Return the unique key of a cause: whoever writes it first answers it."""
    return f"cause:{record.project}/{trigger}:{key}"


def rule_since(record: Record, trigger: Trigger, at: datetime) -> datetime:
    """Return since when (effective) a trigger has its present rule; a new rule is kept from `at`.

    What was planned before is the past of another rule, and never fires.
    """
    ref = trigger_ref(record, trigger.name)
    newest = newest_version(record, ref)
    if isinstance(newest, Version) and str(newest.artifact) == trigger.identity:
        return newest.at
    with opened(record, kind="trigger", name=trigger.name, at=at) as run:
        rule = run.made(put_value(record, "trigger", trigger, summary={"kind": trigger.kind}))
        run.version(ref, rule)
    return at


def trainings(record: Record, model: str) -> list[Run]:
    """Return the retraining runs of a model, newest first."""
    where = (
        Where("kind", "=", RETRAINING),
        Where("name", "=", model),
        Where("project", "=", record.project),
    )
    order = (Order("opened_at", descending=True),)
    return record.ports.ledger.find(Query(Run, where=where, order=order, limit=1000))


def answered(record: Record, trigger: str) -> dict[str, RunId]:
    """Return the causes of a trigger that were ever taken up, and the run that did last.

    By the journal: a key that was taken out of the table fires nothing again.
    """
    prefix = cause_key(record, trigger, "")
    found = keys_under(record, prefix)
    return {key.removeprefix(prefix): run for key, run in found.items()}


def past_of(
    record: Record,
    trigger: Trigger,
    runs: Sequence[Run],
    taken_up: Mapping[str, RunId],
    *,
    is_running: bool,
    at: datetime,
) -> Past:
    """Return what counts for a trigger's decision.

    Args:
        record: the record.
        trigger: the rule.
        runs: trainings of its model, newest first.
        taken_up: its causes and the run that took each up last, see `answered`.
        is_running: whether another process trains the model now.
        at: effective time of the decision.
    """
    open_again = {run.id for run in runs if run.status in _OPEN_AGAIN}
    own = own_runs(runs, trigger.name)
    since_done = {run.id for run in _since_done(own)}
    unanswered = {run.id for run in own if run.status == "failed" and run.id in since_done}
    in_a_row = failed_in_a_row(record, trigger, runs)
    as_now = {run.id for run in in_a_row}
    ends = [effective_end(run) for run in runs if run.status == "done"]
    same = _same_model(record, trigger, runs, taken_up)
    not_answered = open_again | unanswered | {run.id for run in same}
    waiting = {run.id for run in same if not _may_differ(record, trigger, run, at)}
    return Past(
        fired=frozenset(k for k, run in taken_up.items() if run not in not_answered),
        same_rows=frozenset(k for k, run in taken_up.items() if run in waiting),
        failed=frozenset(k for k, run in taken_up.items() if run in unanswered & as_now),
        failures=len(in_a_row), failed_end=effective_end(in_a_row[0]) if in_a_row else None,
        last_end=max(filter(None, ends), default=None), is_running=is_running,
    )  # fmt: skip


def _same_model(
    record: Record, trigger: Trigger, runs: Sequence[Run], taken_up: Mapping[str, RunId]
) -> list[Run]:
    """Return the trainings that took up an alert and gave the champion itself."""
    if trigger.kind not in {"drift", "performance"}:
        return []
    last = set(taken_up.values())
    done = [run for run in runs if run.status == "done" and run.id in last]
    found = left_open(record, [run.id for run in done])
    return [run for run in done if run.id in found]


def _may_differ(record: Record, trigger: Trigger, training: Run, at: datetime) -> bool:
    return not _is_as_now(record, trigger, training) or lets_in_new_rows(
        record, trigger, training, at
    )


def _is_as_now(record: Record, trigger: Trigger, training: Run) -> bool:
    tried = str(training.params.get(TRIED, "")).split(" ")
    return f"{trigger.name}:{circumstances(record, trigger)}" in tried


def own_runs(runs: Sequence[Run], trigger: str) -> list[Run]:
    """Return the trainings that a trigger asked for, alone or with others."""
    return [run for run in runs if trigger in str(run.params.get("triggers", "")).split(",")]


def failed_in_a_row(record: Record, trigger: Trigger, runs: Sequence[Run]) -> list[Run]:
    """Return the trigger's newest trainings that failed (or were lost), newest first.

    They end at one that did not fail, at a person's resuming, and where code, environment or rule
    were others than now: what failed then may go well now.
    """
    failed = [r for r in _since_done(own_runs(runs, trigger.name)) if r.status != "cancelled"]
    failed = [run for run in failed if run.status != "running"]
    if not failed:
        return []
    resumed, now = resumed_at(record, trigger.name), circumstances(record, trigger)
    found = []
    for run in failed:
        if resumed is not None and run.opened_at <= resumed:
            break
        if f"{trigger.name}:{now}" not in str(run.params.get(TRIED, "")).split(" "):
            break
        found.append(run)
    return found


def circumstances(record: Record, trigger: Trigger) -> str:
    """Return 12 hex digits that change with the project's code, the environment and the rule.

    Of a trigger that runs a release: with the release and the rule.
    """
    release = release_of(record, trigger.pipeline)
    if release is not None:
        rule = msgspec.structs.replace(trigger, kind="manual")
        return digest_of_value([release.artifact, rule.identity]).rpartition(":")[2][:12]
    environment = environment_identity(record.ports.workspace.environment())
    rule = msgspec.structs.replace(trigger, kind="manual")  # by hand or not is all the same
    whole = digest_of_value([code_identity(record), environment, rule.identity])
    return whole.rpartition(":")[2][:12]


def _since_done(runs: Sequence[Run]) -> list[Run]:
    done = [place for place, run in enumerate(runs) if run.status == "done"]
    return list(runs[: done[0]] if done else runs)


def effective_end(run: Run) -> datetime | None:
    """Return when a run ended in effective time: its own time, and as long as it really took."""
    return run.at + (run.sealed_at - run.opened_at) if run.sealed_at else None


def resumed_at(record: Record, trigger: str) -> datetime | None:
    """Return when (recorded) a person let a trigger go on; None: never."""
    subject = str(trigger_ref(record, trigger))
    where = (Where("subject", "=", subject), Where("key", "=", RESUMED))
    notes = record.ports.ledger.find(Query(Note, where=where, limit=1))
    return notes[0].at if notes else None


def seal_lost(record: Record, runs: Sequence[Run]) -> int:
    """Seal trainings as lost that no process holds any more; whoever calls holds their lease."""
    lost = 0
    for run in runs:
        if run.status != "running":
            continue
        sealed = RunSealed(
            run=run.id, status="lost", sealed_at=record.now(), error="its process died"
        )
        with contextlib.suppress(ConflictError):  # it came to its end just now
            record.ports.ledger.commit(
                Batch(facts=(sealed,), conditions=(RunIsOpen(run=run.id),), at=record.now())
            )
            lost += 1
    return lost
