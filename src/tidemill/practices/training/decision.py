"""Decision: whether a trigger fires, by a pure function of its causes and of what was before.

Live, replay and tests decide by the same function; the guards come in this order: nothing new,
paused, not enough, one in flight, cooldown.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.core.digest import ArtifactId
from tidemill.core.run import RunId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.practices.training.trigger import Trigger

FAILURES = 3
"""After as many failed trainings in a row a trigger waits for a person."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Something that asks for a training. `key` is the same for every sight of one happening.

    `lacking` says what is missing for it to count; `used` are artifacts and the runs of them.
    """

    key: str
    what: str
    lacking: str = ""
    used: tuple[tuple[ArtifactId, RunId | None], ...] = ()


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What the record says of a trigger and its model. Times are effective."""

    fired: frozenset[str] = frozenset()
    last_end: datetime | None = None
    is_running: bool = False
    failures: int = 0


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: fire for `causes`, hold them back, or nothing (`idle`)."""

    action: Literal["fire", "hold", "idle"]
    causes: tuple[Cause, ...] = ()
    reason: str = ""
    """One word that stays the same while the reason does."""
    why: str = ""


def decide(trigger: Trigger, causes: Sequence[Cause], past: Past, now: datetime) -> Ruling:
    """Return what a trigger does at effective time `now`. A cause that has fired never fires again.

    A person's `manual` firing overrules pause and cooldown, not a training in flight.
    """
    new = tuple(cause for cause in causes if cause.key not in past.fired)
    if not new:
        return Ruling(action="idle", why="nothing new")
    is_manual = trigger.kind == "manual"
    if past.failures >= FAILURES and not is_manual:
        return _hold(
            new, "paused",
            f"{past.failures} trainings failed in a row; tidemill trigger resume {trigger.name}",
        )  # fmt: skip
    enough = tuple(cause for cause in new if not cause.lacking)
    if not enough:
        return _hold(new, "not-enough", "; ".join(cause.lacking for cause in new))
    if past.is_running:
        return _hold(enough, "in-flight", f"model:{trigger.model} is being trained already")
    if past.last_end is not None and not is_manual:
        ready = past.last_end + trigger.rest
        if now < ready:
            return _hold(enough, "cooldown", f"the last training ended less than {trigger.cooldown}"
                         f" ago; again from {ready:%Y-%m-%d %H:%M}")  # fmt: skip
    return Ruling(
        action="fire", causes=enough, reason="fire", why="; ".join(c.what for c in enough)
    )


def _hold(causes: tuple[Cause, ...], reason: str, why: str) -> Ruling:
    return Ruling(action="hold", causes=causes, reason=reason, why=why)
