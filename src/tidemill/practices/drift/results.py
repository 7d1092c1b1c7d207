"""What a drift test says: alarms with their evidence, suspects with effect sizes, the promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.core.check import State
from tidemill.core.text import table
from tidemill.kernels.e_detector import Suspect
from tidemill.kernels.effect_sizes import EffectSize

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA, PERFORMANCE = "drift.data", "drift.performance"
LOSS = "loss"
"""The name of the loss among what is watched of performance."""
LEAST_SHARE = 0.25
"""With less of the evidence than this on the loss, an alarm is about the labels."""

Turn = Literal["worse", "better", ""]
"""Whether losses grew or fell; empty: the alarm is not about the loss."""


class ReferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """What the days of a model are tested against, without its histograms."""

    model: str
    days: int
    rows_a_day: int
    made_from: str
    threshold: float
    watched: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A day on which the evidence reached the threshold.

    `turned` is of performance: `better` where its losses fell, which is drift, too.
    """

    day: str
    evidence: float
    threshold: float
    suspects: tuple[Suspect, ...]
    turned: Turn = ""


class SkippedDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day that says nothing, and why."""

    day: str
    why: str


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """How far a suspect of an alarm lies from the reference, over the tested days together."""

    name: str
    sizes: tuple[EffectSize, ...]


class DriftCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One check of one window and model.

    `evidence` is that of the last tested day, gathered since the last alarm. `verdict` and `alert`
    name artifact and run, "" where there is none: a check that could not run leaves nothing behind,
    and is tried again when asked again. `waits`: it did not run, and more days or labels alone will
    mend that; where it is false somebody must.
    """

    check: str
    state: State
    model: str
    window: str
    days: int
    evidence: float = 0.0
    threshold: float = 0.0
    reference_days: int = 0
    alarms: tuple[Alarm, ...] = ()
    skipped: tuple[SkippedDay, ...] = ()
    effects: tuple[Effect, ...] = ()
    promise: str = ""
    verdict: str = ""
    alert: str = ""
    notes: tuple[str, ...] = ()
    waits: bool = False

    def __str__(self) -> str:
        state = self.state.replace("_", " ") + (" yet" if self.waits else "")
        head = f"{self.check} of {self.model}: {state}"
        lines = [head]
        if self.days:
            since = " since the last alarm" if self.alarms else ""  # which begins to count anew
            lines.append(
                f"  {self.days} days against {self.reference_days} of the reference; evidence"
                f"{since} {self.evidence:,.3g}, an alarm at {self.threshold:,.0f}"
            )
        for alarm in self.alarms:
            told = f"{spell_turn(alarm.turned)}, " if alarm.turned else ""
            lines.append(f"  ALARM on {alarm.day}: {told}evidence {alarm.evidence:,.4g}; suspects:")
            lines += [_suspect(one) for one in alarm.suspects]
        lines += [
            f"    {effect.name}: {', '.join(map(_size, effect.sizes))}" for effect in self.effects
        ]
        lines += [f"  {one.day} says nothing: {one.why}" for one in self.skipped[:5]]
        if len(self.skipped) > 5:
            lines.append(f"  and {len(self.skipped) - 5} more days")
        lines += [f"  note: {note}" for note in self.notes]
        if self.promise:
            lines.append(f"  promise: {self.promise}")
        return "\n".join(lines)

    __repr__ = __str__


class DriftResult(msgspec.Struct, frozen=True, kw_only=True):
    """The checks of a window. `is_new` False: it had been tested, and nothing was written."""

    name: str
    window: str
    checks: tuple[DriftCheck, ...]
    is_new: bool = True

    @property
    def has_alarm(self) -> bool:
        """Whether a check of this window raised an alarm."""
        return any(check.alarms for check in self.checks)

    @property
    def has_failed(self) -> bool:
        """Whether there is an alarm, or a check that did not run and does not only wait."""
        return any(one.alarms or (one.state == "not_run" and not one.waits) for one in self.checks)

    def check(self, name: str) -> tuple[DriftCheck, ...]:
        """Return the answers of one check, one a model of the window."""
        return tuple(one for one in self.checks if one.check == name)

    def __str__(self) -> str:
        known = "" if self.is_new else " (tested before; nothing was changed)"
        return "\n".join([f"{self.name} {self.window}{known}", *map(str, self.checks)])

    __repr__ = __str__


class DetectorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a detector stands after its last window."""

    check: str
    model: str
    window: str
    days: int
    alarms: int
    evidence: float
    threshold: float


class DriftStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Every detector of a deployment."""

    name: str
    detectors: tuple[DetectorStatus, ...]

    def __str__(self) -> str:
        if not self.detectors:
            return f"{self.name} has not been tested; tidemill drift test {self.name} --window ..."
        head = ["check", "model", "last window", "days", "alarms", "evidence", "alarm at"]
        rows = [
            [d.check, d.model, d.window, d.days, d.alarms, d.evidence, d.threshold]
            for d in self.detectors
        ]
        return table(head, rows)

    __repr__ = __str__


def turn_of(suspects: Sequence[Suspect]) -> Turn:
    """Return whether an alarm of performance is about losses that grew, that fell, or neither."""
    for suspect in suspects:
        if suspect.name == LOSS and suspect.evidence_share >= LEAST_SHARE:
            return "worse" if suspect.direction == "higher" else "better"
    return ""


def spell_turn(turn: Turn) -> str:
    """Return a turn in words.

    >>> spell_turn("better")
    'better (its losses fell)'
    """
    return {"worse": "worse (its losses grew)", "better": "better (its losses fell)", "": ""}[turn]


def _suspect(suspect: Suspect) -> str:
    return (
        f"    {suspect.name} {suspect.direction} ({suspect.value:z.4g} that day, "
        f"{suspect.evidence_share:.0%} of the evidence)"
    )


def _size(size: EffectSize) -> str:
    return f"{size.measure} {size.value:z.3g} ({size.low:z.3g} to {size.high:z.3g})"
