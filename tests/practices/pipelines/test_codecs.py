"""How results of steps are stored and loaded."""

from typing import ClassVar

import msgspec
import numpy as np
import polars as pl
import pytest

from tidemill.core.artifact import INLINE_LIMIT_BYTES
from tidemill.core.check import Finding
from tidemill.core.digest import digest_of, digest_of_value
from tidemill.core.errors import InvalidInputError
from tidemill.lineage.artifacts import put_value
from tidemill.practices.pipelines import codecs

FRAME = pl.DataFrame({"a": [1, None, 3], "b": ["x", "é", None], "c": [0.1, float("nan"), None]})


@pytest.fixture
def objects(record):
    return record.ports.objects


@pytest.mark.parametrize(
    "value",
    [None, True, 5, 2**80, 0.5, "text", [1, (2, 3)], {"a": {1: 2}}, b"bytes", b"", "x" * 100_000],
)
def test_small_and_large_data_come_back(objects, value) -> None:
    stored = codecs.store(objects, value)
    assert codecs.load(objects, stored) == value
    assert (stored.inline is None) == (stored.size_bytes > INLINE_LIMIT_BYTES)


def test_a_table_comes_back_as_the_frame_that_is_asked_for(objects) -> None:
    stored = codecs.store(objects, FRAME)
    assert stored.artifact.startswith("td1:")
    assert codecs.load(objects, stored).equals(FRAME, null_equal=True)
    lazy = codecs.load(objects, stored, pl.LazyFrame)
    assert isinstance(lazy, pl.LazyFrame)
    assert isinstance(codecs.load(objects, stored, "list[pl.LazyFrame]"), pl.LazyFrame)
    assert codecs.store(objects, lazy).artifact == stored.artifact


@pytest.mark.parametrize(
    "array",
    [np.arange(6).reshape(2, 3), np.array([True, False]), np.array(["a", "bc"]), np.zeros((0, 4))],
)
def test_arrays_come_back_with_type_and_shape(objects, array) -> None:
    found = codecs.load(objects, codecs.store(objects, array))
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert (found == array).all()


def test_a_loaded_array_cannot_change_what_is_stored(objects) -> None:
    stored = codecs.store(objects, np.arange(5))
    codecs.load(objects, stored)[:] = 9
    assert codecs.load(objects, stored).tolist() == [0, 1, 2, 3, 4]


def test_a_struct_is_the_artifact_that_the_record_makes_of_it(record, objects) -> None:
    finding = Finding(rule="r", state="pass", what="w", measured=float("inf"))
    stored = codecs.store(objects, finding)
    assert stored.artifact == digest_of_value(finding) == put_value(record, "k", finding).id
    assert codecs.load(objects, stored) == finding
    assert codecs.value_of(codecs.artifact_of(stored), stored.codec) == stored


class Weather(msgspec.Struct, frozen=True):
    artifact_kind: ClassVar[str] = "weather"
    rain: bool


def test_a_struct_is_of_the_kind_that_its_class_says(objects) -> None:
    stored = codecs.store(objects, Weather(rain=True))
    assert (stored.kind, codecs.load(objects, stored)) == ("weather", Weather(rain=True))


def test_bytes_are_named_by_themselves(objects) -> None:
    assert codecs.store(objects, b"tide").artifact == digest_of(b"tide")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.array([object()]), "array of Python objects"),
        (lambda: 1, "builtins.function"),
        (pl.Series([1]), "Series"),
        ((x for x in [1]), "builtins.generator"),
    ],
)
def test_what_cannot_be_stored_names_itself_and_what_can(objects, value, says) -> None:
    with pytest.raises(InvalidInputError) as caught:
        codecs.store(objects, value, "what came out of step train")
    assert says in caught.value.what
    assert "what came out of step train" in caught.value.what
    assert "frame" in caught.value.fix


def test_the_same_value_is_stored_under_one_name(objects) -> None:
    ids = {codecs.store(objects, {"b": 1, "a": [2.0, None]}).artifact for _ in range(3)}
    assert ids == {codecs.store(objects, {"a": [2.0, None], "b": 1}).artifact}
    assert msgspec.json.decode(codecs.store(objects, {"a": 1}).inline) == {"a": 1}
