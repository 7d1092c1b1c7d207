"""Two times, never mixed: recorded (the clock's) and effective (the world's). Parsing and spans.

Everything is aware UTC. A date means its midnight.
"""

import re
from datetime import UTC, date, datetime, timedelta

import msgspec

from tidemill.core.errors import InvalidInputError

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])")


_FIRST_YEAR, _LAST_YEAR = 1678, 2261
"""Whole years that 64 bits of nanoseconds hold: what other tools can be given."""
_LONGEST_S = 1000 * 365.25 * 86_400


def parse_time(text: str | date | datetime) -> datetime:
    """Return an aware UTC time from an ISO date or time; a time without a zone is UTC.

    >>> parse_time("2013-04-01").isoformat()
    '2013-04-01T00:00:00+00:00'
    """
    if isinstance(text, datetime):
        return _within_reach(text).astimezone(UTC) if text.tzinfo else text.replace(tzinfo=UTC)
    if isinstance(text, date):
        return datetime(text.year, text.month, text.day, tzinfo=UTC)
    try:
        return parse_time(_within_reach(datetime.fromisoformat(text)))
    except ValueError:
        raise InvalidInputError(
            f"{text!r} is not a date or time", fix="write it like 2013-04-01 or 2013-04-01T06:30Z"
        ) from None


def _within_reach(time: datetime) -> datetime:
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise InvalidInputError(
            f"{time.isoformat()} is out of reach: times are from {_FIRST_YEAR} to {_LAST_YEAR}",
            fix="look for a typing error in the year",
        )
    return time


def parse_span(text: str | timedelta) -> timedelta:
    """Return a length of time from a text such as `30d`, `6h`, `1.5s`.

    >>> parse_span("36h") == parse_span("1.5d")
    True
    """
    if isinstance(text, timedelta):
        return text
    match = _SPAN.fullmatch(text.strip())
    if not match:
        raise InvalidInputError(
            f"{text!r} is not a length of time", fix="write it like 30d, 6h, 15m, 10s or 200ms"
        )
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > _LONGEST_S:
        raise InvalidInputError(f"{text!r} is longer than a thousand years", fix="write less")
    return timedelta(seconds=seconds)


def microseconds(time: datetime) -> int:
    """Return microseconds since 1970-01-01 UTC, exactly."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """Return the aware UTC time that is `value` microseconds after 1970-01-01 UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)


def probable_unit(count: int) -> str:
    """Return the unit that a count since 1970 is rather in than microseconds, "" where it is not.

    As microseconds, seconds and milliseconds of our days (from 1973 on) are of 1970, nanoseconds
    beyond 2262.

    >>> [probable_unit(1_365_811_200 * unit) for unit in (1, 10**3, 10**6, 10**9)]
    ['seconds', 'milliseconds', '', 'nanoseconds']
    """
    if 10**8 <= count < _YEAR_US:
        return "seconds" if count < 10**11 else "milliseconds"
    return "nanoseconds" if abs(count) > _NS_YEARS * _YEAR_US else ""


_YEAR_US = 365 * 86_400 * 1_000_000
_NS_YEARS = 2262 - 1970
"""Years that fit 64 bits of nanoseconds: 2262 is the last."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A span of effective time, `start` included, `end` not."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{spelled_time(self.start)}..{spelled_time(self.end)}"


def spelled_time(time: datetime) -> str:
    """Return a time as people write it: a date where it is a midnight, else with the second.

    >>> spelled_time(parse_time("2013-04-01T12:30")), spelled_time(parse_time("2013-04-01"))
    ('2013-04-01T12:30:00Z', '2013-04-01')
    """
    return time.strftime("%Y-%m-%d" if time == parse_time(time.date()) else "%Y-%m-%dT%H:%M:%SZ")


def _of_window(window: str, text: str) -> datetime:
    try:
        return parse_time(text)
    except InvalidInputError as error:
        what = error.what if text == window else f"{window!r} is no window: {error.what}"
        raise InvalidInputError(
            what, fix="write a month 2013-04, a day 2013-04-07, or START..END with days or times"
        ) from None


def parse_window(text: str) -> Window:
    """Return a window from `2013-04` (a month), `2013-04-07` (a day) or `START..END`.

    >>> str(parse_window("2013-12"))
    '2013-12-01..2014-01-01'
    """
    if ".." in text:
        start, _, end = text.partition("..")
        window = Window(start=_of_window(text, start), end=_of_window(text, end))
    elif re.fullmatch(r"\d{4}-\d{2}", text):
        year, month = int(text[:4]), int(text[5:])
        if not 1 <= month <= 12:
            raise InvalidInputError(f"{text!r} is not a month", fix="write it like 2013-04")
        following = f"{year + month // 12:04}-{month % 12 + 1:02}-01"
        window = Window(start=_of_window(text, f"{text}-01"), end=parse_time(following))
    else:
        start_time = _of_window(text, text)
        window = Window(start=start_time, end=start_time + timedelta(days=1))
    if window.end <= window.start:
        raise InvalidInputError(f"{text!r} ends before it begins", fix="write it START..END")
    return window
