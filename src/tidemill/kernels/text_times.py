"""Texts as times: dates and times may stand in one column; a date is its midnight in UTC."""

from __future__ import annotations

import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_time

INSTANT = pl.Datetime("us", "UTC")


def times_of_texts(texts: pl.Series) -> pl.Series:
    """Return texts as UTC times, null where one is neither date nor time; without a zone is UTC.

    Polars takes the spelling of the first text for all; the others are read one by one.

    >>> times_of_texts(pl.Series(["2024-01-01", "2024-01-01T06:30:00Z", "soon"])).to_list()[1:]
    [datetime.datetime(2024, 1, 1, 6, 30, tzinfo=zoneinfo.ZoneInfo(key='UTC')), None]
    """
    try:
        times = texts.str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    except pl.exceptions.PolarsError:  # nothing is like a time
        times = pl.repeat(None, len(texts), dtype=INSTANT, eager=True).alias(texts.name)
    left = texts.filter(texts.is_not_null() & times.is_null()).unique()
    read = {text: time for text in left if (time := _read(text)) is not None}
    if not read:
        return times
    others = texts.replace_strict(read, default=None, return_dtype=INSTANT)
    return times.fill_null(others)


def required_times(texts: pl.Series) -> pl.Series:
    """Return texts as UTC times; null stays null, a date is its midnight.

    Raises:
        InvalidInputError: one is neither date nor time; names its row.
    """
    times = times_of_texts(texts)
    bad = (times.is_null() & texts.is_not_null()).arg_true()
    if len(bad):
        raise InvalidInputError(
            f"{texts[bad[0]]!r} in row {bad[0] + 1:,} of column {texts.name!r} is no date or time",
            fix="write times like 2013-04-01T06:30:00Z, or dates like 2013-04-01",
        )
    return times


def _read(text: str) -> object:
    try:
        return parse_time(text.strip())
    except InvalidInputError:
        return None
