"""Prediction blocks: what is written is read back, whatever the rows; rubbish is named."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.errors import CorruptError
from tidemill.wire.prediction_block import (
    LoggedColumn,
    PredictionBlock,
    decode_block,
    encode_block,
    stream_names,
)

int64 = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    "f": (st.floats(), np.float64),
    "i": (int64, np.int64),
    "b": (st.booleans(), np.bool_),
    "O": (st.text(max_size=8), object),
}


@st.composite
def columns(draw, rows: int):
    kind = draw(st.sampled_from(sorted(VALUES)))
    strategy, dtype = VALUES[kind]
    values = np.empty(rows, dtype=dtype)
    values[:] = draw(st.lists(strategy, min_size=rows, max_size=rows))
    valid = None
    if draw(st.booleans()):
        valid = np.array(
            draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), dtype=np.bool_
        )
        if kind == "O":
            values[~valid] = None
    role = draw(st.sampled_from(["context", "input", "output"]))
    return LoggedColumn(name=draw(st.text(max_size=5)), role=role, values=values, valid=valid)


@st.composite
def blocks(draw):
    rows = draw(st.integers(0, 5))
    array = np.array(draw(st.lists(int64, min_size=rows, max_size=rows)), dtype=np.int64)
    return PredictionBlock(
        deployment=draw(st.text(max_size=9)), model="b3:m",
        ids=np.frombuffer(draw(st.binary(min_size=16 * rows, max_size=16 * rows)), np.uint8)
        .reshape(rows, 16),
        received_us=draw(int64), at_us=array, contract_bits=array.astype(np.uint64),
        columns=tuple(draw(st.lists(columns(rows), max_size=4))), queue_us=3, model_us=4,
        status=draw(st.sampled_from(["ok", "rejected", "failed"])), request=draw(st.text()),
    )  # fmt: skip


@given(blocks())
def test_a_block_is_read_back_as_it_was_written(block) -> None:
    read = decode_block(encode_block(block))
    for name in ("deployment", "model", "received_us", "queue_us", "model_us", "status", "request"):
        assert getattr(read, name) == getattr(block, name)
    assert (read.ids == block.ids).all()
    assert (read.at_us == block.at_us).all()
    assert (read.contract_bits == block.contract_bits).all()
    assert [(c.name, c.role) for c in read.columns] == [(c.name, c.role) for c in block.columns]
    for got, given_ in zip(read.columns, block.columns, strict=True):
        assert got.values.dtype == given_.values.dtype
        np.testing.assert_array_equal(got.values, given_.values)
        assert (got.valid is None) == (given_.valid is None)
        assert got.valid is None or (got.valid == given_.valid).all()


@given(blocks(), st.data())
def test_a_block_that_was_cut_short_is_corrupt(block, data) -> None:
    whole = encode_block(block)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(CorruptError):
        decode_block(whole[:cut])


@given(st.binary(max_size=80))
def test_rubbish_is_corrupt_and_nothing_else(rubbish) -> None:
    with pytest.raises(CorruptError):
        decode_block(rubbish)
    with pytest.raises(CorruptError):
        decode_block(b"TMP1" + rubbish)


def test_a_column_of_another_length_is_refused() -> None:
    column = LoggedColumn(name="x", role="input", values=np.zeros(2))
    with pytest.raises(ValueError, match="x has 2 rows, the block 1"):
        encode_block(block_of(1, (column,)))


def test_a_block_of_1024_rows_and_25_columns_is_written_within_a_millisecond() -> None:
    numbers = [
        LoggedColumn(name=f"x{i}", role="input", values=np.random.rand(1024))  # noqa: NPY002
        for i in range(24)
    ]
    text = np.array([f"N{i}" for i in range(1024)], dtype=object)
    block = block_of(1024, (*numbers, LoggedColumn(name="tail", role="context", values=text)))
    best = min(_timed(block) for _ in range(50))
    assert best < 1e-3


def test_streams_of_a_deployment_are_its_own_and_the_one_written_during_a_swap() -> None:
    names = ["delay", "delay~1", "delay~x", "delays", "a.delay", "delay.x"]
    assert stream_names(names, "delay") == ["delay", "delay~1"]
    assert stream_names(["a.b", "aXb"], "a.b") == ["a.b"]


def block_of(rows: int, columns_) -> PredictionBlock:
    return PredictionBlock(
        deployment="d", model="m", ids=np.zeros((rows, 16), dtype=np.uint8), received_us=0,
        at_us=np.zeros(rows, dtype=np.int64), columns=columns_,
        contract_bits=np.zeros(rows, dtype=np.uint64),
    )  # fmt: skip


def _timed(block) -> float:
    start = time.perf_counter()
    encode_block(block)
    return time.perf_counter() - start
