"""Feature views as users declare them: a source, an entity, two times, and what to compute.

    @tm.feature_view(
        source="flights", entity="tailnum", time="landed_at",
        features={"plane_delay_last": tm.latest("arr_delay", ttl="1d"),
                  "plane_late_30d": tm.share("is_late", "30d")},
    )
    def plane_history(flights: pl.LazyFrame) -> pl.LazyFrame:
        return flights.with_columns(is_late=pl.col("arr_delay") > 15)

The function gets the rows of the source's version and gives event rows. Use `with_columns` and
`filter`, one row in, at most one row out: then `why` can name the rows behind a value, and a value
cannot depend on rows that come later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_span
from tidemill.practices.features.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidemill.practices.features.view import ViewFunction

FeatureKind = Literal["latest", "count", "total", "average", "share"]
_MICROSECOND = 1_000_000


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One feature: what is computed from which column, over how long (microseconds)."""

    kind: FeatureKind
    column: str
    window_us: int


def _span_us(text: str) -> int:
    return round(parse_span(text).total_seconds() * _MICROSECOND)


FOREVER_US = 2**61 - 1
"""Window of a value that never expires."""


def latest(column: str, ttl: str = "") -> Feature:
    """Return the newest known value of a column, null when its event is older than `ttl`."""
    window_us = _span_us(ttl) if ttl else FOREVER_US
    return Feature(kind="latest", column=column, window_us=window_us)


def count(window: str) -> Feature:
    """Return how many event rows lie in the window; 0 for an entity never seen."""
    return Feature(kind="count", column="", window_us=_span_us(window))


def total(column: str, window: str) -> Feature:
    """Return the exact sum of a column's values in the window; null where there is none."""
    return Feature(kind="total", column=column, window_us=_span_us(window))


def average(column: str, window: str) -> Feature:
    """Return the mean of a column's values in the window; null where there is none."""
    return Feature(kind="average", column=column, window_us=_span_us(window))


def share(column: str, window: str) -> Feature:
    """Return the share of true values of a boolean column in the window; null where none is."""
    return Feature(kind="share", column=column, window_us=_span_us(window))


class ViewSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a view means but its function. `time` "" is for rows that always held."""

    name: str
    source: str
    entity: tuple[str, ...]
    time: str
    known: str
    delay_us: int
    features: tuple[tuple[str, Feature], ...]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features, in their order."""
        return tuple(name for name, _ in self.features)

    @property
    def asked(self) -> tuple[str, ...]:
        """The columns that rows which ask must have, their own time aside."""
        return self.entity

    @property
    def horizon_us(self) -> int:
        """How far back a value can reach."""
        return max(feature.window_us for _, feature in self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """The value columns that the features read, each once."""
        return tuple(dict.fromkeys(f.column for _, f in self.features if f.column))


class FeatureView(View):
    """A declared view of a source."""

    spec: ViewSpec

    def __repr__(self) -> str:
        names = ", ".join(self.feature_names)
        return f"feature view {self.name} of data:{self.spec.source} by {self.spec.entity}: {names}"


def feature_view(  # noqa: PLR0913 - a view's definition has this many parts
    *,
    source: str,
    entity: str | tuple[str, ...],
    features: Mapping[str, Feature],
    time: str = "",
    known: str = "",
    delay: str = "0s",
    name: str = "",
) -> Callable[[ViewFunction], FeatureView]:
    """Declare a feature view over the versions of a data ref.

    Args:
        source: name of the data ref that its rows come from.
        entity: key columns, of the event rows and of who asks.
        features: names of the features and what each is.
        time: column with the event time; left out: the rows always held (a table of facts).
        known: column with the time at which a row could be seen; default: the event time.
        delay: how long after `known` a row could be seen at the earliest.
        name: name of the view; default: the function's.

    Raises:
        InvalidInputError: no features, or a window that is not positive.
    """
    keys = (entity,) if isinstance(entity, str) else tuple(entity)

    def declare(function: ViewFunction) -> FeatureView:
        view_name = name or getattr(function, "__name__", "view")
        if not features or not keys:
            raise InvalidInputError(
                f"the feature view {view_name} has no features or no entity",
                fix='write entity="user_id", features={"spend_7d": tm.total("amount", "7d")}',
            )
        for feature_name, feature in features.items():
            if feature.window_us <= 0:
                raise InvalidInputError(
                    f"the feature {feature_name} of {view_name} has an empty window",
                    fix="give a positive length of time, such as 7d",
                )
        spec = ViewSpec(
            name=view_name, source=source, entity=keys, time=time, known=known,
            delay_us=_span_us(delay), features=tuple(features.items()),
        )  # fmt: skip
        return FeatureView(spec, function)

    return declare
