"""The numbers and times of a [[trigger]] are checked whenever rules are read."""

import pytest

from tidemill.app.places import open_record
from tidemill.core.errors import InvalidInputError
from tidemill.practices.training.rules import file_rules
from tidemill.practices.training.trigger import Trigger


@pytest.mark.parametrize(
    "line",
    [
        "min_share = inf", "min_share = nan", "min_share = -1.0", "min_share = 1e308",
        "min_rows = 0", "min_rows = -5", "day = 0", "day = 40", 'cooldown = "99999999999d"',
        'retry = "99999999999d"', 'window = "99999999999d"',
    ],
)  # fmt: skip
def test_a_value_out_of_its_range_is_refused_with_the_trigger_s_name(tmp_path, line) -> None:
    (tmp_path / "tidemill.toml").write_text(
        f'[[trigger]]\nname = "t"\nkind = "data"\nref = "x"\npipeline = "p"\nmodel = "m"\n{line}\n'
    )
    record = open_record(tmp_path)
    with pytest.raises(InvalidInputError, match="the trigger 't'"):
        file_rules(record)


def test_the_pause_after_failures_grows_to_a_thousand_times_and_no_further() -> None:
    rule = Trigger(name="t", kind="manual", pipeline="p", model="m", retry="1h")
    assert rule.pause_after(11) == rule.pause_after(100_000)
