"""What can name a thing: checked before anything is made under it."""

import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.core.pointer import require_name


@pytest.mark.parametrize("name", ["delay", "delay.v2", "a_b-c", "7"])
def test_a_name_is_returned(name: str) -> None:
    assert require_name(name, "model") == name


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("my model", "write my_model"),
        ("a/b", "write a_b"),
        ("../x", "write x"),
        ("delay@3", "write delay_3"),
        ("x" * 5000, "write x"),
        ("", "give a name"),
        ("?\x1b[2J\n", "write 2J"),
    ],
)
def test_what_is_no_name_is_refused_with_the_nearest(name: str, fix: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        require_name(name, "model")
    assert caught.value.fix.startswith(fix)
    assert "\x1b" not in caught.value.what
