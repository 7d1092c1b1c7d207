"""A model from outside is asked what anybody may send before it is taken, in another process."""

from pathlib import Path

import numpy as np
import pytest
from made_models import MAKERS, table

from tidemill.core.errors import CorruptError
from tidemill.core.signature import Field, Signature
from tidemill.core.task import Task
from tidemill.practices.versioning.columns import columns_of
from tidemill.practices.versioning.drawn_inputs import extreme_rows, most_rows
from tidemill.practices.versioning.inputs import Inputs
from tidemill.practices.versioning.loading import LoadingProcess
from tidemill.practices.versioning.loading_messages import Ask, packed, unpacked

TYPES = (
    "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "FP32",
    "FP64", "BYTES",
)  # fmt: skip


def test_extreme_rows_have_the_ends_of_every_type_and_fit_the_signature() -> None:
    inputs = tuple(Field(name=name, datatype=name) for name in TYPES)
    inputs += (
        Field(name="level", datatype="BYTES", categories=("a", "b")),
        Field(name="array", datatype="FP32", shape=(2, -1)),
    )
    signature = Signature(inputs=inputs, outputs=())
    batches = extreme_rows(signature)
    for batch in batches:
        assert Inputs(signature, batch).rows == 2
    together = {name: np.concatenate([one[name] for one in batches]) for name in ("INT8", "FP64")}
    assert {-128, 127} <= set(together["INT8"])
    assert np.isnan(together["FP64"]).any()
    assert {np.inf, -np.inf, np.finfo(np.float64).max} <= set(together["FP64"])


def test_few_rows_are_asked_where_one_is_large() -> None:
    image = Signature(inputs=(Field(name="x", datatype="FP32", shape=(3, 64, 64)),), outputs=())
    number = Signature(inputs=(Field(name="x", datatype="FP32"),), outputs=())
    assert (most_rows(image), most_rows(number)) == (2, 50)


def _endless(path: Path) -> None:
    """Write a graph that counts up to its input: a large one takes for ever."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto as Type
    from onnx.helper import make_graph, make_model, make_node, make_opsetid
    from onnx.helper import make_tensor_value_info as value

    nodes = [
        make_node("Identity", ["go"], ["go_on"]),
        make_node("Add", ["sum", "sum"], ["sum_after"]),
    ]
    inner = [
        value("turn", Type.INT64, []), value("go", Type.BOOL, []), value("sum", Type.FLOAT, [None]),
    ]  # fmt: skip
    answers = [value("go_on", Type.BOOL, []), value("sum_after", Type.FLOAT, [None])]
    body = make_graph(nodes, "body", inner, answers)
    outer = [
        make_node("ReduceMax", ["count"], ["most"], keepdims=0),
        make_node("Cast", ["count"], ["start"], to=Type.FLOAT),
        make_node("Loop", ["most", "", "start"], ["score"], body=body),
    ]
    graph = make_graph(
        outer, "g", [value("count", Type.INT64, [None])], [value("score", Type.FLOAT, [None])]
    )
    model = make_model(graph, opset_imports=[make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))


def test_a_model_that_a_row_would_hang_is_refused_when_it_is_added(tmp_path: Path) -> None:
    _endless(tmp_path / "model.onnx")
    (folder := tmp_path / "folder").mkdir()
    ask = Ask(
        do="convert", folder=str(folder), path=str(tmp_path / "model.onnx"),
        task=Task(kind="regression", label="y"),
    )  # fmt: skip
    with LoadingProcess(timeout_s=5) as process:
        with pytest.raises(CorruptError, match="not read and asked within 5 s"):
            process.ask(ask)
        whole = tmp_path / "whole"
        whole.mkdir()
        MAKERS["lightgbm-text"]("regression").save(whole)
        process.ask(Ask(do="read", folder=str(whole)))


def test_the_model_that_was_read_last_answers_and_no_older_one_of_its_folder(
    tmp_path: Path,
) -> None:
    model = MAKERS["lightgbm-text"]("regression")
    model.save(tmp_path)
    rows = packed(columns_of(table().select("a", "b", "c")))
    with LoadingProcess() as process:
        process.ask(Ask(do="predict", folder=str(tmp_path), rows=rows))
        MAKERS["lightgbm-text"]("binary").save(tmp_path)
        process.ask(Ask(do="read", folder=str(tmp_path), rows=rows))
        told = process.ask(Ask(do="predict", folder=str(tmp_path), rows=rows))
    score = unpacked(told.outputs)["score"]
    assert ((score >= 0) & (score <= 1)).all()
