"""Calendar: when a schedule is due, and the latest complete window before a time. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import Window, parse_span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.core.run import Scalar

ANCHOR = datetime(2001, 1, 1, tzinfo=UTC)
"""A Monday: spans such as 7d are counted from here, so that every scheduler plans the same."""

PLACEHOLDERS = ("{window.start}", "{window.end}", "{at}")
"""What `filled` fills in."""


def newest_due(every: str, offset: timedelta, now: datetime) -> datetime:
    """Return the newest planned time at or before `now`.

    Args:
        every: `day`, `week` (from Monday), `month`, or a span such as `30d`.
        offset: how long after the beginning of the period, such as 6 h.
        now: effective time.

    >>> newest_due("month", timedelta(days=1), datetime(2013, 4, 1, tzinfo=UTC)).isoformat()
    '2013-03-02T00:00:00+00:00'
    """
    start = period_start(every, now - offset)
    planned = start + offset
    return planned if planned <= now else period_start(every, start - timedelta(seconds=1)) + offset


def period_start(every: str, time: datetime) -> datetime:
    """Return the beginning of the period that holds a time."""
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    if every == "day":
        return midnight
    if every == "week":
        return midnight - timedelta(days=midnight.weekday())
    if every == "month":
        return midnight.replace(day=1)
    span = parse_span(every)
    if span < timedelta(seconds=1):
        raise InvalidInputError(f"every = {every!r} is too often", fix='every = "1d"')
    return ANCHOR + (time - ANCHOR) // span * span


def latest_window(length: str, at: datetime) -> Window:
    """Return the latest complete window before a time.

    Args:
        length: `day`, `week`, `month`: of the calendar; a span such as `30d`: of whole days.
        at: effective time.

    >>> str(latest_window("month", datetime(2013, 4, 1, tzinfo=UTC)))
    '2013-03-01..2013-04-01'
    """
    if length in {"day", "week", "month"}:
        end = period_start(length, at)
        return Window(start=period_start(length, end - timedelta(seconds=1)), end=end)
    end = period_start("day", at)
    return Window(start=end - parse_span(length), end=end)


def filled(params: Mapping[str, Scalar], window: Window, at: datetime) -> dict[str, Scalar]:
    """Return parameters with `{window.start}`, `{window.end}` and `{at}` filled in.

    >>> w = latest_window("month", datetime(2013, 4, 1, tzinfo=UTC))
    >>> filled({"until": "{window.start}", "trees": 9}, w, w.end)
    {'until': '2013-03-01', 'trees': 9}
    """
    times = (window.start, window.end, at)
    words = {word: spelled(time) for word, time in zip(PLACEHOLDERS, times, strict=True)}

    def fill(value: Scalar) -> Scalar:
        if not isinstance(value, str):
            return value
        for word, meant in words.items():
            value = value.replace(word, meant)
        return value

    return {name: fill(value) for name, value in params.items()}


def spelled(time: datetime) -> str:
    """Return a time as a date where it is a midnight, else in full."""
    is_midnight = time == time.replace(hour=0, minute=0, second=0, microsecond=0)
    return time.strftime("%Y-%m-%d") if is_midnight else time.strftime("%Y-%m-%dT%H:%M:%SZ")
