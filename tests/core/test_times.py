"""Times and windows as people write them."""

import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_window


@pytest.mark.parametrize("text", ["april", "2013-04-01..soon", "..", "2013-4"])
def test_a_window_that_is_none_names_the_forms_of_windows(text) -> None:
    with pytest.raises(InvalidInputError) as told:
        parse_window(text)
    assert "a month 2013-04, a day 2013-04-07, or START..END" in told.value.fix
