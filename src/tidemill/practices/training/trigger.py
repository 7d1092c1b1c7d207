"""Trigger: the rule by which a model is trained again, as a `[[trigger]]` of `tidemill.toml`.

[[trigger]]
name = "monthly"
kind = "schedule"              # schedule, data, drift, performance, manual
every = "month"                # day, week, month or a span; day = 2, time = "06:00"
pipeline = "delay@prod"        # a release; "delay" is the working copy
model = "delay"
params = { until = "{window.start}" }
window = "month"               # the latest complete one is for the comparison
compare = ""                   # "data:NAME": its newest version is, instead of a window
cooldown = "7d"
retry = "1h"                   # after a failed training, doubled by each failure; "" never
promote = "champion"           # "" never promotes
deploy = true
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from tidemill.core.canonical import canonical_json
from tidemill.core.digest import digest_of
from tidemill.core.run import Scalar
from tidemill.core.times import parse_span
from tidemill.practices.training.calendar import newest_due

if TYPE_CHECKING:
    from datetime import datetime

_MOST_DOUBLINGS = 10
"""How often the pause after a failure is doubled: a thousand times it, and no longer."""

TriggerKind = Literal["schedule", "data", "drift", "performance", "manual"]


class Trigger(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. `ref` with `min_rows` and `min_share` is for kind data, `every` for schedule.

    `on` is for kind performance: an alert whose losses fall fires only where it is "any".
    `compare` names held-out data on which champion and challenger are compared; left out, they are
    on the predictions of the window.
    """

    name: str
    kind: TriggerKind
    pipeline: str
    model: str
    deployment: str = ""
    params: Mapping[str, Scalar] = {}
    window: str = "month"
    compare: str = ""
    cooldown: str = "0s"
    retry: str = "1h"
    promote: str = "champion"
    promote_first: bool = False
    deploy: bool = False
    every: str = ""
    day: Annotated[int, msgspec.Meta(ge=1, le=31)] = 1
    time: str = "00:00"
    ref: str = ""
    min_rows: Annotated[int, msgspec.Meta(ge=1)] = 1
    min_share: Annotated[float, msgspec.Meta(ge=0.0, le=1_000_000.0)] = 0.0
    on: Literal["worse", "any"] = "worse"

    @property
    def served_as(self) -> str:
        """The deployment whose predictions compare, and which a promoted model goes to."""
        return self.deployment or self.model

    @property
    def rest(self) -> timedelta:
        """How long after the end of a training the next one waits; a failed one is none."""
        return parse_span(self.cooldown)

    @property
    def identity(self) -> str:
        """The digest of the rule: an edit of it makes another one."""
        return digest_of(canonical_json(self))

    def pause_after(self, failures: int) -> timedelta | None:
        """Return how long a cause waits after so many failures in a row; None: for ever.

        >>> rule = Trigger(name="t", kind="manual", pipeline="p", model="m", retry="1h")
        >>> [str(rule.pause_after(failures)) for failures in (1, 2, 3)]
        ['1:00:00', '2:00:00', '4:00:00']
        """
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        return parse_span(self.retry) * 2**doublings if self.retry else None

    def planned(self, now: datetime) -> datetime:
        """Return the newest planned time of a schedule at or before `now`."""
        hours, _, minutes = self.time.partition(":")
        offset = timedelta(days=self.day - 1, hours=int(hours), minutes=int(minutes or 0))
        return newest_due(self.every, offset, now)

    def plan(self) -> tuple[object, ...]:
        """Return what two triggers must have in common for one training to answer both."""
        params = tuple(sorted((name, repr(value)) for name, value in self.params.items()))
        return (
            self.model, self.pipeline, params, self.window, self.compare, self.promote, self.deploy
        )  # fmt: skip
