"""What the record says of triggers: causes that were answered, trainings, pauses, rules seen."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tidemill.core.canonical import canonical_json
from tidemill.core.digest import digest_of
from tidemill.core.errors import ConflictError
from tidemill.core.facts import Batch, RunIsOpen, RunSealed
from tidemill.core.query import Note, Order, Query, Where
from tidemill.core.ref import RefName, Version
from tidemill.core.run import Run, RunId
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.writing import newest_version, opened
from tidemill.practices.training.decision import Past

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tidemill.lineage.record import Record
    from tidemill.practices.training.trigger import Trigger

RETRAINING = "retraining"
RESUMED = "resumed"
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
    if isinstance(newest, Version) and str(newest.artifact) == digest_of(canonical_json(trigger)):
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
    """Return the causes of a trigger that were ever taken up, and the run that did last."""
    prefix = cause_key(record, trigger, "")
    found = record.ports.ledger.keys([prefix])
    return {key.removeprefix(prefix): run for key, run in found.items()}


def past_of(record: Record, trigger: Trigger, runs: Sequence[Run], *, is_running: bool) -> Past:
    """Return what counts for a trigger's decision, from the trainings of its model."""
    states = {run.id: run.status for run in runs}
    fired = frozenset(
        key
        for key, run in answered(record, trigger.name).items()
        if states.get(run) not in _OPEN_AGAIN
    )
    ends = [effective_end(run) for run in runs if run.status in {"done", "failed"}]
    return Past(
        fired=fired, last_end=max(filter(None, ends), default=None), is_running=is_running,
        failures=failures_in_a_row(runs, trigger.name, resumed_at(record, trigger.name)),
    )  # fmt: skip


def effective_end(run: Run) -> datetime | None:
    """Return when a run ended in effective time: its own time, and as long as it really took."""
    return run.at + (run.sealed_at - run.opened_at) if run.sealed_at else None


def failures_in_a_row(runs: Sequence[Run], trigger: str, resumed: datetime | None) -> int:
    """Return how many of the trigger's newest trainings failed, since a person let it go on."""
    count = 0
    for run in runs:
        if trigger not in str(run.params.get("triggers", "")).split(","):
            continue
        if run.status == "done" or (resumed is not None and run.opened_at <= resumed):
            break
        count += run.status in {"failed", "lost"}
    return count


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
