"""Pointing at things: what a text means, and what is said where it means nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.errors import InvalidInputError
from tidemill.core.pointer import parse_pointer, proposed_name

HEX = "32f6d01bebe1de68"


@pytest.mark.parametrize("selector", [HEX, f"td1:{HEX}", f"b3:{HEX.upper()}"])
def test_a_digest_is_understood_with_its_scheme_and_without(selector) -> None:
    pointer = parse_pointer(f"data:orders@{selector}", project="p")
    assert (pointer.word, pointer.is_hex) == (HEX, True)


def test_a_digest_of_digits_alone_is_no_number_where_its_scheme_is_said() -> None:
    pointer = parse_pointer("orders@td1:123456", project="p", kind="data")
    assert (pointer.word, pointer.number) == ("123456", None)


def test_a_time_with_colons_is_a_selector_where_the_kind_is_left_out() -> None:
    pointer = parse_pointer("orders@2013-04-01T06:30", project="p", kind="data")
    assert (pointer.kind, pointer.at.hour) == ("data", 6)


@pytest.mark.parametrize(
    ("text", "kind", "fix"),
    [
        ("my orders", "data", "write my_orders;"),
        ("a/b/c", "data", "write a_b_c;"),
        ("data:a/b/c@3", None, "write data:a_b_c@3;"),
        ("", "data", "give a name"),
        ("Café", "model", "write Cafe;"),
        ("x" * 300, "data", f"write {'x' * 128};"),
        ("orders", None, "like data:orders"),
    ],
)
def test_a_bad_name_says_what_names_look_like_and_proposes_one(text, kind, fix) -> None:
    with pytest.raises(InvalidInputError, match="does not point at anything") as caught:
        parse_pointer(text, project="p", kind=kind)
    assert fix in caught.value.fix
    assert len(caught.value.what) < 140


@given(st.text(max_size=200))
def test_what_is_proposed_is_a_name(text) -> None:
    name = proposed_name(text)
    if name:
        assert parse_pointer(f"data:{name}", project="p").name == name
