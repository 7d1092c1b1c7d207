"""Trigger: the rule by which a model is trained again, as a `[[trigger]]` of `tidemill.toml`.

[[trigger]]
name = "monthly"
kind = "schedule"              # schedule, data, drift, performance, manual
every = "month"                # day, week, month or a span; day = 2, time = "06:00"
pipeline = "delay"
model = "delay"
params = { until = "{window.start}" }
window = "month"               # the latest complete one is for the comparison
cooldown = "7d"
promote = "champion"           # "" never promotes
deploy = true
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.run import Scalar
from tidemill.core.times import parse_span
from tidemill.lineage.suggestions import closest
from tidemill.practices.integration.project_file import FILE, file_table
from tidemill.practices.training.calendar import ANCHOR, latest_window, newest_due

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.lineage.record import Record

TriggerKind = Literal["schedule", "data", "drift", "performance", "manual"]


class Trigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. `ref` with `min_rows` and `min_share` is for kind data, `every` for schedule."""

    name: str
    kind: TriggerKind
    pipeline: str
    model: str
    deployment: str = ""
    params: Mapping[str, Scalar] = {}
    window: str = "month"
    cooldown: str = "0s"
    promote: str = "champion"
    promote_first: bool = False
    deploy: bool = False
    every: str = ""
    day: int = 1
    time: str = "00:00"
    ref: str = ""
    min_rows: int = 1
    min_share: float = 0.0

    @property
    def served_as(self) -> str:
        """The deployment whose predictions compare, and which a promoted model goes to."""
        return self.deployment or self.model

    @property
    def rest(self) -> timedelta:
        """How long after the end of a training the next one waits."""
        return parse_span(self.cooldown)

    def planned(self, now: datetime) -> datetime:
        """Return the newest planned time of a schedule at or before `now`."""
        hours, _, minutes = self.time.partition(":")
        offset = timedelta(days=self.day - 1, hours=int(hours), minutes=int(minutes or 0))
        return newest_due(self.every, offset, now)

    def plan(self) -> tuple[object, ...]:
        """Return what two triggers must have in common for one training to answer both."""
        params = tuple(sorted((name, repr(value)) for name, value in self.params.items()))
        return (self.model, self.pipeline, params, self.window, self.promote, self.deploy)


def project_triggers(record: Record) -> tuple[Trigger, ...]:
    """Return the triggers of the project, in the order of the file.

    Raises:
        InvalidInputError: a trigger has an unknown key, a wrong value, or the name of another.
    """
    found = file_table(record, "trigger", tuple[Trigger, ...], default=())
    names = [trigger.name for trigger in found]
    for trigger in found:
        if names.count(trigger.name) > 1:
            raise InvalidInputError(
                f"{FILE} has two triggers called {trigger.name!r}", fix="rename one of them"
            )
        _check(trigger)
    return found


def find_trigger(record: Record, name: str) -> Trigger:
    """Return a trigger by its name.

    Raises:
        NotFoundError: there is none of this name; names the closest.
    """
    known = {trigger.name: trigger for trigger in project_triggers(record)}
    if name not in known:
        near = closest(name, list(known))
        listed = ", ".join(known) or f"none: add a [[trigger]] to {FILE}"
        raise NotFoundError(
            f"there is no trigger {name!r}",
            fix=f"did you mean {near}?" if near else f"there are {listed}",
        )
    return known[name]


def _check(trigger: Trigger) -> None:
    needed = {"schedule": "every", "data": "ref"}.get(trigger.kind)
    if needed and not getattr(trigger, needed):
        raise InvalidInputError(
            f"the trigger {trigger.name!r} is a {trigger.kind} trigger without {needed!r}",
            fix='every = "month"' if needed == "every" else 'ref = "NAME" of the data',
        )
    if not trigger.name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise InvalidInputError(
            f"{trigger.name!r} cannot be a trigger's name", fix="use letters, digits, - and _"
        )
    try:
        latest_window(trigger.window, ANCHOR + trigger.rest)
        if trigger.kind == "schedule":
            trigger.planned(ANCHOR)
    except (InvalidInputError, ValueError) as error:
        raise InvalidInputError(
            f"the trigger {trigger.name!r} has a bad time: {str(error).partition(chr(10))[0]}",
            fix='every = "month", time = "06:00", window = "month", cooldown = "7d"',
        ) from None
