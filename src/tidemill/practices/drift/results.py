"""What a drift test says: alarms with their evidence, suspects with effect sizes, the promise."""

from __future__ import annotations

import msgspec

from tidemill.core.check import State
from tidemill.core.text import table
from tidemill.kernels.e_detector import Suspect
from tidemill.kernels.effect_sizes import EffectSize

DATA, PERFORMANCE = "drift.data", "drift.performance"


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """A day on which the evidence reached the threshold."""

    day: str
    evidence: float
    threshold: float
    suspects: tuple[Suspect, ...]


class SkippedDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day that says nothing, and why."""

    day: str
    why: str


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """How far a suspect of an alarm lies from the reference, over the tested days together."""

    name: str
    sizes: tuple[EffectSize, ...]


class DriftCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One check of one window and model. `evidence` is that of the last tested day.

    `verdict` and `alert` name artifact and run, "" where there is none: a check that could not run
    leaves nothing behind, and is tried again when asked again.
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

    def __str__(self) -> str:
        head = f"{self.check} of {self.model}: {self.state.replace('_', ' ')}"
        lines = [head]
        if self.days:
            lines.append(
                f"  {self.days} days against {self.reference_days} of the reference; evidence "
                f"{self.evidence:,.3g}, an alarm at {self.threshold:,.0f}"
            )
        for alarm in self.alarms:
            lines.append(f"  ALARM on {alarm.day}, evidence {alarm.evidence:,.4g}; suspects:")
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


def _suspect(suspect: Suspect) -> str:
    return (
        f"    {suspect.name} {suspect.direction} ({suspect.value:.4g} that day, "
        f"{suspect.evidence_share:.0%} of the evidence)"
    )


def _size(size: EffectSize) -> str:
    return f"{size.measure} {size.value:.3g} ({size.low:.3g} to {size.high:.3g})"
