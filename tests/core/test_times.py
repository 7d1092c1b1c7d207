"""Times and windows as people write them."""

import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_span, parse_time, parse_window


@pytest.mark.parametrize("text", ["april", "2013-04-01..soon", "..", "2013-4"])
def test_a_window_that_is_none_names_the_forms_of_windows(text) -> None:
    with pytest.raises(InvalidInputError) as told:
        parse_window(text)
    assert "a month 2013-04, a day 2013-04-07, or START..END" in told.value.fix


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00+14:00", "9999-12-31", "9999-12-31T23:59-14:00", "1677-12-31"]
)
def test_a_time_that_other_tools_cannot_hold_is_refused(text) -> None:
    with pytest.raises(InvalidInputError, match="times are from 1678 to 2261"):
        parse_time(text)


@pytest.mark.parametrize("text", ["9999-12", "0000-01", "9999-12-31", "2013-01-01..9999-01-01"])
def test_a_window_out_of_reach_is_refused(text) -> None:
    with pytest.raises(InvalidInputError):
        parse_window(text)


def test_the_last_month_in_reach_is_a_window() -> None:
    assert str(parse_window("2261-11")) == "2261-11-01..2261-12-01"


@pytest.mark.parametrize("text", ["99999999999d", "9" * 400 + "w"])
def test_a_span_of_more_than_a_thousand_years_is_refused(text) -> None:
    with pytest.raises(InvalidInputError, match="longer than a thousand years"):
        parse_span(text)
