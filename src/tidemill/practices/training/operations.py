"""What continuous training does: compare models, let triggers decide, fire, resume, list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError, UsageError
from tidemill.core.facts import Batch, Noted
from tidemill.core.operation import Kind, Operation
from tidemill.core.query import Order, Query, Where
from tidemill.core.run import Run
from tidemill.core.text import counted
from tidemill.lineage.artifacts import find_artifacts, read_value
from tidemill.lineage.paging import every
from tidemill.practices.pipelines.release import release_of
from tidemill.practices.training.decision import FAILURES, Cause
from tidemill.practices.training.missing import missing_notes
from tidemill.practices.training.outcome import (
    WORKING_COPY,
    Answered,
    AnsweredCauses,
    Decision,
    Decisions,
    TriggerState,
    TriggerStates,
    undecided,
)
from tidemill.practices.training.past import (
    RESUMED,
    RETRAINING,
    failed_in_a_row,
    own_runs,
    trainings,
    trigger_ref,
)
from tidemill.practices.training.rules import find_trigger, project_triggers
from tidemill.practices.training.trigger import Trigger

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.lineage.record import Record
    from tidemill.practices.training.backtest import Backtest
    from tidemill.practices.training.comparison import ModelComparison


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger goes on."""

    trigger: str
    failures: int
    because: str

    def __str__(self) -> str:
        return f"{self.trigger} goes on after {self.failures} failed trainings: {self.because}"

    __repr__ = __str__


def compare_models(  # noqa: PLR0913 - two models, and rows of either kind
    record: Record,
    challenger: str,
    champion: str,
    *,
    window: str = "",
    deployment: str = "",
    data: str = "",
    group: str = "",
    weight: str = "",
    at: datetime | None = None,
) -> ModelComparison:
    """Say whether a challenger is better than a champion, with the error that is promised.

    Args:
        challenger: the version that wants to replace, like model:delay@7.
        champion: the version to be replaced, like model:delay@champion.
        window: of effective time, whose predictions are the rows: 2013-04 or START..END.
        deployment: whose predictions are the rows; left out: the champion's name.
        data: a data version whose rows both are asked about, instead of a window of predictions.
        group: of data: column of an entity whose rows hang together; left out: the evaluation's.
        weight: of data: column of the weights of rows; left out: the evaluation's.
        at: effective time; labels known by then count.
    """
    from tidemill.practices.training.compared_data import compare_on_data  # noqa: PLC0415 - heavy
    from tidemill.practices.training.comparison import compare  # noqa: PLC0415 - heavy

    if bool(window) == bool(data):
        raise UsageError(
            "compare on a window of predictions or on a data version, one of them",
            fix="add --window 2013-04, or --data data:NAME@N",
        )
    if data:
        return compare_on_data(
            record, challenger, champion, data, group=group, weight=weight, at=at
        )
    if group or weight:
        raise UsageError(
            "in a window rows count as they did in the challenger's evaluation",
            fix="evaluate(..., group=..., weight=...), or compare on --data",
        )
    return compare(record, challenger, champion, window=window, deployment=deployment, at=at)


def backtest_model(
    record: Record, model: str, *, window: str, deployment: str = "", at: datetime | None = None
) -> Backtest:
    """Say how a version would have done where something else served; decides nothing.

    Args:
        model: the version, like model:delay@1.
        window: of effective time: 2013-04, 2013-04-07 or START..END.
        deployment: whose predictions are the rows; left out: the model's name.
        at: effective time; labels known by then count.
    """
    from tidemill.practices.training.backtest import backtest  # noqa: PLC0415 - brings Polars

    return backtest(record, model, window=window, deployment=deployment, at=record.moment(at))


def tick(record: Record, *, at: datetime | None = None) -> Decisions:
    """Let every trigger decide, and act: train, compare, promote, deploy.

    Args:
        at: effective time.
    """
    from tidemill.practices.training.tick import tick_triggers  # noqa: PLC0415 - heavy

    triggers = project_triggers(record)
    found = tick_triggers(record, triggers, at=record.moment(at))
    told = [
        decision
        if decision.action == "fired"
        else msgspec.structs.replace(decision, notes=missing_notes(record, trigger))
        for trigger, decision in zip(triggers, found, strict=True)
    ]
    return Decisions(decisions=tuple(dict.fromkeys(told)))


def fire_trigger(
    record: Record, name: str, *, because: str, at: datetime | None = None
) -> Decision:
    """Fire a trigger by hand, whatever its kind; pause and cooldown do not hold it.

    Args:
        name: of the trigger.
        because: why.
        at: effective time.
    """
    from tidemill.practices.training.tick import tick_triggers  # noqa: PLC0415 - heavy

    if not because.strip():
        raise InvalidInputError("firing by hand needs a reason", fix='--because "..."')
    by_hand = msgspec.structs.replace(find_trigger(record, name), kind="manual")
    cause = Cause(key=record.ports.clock.new_id(), what=f"{record.actor}: {because}")
    (decision,) = tick_triggers(record, [by_hand], at=record.moment(at), more={name: cause})
    return decision


def resume_trigger(record: Record, name: str, *, because: str) -> Resumed:
    """Let a trigger go on that was paused after failed trainings.

    Args:
        name: of the trigger.
        because: what was mended.
    """
    if not because.strip():
        raise InvalidInputError("resuming needs a reason", fix='--because "..."')
    trigger, now = find_trigger(record, name), record.now()
    failures = len(failed_in_a_row(record, trigger, trainings(record, trigger.model)))
    noted = Noted(
        subject=str(trigger_ref(record, name)), key=RESUMED, text=because, actor=record.actor,
        at=now,
    )  # fmt: skip
    record.ports.ledger.commit(Batch(facts=(noted,), at=now))
    return Resumed(trigger=name, failures=failures, because=because)


def list_triggers(record: Record, *, at: datetime | None = None) -> TriggerStates:
    """List the triggers of the project and what came of them.

    Args:
        at: effective time; later trainings are not seen.
    """
    triggers = project_triggers(record)
    return TriggerStates(triggers=tuple(_state(record, one, at) for one in triggers))


def list_decisions(
    record: Record, *, since: datetime | None = None, until: datetime | None = None
) -> AnsweredCauses:
    """List every training that triggers fired and what came of it, failed ones too, oldest first.

    Args:
        since: effective time, included; left out: from the beginning.
        until: effective time, included; left out: to the end.
    """
    where = [
        Where("kind", "=", RETRAINING),
        Where("project", "=", record.project),
        *([Where("at", ">=", since)] if since else []),
        *([Where("at", "<=", until)] if until else []),
    ]
    query = Query(Run, where=tuple(where), order=(Order("at"),))
    runs = list(every(record.ports.ledger, query))
    edges = record.ports.ledger.edges([run.id for run in runs], "down", 1) if runs else []
    made = {edge.artifact: edge.run for edge in edges if edge.role == "made"}
    kept = find_artifacts(record, list(made)) if made else {}
    told = {
        made[artifact.id]: show_decision(record, artifact)
        for artifact in kept.values()
        if artifact.kind == "decision"
    }
    found = [Answered(at=run.at, decision=told.get(run.id) or undecided(run)) for run in runs]
    return AnsweredCauses(answered=tuple(sorted(found, key=lambda one: one.at)))


def _state(record: Record, trigger: Trigger, at: datetime | None) -> TriggerState:
    runs = [run for run in trainings(record, trigger.model) if at is None or run.at <= at]
    own = own_runs(runs, trigger.name)
    failed = [run for run in own if run.status in {"failed", "lost"}]
    rules = {
        "schedule": f"every {trigger.every}",
        "data": f"{counted(trigger.min_rows, 'new row')} of {trigger.ref}",
        "manual": "by hand",
    }
    return TriggerState(
        name=trigger.name, kind=trigger.kind, model=trigger.model, runs=_runs(record, trigger),
        rule=rules.get(trigger.kind, f"on an alert of {trigger.served_as}"),
        is_paused=len(failed_in_a_row(record, trigger, runs)) >= FAILURES,
        fired=len(own), failed=len(failed),
        last=f"{own[0].status} {own[0].at:%Y-%m-%d}" if own else "never",
        error=own[0].error.partition("\n")[0] if own and own[0] in failed else "",
        notes=missing_notes(record, trigger),
    )  # fmt: skip


def _runs(record: Record, trigger: Trigger) -> str:
    release = release_of(record, trigger.pipeline)
    if release is None:
        return f"{trigger.pipeline} ({WORKING_COPY})"
    return f"{trigger.pipeline} ({release.number})"


def answer_causes(record: Record, call: str) -> Decision:
    """Train inside a release, as a trigger's decision in another process asks for.

    Args:
        call: the causes and the rule, as JSON.
    """
    from tidemill.practices.training.retraining import Call, retrain  # noqa: PLC0415 - heavy

    return retrain(record, msgspec.json.decode(call, type=Call))


def show_trigger(record: Record, artifact: Artifact) -> Trigger:
    """Return a trigger's rule as it was kept."""
    return read_value(record, artifact, Trigger)


def show_decision(record: Record, artifact: Artifact) -> Decision:
    """Return a decision as it was kept."""
    return read_value(record, artifact, Decision)


OPERATIONS = (
    Operation(
        function=compare_models,
        command=("model", "compare"),
        role="contributor",
        examples=(
            "tidemill model compare model:delay@2 model:delay@champion --window 2013-04",
            "tidemill model compare model:delay@2 model:delay@1 --data data:holdout --group plane",
        ),
        failed=lambda found: not found.is_better,
    ),
    Operation(
        function=backtest_model,
        command=("model", "backtest"),
        examples=("tidemill model backtest model:delay@1 --window 2013-06",),
    ),
    Operation(
        function=tick,
        command=("trigger", "tick"),
        role="contributor",
        examples=("tidemill trigger tick --at 2013-05-01",),
    ),
    Operation(function=answer_causes, command=("trigger", "answer"), role="contributor", faces=()),
    Operation(
        function=fire_trigger,
        command=("trigger", "fire"),
        role="contributor",
        examples=('tidemill trigger fire monthly --because "a new airport"',),
    ),
    Operation(
        function=resume_trigger,
        command=("trigger", "resume"),
        role="maintainer",
        examples=('tidemill trigger resume monthly --because "the disk is larger now"',),
    ),
    Operation(
        function=list_triggers,
        command=("trigger", "list"),
        examples=("tidemill trigger list --at 2013-06-01",),
    ),
    Operation(
        function=list_decisions,
        command=("trigger", "decisions"),
        examples=("tidemill trigger decisions --since 2013-06-01",),
    ),
)
KINDS = (
    Kind(name="trigger", what="the rule of a trigger", show=show_trigger),
    Kind(name="decision", what="what came of a trigger that fired", show=show_decision),
)
