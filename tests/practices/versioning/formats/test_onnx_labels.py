"""The classes of an ONNX graph are found from its bytes, whatever else is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_models import MAKERS, NUMBERS, table

from tidemill.practices.versioning.formats.onnx_labels import class_labels
from tidemill.practices.versioning.formats.registry import format_named
from tidemill.practices.versioning.model import Model

onnx = pytest.importorskip("onnx")


def _labelled(name: str, labels: list[object]) -> bytes:
    node = onnx.helper.make_node(
        "LinearClassifier", ["x"], ["label", "score"], domain="ai.onnx.ml",
        coefficients=[0.5], **{name: labels},
    )  # fmt: skip
    other = onnx.helper.make_node("Identity", ["score"], ["end"])
    graph = onnx.helper.make_graph([node, other], "g", [], [])
    return onnx.helper.make_model(graph).SerializeToString()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_whole_numbers_are_classes_also_below_zero(labels: list[int]) -> None:
    found = class_labels(_labelled("classlabels_int64s", labels))
    assert found == tuple(str(one) for one in labels)


@given(st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_texts_are_classes(labels: list[str]) -> None:
    assert class_labels(_labelled("classlabels_strings", labels)) == tuple(labels)


def test_a_graph_without_classes_has_none_and_one_cut_off_is_an_error() -> None:
    whole = _labelled("classlabels_strings", ["a", "b"])
    assert class_labels(MAKERS["onnx"]("regression").object.SerializeToString()) == ()
    for end in range(1, len(whole)):
        try:
            assert class_labels(whole[:end]) in {(), ("a", "b")}
        except ValueError:
            continue


@given(st.binary(max_size=200))
def test_any_bytes_are_classes_or_a_value_error(content: bytes) -> None:
    try:
        class_labels(content)
    except ValueError:
        return


@pytest.mark.parametrize("zipmap", [True, False])
def test_a_file_s_columns_are_in_the_order_of_the_task_without_the_onnx_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipmap: bool
) -> None:
    pytest.importorskip("skl2onnx")
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    made = MAKERS["onnx"]("multiclass")
    rows = table().select(NUMBERS).to_numpy().astype(np.float32)
    fitted = RandomForestClassifier(5, random_state=0).fit(rows, table()["level"].to_numpy())
    graph = to_onnx(fitted, rows[:1], options={id(fitted): {"zipmap": zipmap}})
    path = tmp_path / "level.onnx"
    path.write_bytes(graph.SerializeToString())
    monkeypatch.setitem(sys.modules, "onnx", None)
    found = format_named("onnx").read_file(path)
    model = Model(found, signature=made.signature, task=made.task)
    scores = model.predict(table())["score"]
    told = np.array(["low", "mid", "high"])[scores.argmax(axis=1)]
    assert (told == table()["level"].to_numpy()).mean() > 0.8
