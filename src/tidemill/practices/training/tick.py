"""Tick: every trigger decides once; what fires for one model becomes one training.

Any number of schedulers may tick at once: a lease per model saves work, and the unique keys of the
causes, written with the opening of the run, keep one cause to one run.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from tidemill.core.errors import CancelledError, ConflictError, LeaseHeldError, TidemillError
from tidemill.core.facts import Keyed, KeyIs
from tidemill.lineage.attested import keys_under
from tidemill.lineage.writing import opened
from tidemill.practices.pipelines.release import release_of
from tidemill.practices.training.causes import causes_of
from tidemill.practices.training.decision import decide
from tidemill.practices.training.outcome import Decision
from tidemill.practices.training.past import answered, past_of, rule_since, seal_lost, trainings
from tidemill.practices.training.retraining import (
    AnsweredElsewhereError,
    Call,
    failed_decision,
    in_release,
    retrain,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tidemill.core.query import Lease
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record
    from tidemill.practices.training.decision import Cause, Ruling
    from tidemill.practices.training.trigger import Trigger

LEASE_TTL_S = 120.0
RENEW_S = 20.0


def tick_triggers(
    record: Record,
    triggers: Sequence[Trigger],
    *,
    at: datetime,
    more: Mapping[str, Cause] | None = None,
) -> list[Decision]:
    """Let triggers decide at effective time `at`, and act; returns a decision for each.

    Args:
        record: the record.
        triggers: in the order of the file.
        at: effective time.
        more: a person's causes by the name of the trigger, in place of what the record shows.
    """
    decisions: dict[str, Decision] = {}
    for model in dict.fromkeys(trigger.model for trigger in triggers):
        own = [trigger for trigger in triggers if trigger.model == model]
        with training_alone(record, model) as is_alone:
            decisions |= _tick_model(record, own, at, more or {}, is_alone=is_alone)
    return [decisions[trigger.name] for trigger in triggers]


def _tick_model(
    record: Record,
    triggers: Sequence[Trigger],
    at: datetime,
    more: Mapping[str, Cause],
    *,
    is_alone: bool,
) -> dict[str, Decision]:
    """Several causes at once for one model merge into one training, which names all."""
    model = triggers[0].model
    if is_alone and seal_lost(record, trainings(record, model)):
        record.tell.line(f"a training of model:{model} was lost with its process")
    runs = trainings(record, model)
    taken_up = {trigger.name: answered(record, trigger.name) for trigger in triggers}
    rulings: dict[str, Ruling] = {}
    for trigger in triggers:
        if trigger.name in more:
            causes = [more[trigger.name]]
        else:
            causes = causes_of(record, trigger, rule_since(record, trigger, at), at)
        known = taken_up[trigger.name]
        past = past_of(record, trigger, runs, known, is_running=not is_alone, at=at)
        rulings[trigger.name] = decide(trigger, causes, past, at)
    firing = [t for t in triggers if rulings[t.name].action == "fire"]
    merged = [t for t in firing if t.plan() == firing[0].plan()]
    decisions = {
        t.name: _not_fired(record, t, rulings[t.name], at) for t in triggers if t not in merged
    }
    if merged:
        answer = _fire(record, _call(merged, rulings, taken_up, at))
        decisions |= {trigger.name: answer for trigger in merged}
    return decisions


def _call(
    merged: Sequence[Trigger],
    rulings: Mapping[str, Ruling],
    taken_up: Mapping[str, Mapping[str, RunId]],
    at: datetime,
) -> Call:
    causes = tuple((t.name, cause) for t in merged for cause in rulings[t.name].causes)
    return Call(
        trigger=merged[0], merged=tuple(merged), at=at, causes=causes,
        before=tuple(taken_up[name].get(cause.key) for name, cause in causes),
        because="; ".join(rulings[t.name].why for t in merged),
    )  # fmt: skip


def _fire(record: Record, call: Call) -> Decision:
    try:
        release = release_of(record, call.trigger.pipeline)
        return retrain(record, call) if release is None else in_release(record, call, release)
    except CancelledError:
        raise
    except AnsweredElsewhereError as error:
        return Decision(
            trigger=call.trigger.name, action="held", model=call.trigger.model, causes=call.keys,
            why=error.what,
        )  # fmt: skip
    except TidemillError as error:
        record.tell.line(f"the training of model:{call.trigger.model} failed: {error.what}")
        return failed_decision(call, error)


def _not_fired(record: Record, trigger: Trigger, ruling: Ruling, at: datetime) -> Decision:
    reason, why = ruling.reason, ruling.why
    if ruling.action == "idle":
        return Decision(trigger=trigger.name, action="waiting", why=why, model=trigger.model)
    if ruling.action == "fire":  # another trigger of the model, with another plan, goes first
        reason, why = "after-another", f"model:{trigger.model} is trained otherwise first"
    for cause in ruling.causes:
        _record_hold(record, trigger, cause, (reason, why), at)
    causes = tuple(f"{trigger.name}:{cause.key}" for cause in ruling.causes)
    return Decision(
        trigger=trigger.name, action="held", why=why, model=trigger.model, causes=causes
    )


def _record_hold(
    record: Record, trigger: Trigger, cause: Cause, held: tuple[str, str], at: datetime
) -> None:
    """Record once that a cause was held back for a reason; the same again says nothing new."""
    reason, why = held
    key = f"hold:{record.project}/{trigger.name}:{cause.key}:{reason}"
    if key in keys_under(record, key):
        return
    # somebody else who records the same at the same time is as good
    with contextlib.suppress(ConflictError), opened(
        record, kind="hold", name=trigger.name, at=at, because=why,
        cause=f"{trigger.name}:{cause.key}", params={"reason": reason},
    ) as run:  # fmt: skip
        for artifact, source in cause.used:
            run.used(artifact, name="cause", source=source)
        run.add(Keyed(key=key, run=run.id))
        run.require(KeyIs(key=key, run=None))


@contextlib.contextmanager
def training_alone(record: Record, model: str) -> Iterator[bool]:
    """Hold the lease of a model's training for the block, renewed; yield whether it was free."""
    ledger = record.ports.ledger
    try:
        owner = f"{ledger.owner()}/{record.ports.clock.new_id()[-8:]}"
        lease = ledger.lease(f"training:{record.project}/{model}", owner, LEASE_TTL_S)
    except LeaseHeldError:
        yield False
        return
    stop = _renewed(record, lease)
    try:
        yield True
    finally:
        stop()
        ledger.release(lease)


def _renewed(record: Record, lease: Lease) -> Callable[[], None]:
    """Renew a lease from a thread of its own, since a training may take any time; return a stop."""
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.wait(RENEW_S):
            record.ports.ledger.renew(lease, LEASE_TTL_S)

    thread = threading.Thread(target=renew, name="training lease", daemon=True)
    thread.start()

    def stop() -> None:
        is_over.set()
        thread.join()

    return stop
