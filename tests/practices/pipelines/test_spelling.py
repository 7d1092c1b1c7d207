"""The typed spelling of parameters and small results."""

import dataclasses
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import InvalidInputError
from tidemill.core.text import table
from tidemill.core.times import Window
from tidemill.practices.pipelines.spelling import Speller, find_type, read, shown

spell = Speller("x of step s").spell

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0))
    | st.timedeltas()
    | st.decimals(allow_nan=False)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(st.integers() | st.tuples(st.text(), st.booleans()), inner)
    ),
    max_leaves=8,
)


@given(values)
def test_a_value_is_read_back_as_it_was(value) -> None:
    # through JSON, as results are stored
    found = read(msgspec.json.decode(canonical_json(spell(value))))
    assert repr(_sorted(found)) == repr(_sorted(value))


def _sorted(value):
    if isinstance(value, dict):
        return {"items": sorted((repr(k), repr(_sorted(v))) for k, v in value.items())}
    if isinstance(value, list | tuple):
        return type(value)(_sorted(item) for item in value)
    return value


@given(values, values)
def test_only_equal_values_have_equal_spellings(one, other) -> None:
    is_same = canonical_json(spell(one)) == canonical_json(spell(other))
    assert is_same == (repr(_sorted(one)) == repr(_sorted(other)))


@pytest.mark.parametrize(
    "different",
    [
        [1, 1.0, True, "1", b"1", Decimal(1), None, [1], (1,), {1}, {"1": 1}, {1: 1}],
        [0.0, -0.0, float("nan"), float("inf"), -float("inf"), 0, False],
        ["\u00e9", "e\u0301", "e"],
        [date(2013, 1, 1), datetime(2013, 1, 1, tzinfo=UTC), "2013-01-01", timedelta(0)],
        [{"$date": "2013-01-01"}, date(2013, 1, 1)],
        [2**63, str(2**63), float(2**63)],
    ],
)
def test_what_python_calls_equal_stays_apart(different) -> None:
    assert len({canonical_json(spell(value)) for value in different}) == len(different)


def test_nan_and_infinities_are_read_back() -> None:
    found = read(spell([float("nan"), float("inf"), -0.0]))
    assert str(found) == "[nan, inf, -0.0]"


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    LOW = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float


def test_structs_dataclasses_and_enums_keep_their_class() -> None:
    window = Window(start=datetime(2013, 1, 1, tzinfo=UTC), end=datetime(2013, 2, 1, tzinfo=UTC))
    assert read(spell(window)) == window
    assert spell(window) != spell(dataclasses.replace(Point(1, 2.0)))
    assert spell(Level.LOW) != spell(1)


def test_sets_have_one_spelling_whatever_the_hash_seed() -> None:
    code = (
        "from tidemill.practices.pipelines.spelling import Speller\n"
        "from tidemill.core.canonical import canonical_json\n"
        "v = {'a', 'b', 'c', ('d', 1)}, {('k', 1): 1, 'z': {3, 2}}\n"
        "print(canonical_json(Speller('x').spell(v)).decode())"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda: 1, "holds a builtins.function"),
        (partial(table, []), "functools.partial"),
        (Path("x.csv"), "is the path x.csv"),
        (datetime(2013, 1, 1), "without a zone"),  # noqa: DTZ001
        ([1, {"a": object()}], "builtins.object"),
    ],
)
def test_what_has_no_stable_spelling_is_refused_by_name(value, says) -> None:
    with pytest.raises(InvalidInputError) as caught:
        spell(value)
    assert "x of step s" in caught.value.what
    assert says in caught.value.what


def test_a_class_made_in_a_function_is_refused() -> None:
    class Here(msgspec.Struct):
        x: int

    with pytest.raises(InvalidInputError, match="cannot be found by a worker"):
        spell(Here(x=1))


def test_a_class_that_is_gone_names_itself() -> None:
    with pytest.raises(InvalidInputError, match=r"tidemill\.core\.times:Nothing"):
        find_type("tidemill.core.times:Nothing")


def test_parameters_are_shown_as_people_write_them() -> None:
    assert shown(spell(date(2013, 4, 1))) == "2013-04-01"
    assert shown(spell(datetime(2013, 4, 1, tzinfo=UTC))) == "2013-04-01T00:00:00+00:00"
    assert shown(spell(0.5)) == 0.5


class Season(Enum):
    WET = 1


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (("a", "b"), '["a","b"]'),
        ((), "[]"),
        ({"when": (date(2013, 4, 1), timedelta(hours=2))}, '{"when":["2013-04-01","2:00:00"]}'),
        ([Season.WET, Decimal("1.50"), float("inf")], '["WET","1.50","inf"]'),
        (Season.WET, "WET"),
        ({1: "x"}, '[[1,"x"]]'),
        (
            Window(start=datetime(2013, 4, 1, tzinfo=UTC), end=datetime(2013, 5, 1, tzinfo=UTC)),
            '{"end":"2013-05-01T00:00:00+00:00","start":"2013-04-01T00:00:00+00:00"}',
        ),
    ],
)
def test_parameters_are_shown_without_the_tags_of_their_types(value, told) -> None:
    assert shown(spell(value)) == told


@given(values)
def test_whatever_has_a_spelling_can_be_shown(value) -> None:
    assert '{"$' not in str(shown(spell(value))) or "$" in str(value)
