"""Outcome: what a trigger decided and what came of it, as people read it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from tidemill.core.text import table

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

    def __str__(self) -> str:
        lines = [f"{self.trigger}: {self.action}, {self.why}"]
        if self.candidate:
            lines.append(f"  candidate {self.candidate}, gates {self.gates or 'not asked'}")
        if self.difference is not None:
            interval = "" if self.low is None else f" ({self.low:+.4g} to {self.high:+.4g})"
            lines.append(
                f"  against {self.champion} in {self.window}: {self.difference:+.4g}{interval}"
            )
        if self.outcome:
            lines.append(f"  {self.outcome}")
        return "\n".join(lines)

    __repr__ = __str__


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
    """A trigger, and what came of it so far."""

    name: str
    kind: str
    model: str
    rule: str
    is_paused: bool
    fired: int
    last: str


class TriggerStates(msgspec.Struct, frozen=True, kw_only=True):
    """Every trigger of a project."""

    triggers: tuple[TriggerState, ...]

    def __str__(self) -> str:
        if not self.triggers:
            return "no triggers: add a [[trigger]] to tidemill.toml"
        head = ["trigger", "kind", "model", "fires", "fired", "last", ""]
        rows = [
            [t.name, t.kind, t.model, t.rule, t.fired, t.last, "paused" if t.is_paused else ""]
            for t in self.triggers
        ]
        return table(head, rows)

    __repr__ = __str__
