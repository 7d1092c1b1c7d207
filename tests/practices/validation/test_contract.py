"""Contracts as classes: what is declared is a value, and a mistake is told where it stands."""

from datetime import datetime

import pytest

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import InvalidInputError
from tidemill.core.signature import Field, Signature
from tidemill.practices.validation.contract import Contract, column, rule, snake_case, spec_of
from tidemill.practices.validation.contract_changes import contract_changes
from tidemill.practices.validation.request import request_rules
from tidemill.practices.validation.spec import ContractSpec, contract_rules


class Flights(Contract):
    """One departure a row."""

    key = ("flight_id",)

    flight_id: str
    at: datetime
    tailnum: str | None = column(pattern="N[0-9]+", reject=True)
    delay: float | None = column(between=(None, 2000), unit="minutes")
    from_: str = column(name="from", one_of=["EWR", "JFK"])
    is_late = rule("delay > 15 or delay <= 15")


class Planes(Contract):
    tailnum: str = column(pattern="N[0-9]+", reject=True)
    seats: int


def test_a_contract_is_a_value_that_says_everything() -> None:
    import msgspec

    spec = spec_of(Flights)
    assert (spec.name, spec.data, spec.key) == ("Flights", "flights", ("flight_id",))
    assert spec.types == {
        "flight_id": "str", "at": "datetime", "tailnum": "str", "delay": "float", "from": "str",
    }  # fmt: skip
    assert [c.is_nullable for c in spec.columns] == [False, False, True, True, False]
    assert msgspec.json.decode(canonical_json(spec), type=ContractSpec) == spec
    assert "One departure a row." in spec.meaning
    assert "minutes" in str(spec)


def test_row_rules_follow_from_columns_and_rules() -> None:
    assert [r.name for r in contract_rules(spec_of(Flights))] == [
        "flight_id.not_null", "at.not_null", "tailnum.pattern", "delay.between", "from.not_null",
        "from.one_of", "is_late",
    ]  # fmt: skip


def test_a_contract_can_be_built_on_another_one() -> None:
    class Late(Flights):
        data = "late_flights"
        delay: float = column(between=(15, 2000))
        gate: int

    spec = spec_of(Late)
    assert spec.data == "late_flights"
    assert list(spec.types) == ["flight_id", "at", "tailnum", "delay", "from", "gate"]
    assert not spec.columns[3].is_nullable
    assert spec_of(Flights).columns[3].is_nullable


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("x: list", "type"),
        ("x: int | str", "type"),
        ("x: int = 3", "value 3"),
        ("x: 'Unknown'", "cannot be read"),
        ("x: str = column(between=(1, 2))", "no range"),
        ("x: int = column(between=(2, 1))", "empty"),
        ("x: int = column(one_of=['a'])", "no int"),
        ("x: str = column(pattern='(?=a)')", "pattern"),
        ("x: int = column(max_null_share=0.1)", "may have none"),
        ("x: int\n key = ('y',)", "no column"),
        ("x: int\n fresh_within = '2d'", "freshness"),
        ("x: int\n r = rule('y > 1')", "no column of the contract"),
        ("x: int\n r = rule('x +')", "cannot be read"),
        ("x: int\n r = rule('x > 1', name='x.not_null')", "two rules"),
        ("key: str", "is a setting"),
        ("pass", "no column"),
    ],
)
def test_a_mistake_is_told_when_the_class_is_declared(body, told) -> None:
    text = "class Wrong(Contract):\n " + body
    with pytest.raises(InvalidInputError, match=told) as caught:
        exec(text, {"Contract": Contract, "column": column, "rule": rule})
    assert "Wrong" in caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Flights", "flights"), ("PlaneHistory", "plane_history"), ("HTTPLog", "http_log")],
)
def test_data_are_called_like_the_class_in_snake_case(name, expected) -> None:
    assert snake_case(name) == expected


def test_a_request_is_held_to_rules_whose_columns_it_brings() -> None:
    signature = Signature(
        inputs=(Field(name="delay", datatype="FP64"), Field(name="from", datatype="INT64")),
        context=(Field(name="tailnum", datatype="BYTES"), Field(name="at", datatype="INT64")),
        outputs=(),
    )
    names = [r.name for r in request_rules([spec_of(Flights)], signature)]
    assert names == ["at.not_null", "tailnum.pattern", "delay.between", "is_late"]


def test_contracts_that_disagree_on_a_column_hold_no_request_to_it() -> None:
    signature = Signature(inputs=(Field(name="tailnum", datatype="BYTES"),), outputs=())
    rules = request_rules([spec_of(Flights), spec_of(Planes)], signature)
    assert [(r.name, r.is_refusing) for r in rules] == [("tailnum.pattern", True)]
    assert [r.name for r in request_rules([spec_of(Planes)], signature)] == [
        "tailnum.not_null", "tailnum.pattern",
    ]  # fmt: skip


def delay(unit="minutes", **options):
    return {"delay": column(unit=unit, **options)}


@pytest.mark.parametrize(
    ("annotations", "values", "effect"),
    [
        ({"delay": float | None}, delay(between=(None, 3000)), "widening"),
        ({"delay": float | None}, delay(between=(0, 2000)), "narrowing"),
        ({"delay": float | None}, delay(between=(None, 2000), unit="hours"), "breaking"),
        ({"at": str}, {}, "breaking"),
        ({"more": int | None}, {}, "widening"),
        ({"more": int}, {}, "narrowing"),
        ({}, {"key": ("flight_id", "at")}, "breaking"),
        ({}, {"other": rule("delay > 0")}, "narrowing"),
    ],
)
def test_a_change_is_widening_narrowing_or_breaking(annotations, values, effect) -> None:
    new = type("Flights", (Flights,), {"__annotations__": annotations, **values})
    changes = contract_changes(spec_of(Flights), spec_of(new))
    assert changes.effect == effect
    assert effect in str(changes)


def test_equal_contracts_do_not_differ() -> None:
    assert contract_changes(spec_of(Flights), spec_of(Flights)).effect is None
