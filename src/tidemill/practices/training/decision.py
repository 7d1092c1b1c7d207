"""Decision: whether a trigger fires, by a pure function of its causes and of what was before.

Live, replay and tests decide by the same function; the guards come in this order: nothing new,
paused, not enough, failed a short while ago, one in flight, cooldown.

A cause whose training failed is asked for again: at once where code, environment or rule have
changed since or a person resumed the trigger, else after a pause (`retry` of the rule, doubled by
each failure in a row), and after `FAILURES` of them only when a person or a change says so.
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
    """What the record says of a trigger and its model. Times are effective.

    `fired` are causes that are answered or being answered, `failed` those whose last training
    failed as things are now; `failures` is how many did in a row, the last one ended at
    `failed_end`. `same_rows` are alerts whose training gave the champion itself, where another
    training would see no other rows yet. `last_end` is of the last training that did not fail.
    """

    fired: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    failures: int = 0
    same_rows: frozenset[str] = frozenset()
    failed_end: datetime | None = None
    last_end: datetime | None = None
    is_running: bool = False


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: fire for `causes`, hold them back, or nothing (`idle`)."""

    action: Literal["fire", "hold", "idle"]
    causes: tuple[Cause, ...] = ()
    reason: str = ""
    """One word that stays the same while the reason does."""
    why: str = ""


def decide(trigger: Trigger, causes: Sequence[Cause], past: Past, now: datetime) -> Ruling:
    """Return what a trigger does at effective time `now`. An answered cause never fires again.

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
    if all(cause.key in past.same_rows for cause in enough) and not is_manual:
        return _hold(
            enough, "same-rows",
            "its training gave the champion itself; tried again once new rows can be let in",
        )  # fmt: skip
    if (held := _not_yet(trigger, enough, past, now)) is not None:
        return _hold(enough, *held)
    return Ruling(
        action="fire", causes=enough, reason="fire", why="; ".join(c.what for c in enough)
    )


def _not_yet(
    trigger: Trigger, causes: Sequence[Cause], past: Past, now: datetime
) -> tuple[str, str] | None:
    """Return why causes that count must wait, as a word and in words; None: they need not."""
    if trigger.kind != "manual" and (why := _after_failure(trigger, causes, past, now)):
        return f"failed-{past.failures}", why
    if past.is_running:
        return "in-flight", f"model:{trigger.model} is being trained already"
    if past.last_end is None or trigger.kind == "manual" or now >= past.last_end + trigger.rest:
        return None
    ready = past.last_end + trigger.rest
    return "cooldown", (
        f"the last training ended less than {trigger.cooldown} ago; again from "
        f"{ready:%Y-%m-%d %H:%M}"
    )


def _after_failure(trigger: Trigger, causes: Sequence[Cause], past: Past, now: datetime) -> str:
    """Return why causes wait all of which failed as things are now; "" where they need not."""
    if past.failed_end is None or any(cause.key not in past.failed for cause in causes):
        return ""
    pause = trigger.pause_after(past.failures)
    if pause is not None and now >= past.failed_end + pause:
        return ""
    again = f"from {past.failed_end + pause:%Y-%m-%d %H:%M} on" if pause is not None else "never"
    return (
        f"its training failed; tried again {again} by itself, at once after a change of code, "
        f"environment or rule, or by tidemill trigger fire {trigger.name}"
    )


def _hold(causes: tuple[Cause, ...], reason: str, why: str) -> Ruling:
    return Ruling(action="hold", causes=causes, reason=reason, why=why)
