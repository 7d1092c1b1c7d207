"""Retraining: train, ask the gates, compare, and only where it is better promote and deploy."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.actor import Actor
from tidemill.core.errors import (
    CancelledError,
    CheckFailedError,
    ConflictError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    TidemillError,
    UnavailableError,
)
from tidemill.core.facts import Keyed, KeyIs
from tidemill.core.ref import RefName
from tidemill.core.run import RunId
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.refs import move_alias, resolve
from tidemill.lineage.writing import find_ref, opened
from tidemill.ports.ledger import ConditionFailedError
from tidemill.practices.delivery.operations import deploy
from tidemill.practices.drift.alerts import resolve_superseded
from tidemill.practices.integration.project_check import run_gates
from tidemill.practices.pipelines.operations import run_pipeline
from tidemill.practices.pipelines.released import call_in_release, prepare
from tidemill.practices.training.calendar import filled, latest_window
from tidemill.practices.training.compared_data import compare_on_data
from tidemill.practices.training.comparison import compare
from tidemill.practices.training.decision import Cause
from tidemill.practices.training.missing import window_notes
from tidemill.practices.training.outcome import WORKING_COPY, Decision
from tidemill.practices.training.past import RETRAINING, TRIED, cause_key, circumstances
from tidemill.practices.training.trigger import Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tidemill.core.digest import ArtifactId
    from tidemill.core.ref import Version
    from tidemill.core.run import Scalar
    from tidemill.core.times import Window
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft
    from tidemill.practices.training.comparison import ModelComparison

REFUSALS = (CheckFailedError, InvalidInputError, NotAllowedError, NotFoundError)
"""A challenger that cannot be compared or promoted is refused; that is no failed training."""


class AnsweredElsewhereError(ConflictError):
    """Another process has taken up a cause between the decision and the training."""

    code = "TM502"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The causes that one training answers: the leading trigger's, and those merged into it."""

    trigger: Trigger
    merged: tuple[Trigger, ...]
    """The trigger, and those that asked for the same."""
    causes: tuple[tuple[str, Cause], ...]
    """Name of the trigger, and its cause."""
    before: tuple[RunId | None, ...]
    """For each cause the run that took it up before, when it was decided."""
    because: str
    at: datetime

    @property
    def triggers(self) -> str:
        """The names of all triggers that asked, the leading one first."""
        return ",".join(trigger.name for trigger in self.merged)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every cause with its trigger, as the record names it."""
        return tuple(f"{name}:{cause.key}" for name, cause in self.causes)


def retrain(record: Record, call: Call) -> Decision:
    """Answer causes by one training; the run opens only if nobody took one up meanwhile.

    Raises:
        AnsweredElsewhereError: another process has taken up one of the causes.
        TidemillError: the training failed; the run says why.
    """
    acting, window = _acting(record, call), latest_window(call.trigger.window, call.at)
    params = filled(call.trigger.params, window, call.at)
    with _opened(acting, call, window) as run:
        decision = _Training(acting, call, run, window).decide(params)
        run.made(put_value(acting, "decision", decision, summary={"outcome": decision.outcome}))
    return decision


def in_release(record: Record, call: Call, release: Version) -> Decision:
    """Answer causes inside a release: its code, its environment, its bounds and contracts.

    Raises:
        AnsweredElsewhereError: another process has taken up one of the causes.
        TidemillError: the training failed, or the release could not be restored; the run says why.
    """
    try:
        prepare(record, release)
    except CancelledError:
        raise
    except TidemillError as error:
        acting, window = _acting(record, call), latest_window(call.trigger.window, call.at)
        with _opened(acting, call, window, ran=str(release)) as run:
            run.used(release.artifact, name="release", source=release.run)
            raise error from None
    text = msgspec.json.encode(call).decode()
    return call_in_release(record, release, "answer_causes", {"call": text}, Decision)


def _acting(record: Record, call: Call) -> Record:
    actor = Actor(name=call.trigger.name, kind="trigger", known_by="trigger")
    return dataclasses.replace(record, actor=actor)


@contextlib.contextmanager
def _opened(record: Record, call: Call, window: Window, *, ran: str = "") -> Iterator[RunDraft]:
    """Open the training's run, its causes taken up, with the release that it runs in."""
    with opened(
        record, kind=RETRAINING, name=call.trigger.model, at=call.at, because=call.because,
        cause="; ".join(call.keys)[:2000],
        params={
            "triggers": call.triggers, "window": str(window), "pipeline": call.trigger.pipeline,
            "ran": ran or ran_here(record),
            TRIED: " ".join(f"{one.name}:{circumstances(record, one)}" for one in call.merged),
        },
    ) as run:  # fmt: skip
        if pointer := record.ports.environments.release:
            release = resolve(record, pointer)
            run.used(release.artifact, name="release", source=release.run)
        _take_up(record, run, call)
        yield run


def ran_here(record: Record) -> str:
    """Return the release that this process runs, else that it is the working copy."""
    pointer = record.ports.environments.release
    return str(resolve(record, pointer)) if pointer else WORKING_COPY


def _take_up(record: Record, run: RunDraft, call: Call) -> None:
    """Tie the causes to the run: in one commit with its opening, so one cause has one run.

    A cause whose training failed is tied to the next one, of those that saw the failure only one.
    """
    for (name, cause), before in zip(call.causes, call.before, strict=True):
        key = cause_key(record, name, cause.key)
        run.add(Keyed(key=key, run=run.id))
        run.require(KeyIs(key=key, run=before))
        for artifact, source in cause.used:
            run.used(artifact, name="cause", source=source)
    try:
        run.announce()
    except ConditionFailedError:
        raise AnsweredElsewhereError(
            "another process answers the same cause", fix="tidemill trigger decisions"
        ) from None


class _Training:
    """The way from a trained candidate to a promoted one, or to the reason why not."""

    def __init__(self, record: Record, call: Call, run: RunDraft, window: Window) -> None:
        self.record, self.call, self.run, self.window = record, call, run, window
        self.trigger = call.trigger
        self.told = Decision(
            trigger=self.trigger.name, action="fired", why=call.because, model=self.trigger.model,
            causes=call.keys, run=run.id, window=str(window), ran=ran_here(record),
        )  # fmt: skip

    def decide(self, params: Mapping[str, Scalar]) -> Decision:
        """Train and go as far as the evidence allows."""
        candidate = self._train(params)
        if candidate is None:
            return self._same("the pipeline gave no new candidate: nothing has changed")
        self._tell(candidate=str(candidate))
        self.run.used(candidate.artifact, name="candidate", source=candidate.run)
        gates = self._gates(candidate)
        if gates is None or not self.trigger.promote:
            return self.told
        champion = self._champion()
        if champion is not None and champion.artifact == candidate.artifact:
            return self._same(f"{candidate} equals the champion: nothing to promote")
        try:
            verdicts = [gates, *self._compared(candidate, champion)]
        except REFUSALS as error:
            self._tell(notes=window_notes(self.record, self.trigger))
            return self._end(f"refused, not comparable: {error.what}")
        if self.told.outcome:
            return self.told
        return self._promote(candidate, verdicts)

    def _same(self, outcome: str) -> Decision:
        """End without another model; alerts stay causes, as nothing has answered them."""
        self._tell(is_same_model=True)
        if any(one.kind in {"drift", "performance"} for one in self.call.merged):
            outcome += "; the alert is tried again once new rows can be let in"
        return self._end(outcome)

    def _train(self, params: Mapping[str, Scalar]) -> Version | None:
        texts = {name: str(value) for name, value in params.items()}
        done = run_pipeline(
            self.record, self.trigger.pipeline, params=texts, at=self.call.at,
            because=self.call.because, cause=self.told.causes[0], parent=self.run.id,
        )  # fmt: skip
        start = f"model:{self.trigger.model}@"
        made = [pointer for pointer in done.versions if pointer.startswith(start)]
        return resolve(self.record, made[-1]) if made else None

    def _gates(self, candidate: Version) -> ArtifactId | None:
        """Ask every gate, as `tidemill check MODEL` does; None: they say no, the outcome which."""
        report = run_gates(self.record, str(candidate), at=self.call.at)
        (combined,) = report.combined
        self._tell(gates=combined.state)
        if combined.verdict is not None:
            self.run.used(combined.verdict, name="gates", source=combined.run)
        if combined.state in {"pass", "warn"}:
            return combined.verdict
        failed = [f for f in combined.findings if f.state not in {"pass", "warn"}]
        self._end("refused by the gates: " + "; ".join(f"{f.rule}: {f.what}" for f in failed[:3]))
        return None

    def _champion(self) -> Version | None:
        ref = RefName(kind="model", project=self.record.project, name=self.trigger.model)
        found = find_ref(self.record, ref)
        if found is None or self.trigger.promote not in found.aliases:
            return None
        return resolve(self.record, f"model:{self.trigger.model}@{self.trigger.promote}")

    def _compared(self, candidate: Version, champion: Version | None) -> list[ArtifactId]:
        """Return the verdict of the comparison; an outcome is set where it does not let pass."""
        if champion is None:
            if not self.trigger.promote_first:
                self._end(
                    f"there is no @{self.trigger.promote} yet: a person decides about the first; "
                    f"tidemill promote {candidate} {self.trigger.promote} --because ..."
                )
            return []
        found = self._comparison(str(candidate), str(champion))
        self.run.used(found.verdict, name="comparison", source=found.run)
        self._tell(
            champion=str(champion), difference=found.difference, low=found.low, high=found.high,
            window=found.window,
        )  # fmt: skip
        if found.difference is not None:
            self.run.figure("gain", found.difference)
        if not found.is_better:
            failed = [f for f in found.findings if f.state not in {"pass", "warn"}]
            self._end("refused: " + "; ".join(f"{f.rule}: {f.what}" for f in failed))
        return [found.verdict]

    def _comparison(self, candidate: str, champion: str) -> ModelComparison:
        at, data = self.call.at, self.trigger.compare
        if data:
            return compare_on_data(self.record, candidate, champion, data, at=at)
        return compare(
            self.record, candidate, champion, window=str(self.window),
            deployment=self.trigger.served_as, at=at,
        )  # fmt: skip

    def _promote(self, candidate: Version, verdicts: Sequence[ArtifactId]) -> Decision:
        alias, gain = self.trigger.promote, self.told.difference
        why = f"better than {self.told.champion} by {gain:.4g} in {self.told.window}" if gain else (
            f"the first to become @{alias}"
        )  # fmt: skip
        try:
            move_alias(
                self.record, candidate, alias, because=f"{why}; {self.call.because}",
                verdicts=verdicts, at=self.call.at, cause=self.told.causes[0], parent=self.run.id,
            )  # fmt: skip
        except NotAllowedError as error:
            return self._end(f"refused by the policy: {error.what}")
        self._end(f"promoted to @{alias}: {why}")
        self._tell(promoted=True)
        return self._deploy(candidate, why) if self.trigger.deploy else self.told

    def _deploy(self, candidate: Version, why: str) -> Decision:
        try:
            deploy(
                self.record, str(candidate), name=self.trigger.served_as, at=self.call.at,
                because=why,
            )  # fmt: skip
        except (UnavailableError, *REFUSALS) as error:
            return self._end(f"{self.told.outcome}; not deployed: {error.what}")
        self._tell(deployed=True)
        resolve_superseded(self.record, self.trigger.served_as, at=self.call.at)
        return self._end(f"{self.told.outcome}; deployed as {self.trigger.served_as}")

    def _tell(self, **told: object) -> None:
        self.told = msgspec.structs.replace(self.told, **told)

    def _end(self, outcome: str) -> Decision:
        self._tell(outcome=outcome)
        return self.told


def failed_decision(call: Call, error: TidemillError) -> Decision:
    """Return the decision of a training that failed; its run says the same."""
    return Decision(
        trigger=call.trigger.name, action="failed", why=call.because, model=call.trigger.model,
        causes=call.keys, outcome=f"the training failed: {error.what}",
    )  # fmt: skip
