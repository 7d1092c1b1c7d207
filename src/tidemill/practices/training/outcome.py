"""Outcome: what a trigger decided and what came of it, as people read it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.core.text import table

if TYPE_CHECKING:
    from tidemill.core.run import Run

WORKING_COPY = "working copy"
Action = Literal["fired", "held", "failed", "waiting"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One trigger's decision. `difference` is of the comparison, with its interval."""

    trigger: str
    action: Action
    why: str
    model: str
    causes: tuple[str, ...] = ()
    run: str = ""
    candidate: str = ""
    gates: str = ""
    champion: str = ""
    window: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    promoted: bool = False
    deployed: bool = False
    outcome: str = ""
    is_same_model: bool = False
    """Whether the training gave the champion itself, or no model: an alert is not answered so."""
    ran: str = ""
    """The release that ran, or `working copy`."""
    notes: tuple[str, ...] = ()
    """What the rule names and the record does not have, where the trigger did not fire; and what
    it lacks to compare models."""

    def __str__(self) -> str:
        lines = [f"{self.trigger}: {self.action}, {self.why}"]
        if self.ran == WORKING_COPY:
            lines.append("  ran the working copy; `tidemill release` makes what it runs stay")
        elif self.ran:
            lines.append(f"  ran {self.ran}")
        if self.candidate:
            gates = self.gates.replace("_", " ") or "not asked"
            lines.append(f"  candidate {self.candidate}, gates of code, data and model: {gates}")
        if self.difference is not None:
            interval = "" if self.low is None else f" ({self.low:+z.4g} to {self.high:+z.4g})"
            lines.append(
                f"  against {self.champion} in {self.window}: {self.difference:+z.4g}{interval}"
            )
        if self.outcome:
            lines.append(f"  {self.outcome}")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    __repr__ = __str__


def undecided(run: Run) -> Decision:
    """Return what is known of a training that came to no decision: it failed, or goes on."""
    ended = run.error.partition("\n")[0] or "without a reason"
    outcome = f"the training {_ENDED[run.status]}"
    return Decision(
        trigger=str(run.params.get("triggers", "")).partition(",")[0],
        action="fired" if run.status in {"running", "done"} else "failed", why=run.because,
        model=run.name, causes=tuple(filter(None, run.cause.split("; "))), run=run.id,
        window=str(run.params.get("window", "")), ran=str(run.params.get("ran", "")),
        outcome=outcome if run.status in {"running", "done"} else f"{outcome}: {ended}",
    )  # fmt: skip


_ENDED = {
    "running": "is running", "done": "is over", "failed": "failed", "lost": "was lost",
    "cancelled": "was cancelled",
}  # fmt: skip


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """What every trigger decided."""

    decisions: tuple[Decision, ...]

    def __str__(self) -> str:
        if not self.decisions:
            return "no triggers: add a [[trigger]] to tidemill.toml"
        return "\n".join(str(decision) for decision in self.decisions)

    __repr__ = __str__


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that was carried out, and the effective time at which it fell."""

    at: datetime
    decision: Decision


class AnsweredCauses(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions that were carried out, oldest first."""

    answered: tuple[Answered, ...]

    def __str__(self) -> str:
        if not self.answered:
            return "no trigger has fired"
        return "\n".join(f"{one.at:%Y-%m-%d} {one.decision}" for one in self.answered)

    __repr__ = __str__


class TriggerState(msgspec.Struct, frozen=True, kw_only=True):
    """A trigger, and what came of it so far: trainings `fired`, of them `failed` (or lost).

    `error` is of the last one, where it failed.
    """

    name: str
    kind: str
    model: str
    runs: str
    """The pipeline that it runs, with its release; else the working copy of it."""
    rule: str
    is_paused: bool
    fired: int
    last: str
    failed: int = 0
    error: str = ""
    notes: tuple[str, ...] = ()
    """What the rule names and the record does not have: misspelt, or to come."""


class TriggerStates(msgspec.Struct, frozen=True, kw_only=True):
    """Every trigger of a project."""

    triggers: tuple[TriggerState, ...]

    def __str__(self) -> str:
        if not self.triggers:
            return "no triggers: add a [[trigger]] to tidemill.toml"
        head = ["trigger", "kind", "model", "runs", "fires", "fired", "failed", "last", ""]
        rows = [
            [t.name, t.kind, t.model, t.runs, t.rule, t.fired, t.failed, t.last,
             "paused" if t.is_paused else ""]
            for t in self.triggers
        ]  # fmt: skip
        errors = [f"{t.name}: {t.error}" for t in self.triggers if t.error]
        notes = [f"note: {t.name}: {note}" for t in self.triggers for note in t.notes]
        return "\n".join([table(head, rows), *errors, *notes])

    __repr__ = __str__
