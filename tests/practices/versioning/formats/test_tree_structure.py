"""Trees that would kill or hang the process that walks them are refused when they are read."""

import re
from collections.abc import Callable
from pathlib import Path

import lightgbm
import msgspec
import numpy as np
import pytest
from made_models import MAKERS

from tidemill.core.errors import CorruptError
from tidemill.practices.versioning.formats.registry import format_named
from tidemill.practices.versioning.formats.tree_structure import require_lightgbm_trees


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("right_child", "-2147483648"),
        ("right_child", "0"),
        ("left_child", "999999"),
        ("split_feature", "4000000"),
        ("split_feature", "-1"),
        ("threshold", "nan"),
        ("leaf_value", "inf"),
        ("num_leaves", "2147483647"),
        ("decision_type", "1"),
    ],
)
def test_a_lightgbm_text_whose_trees_are_damaged_is_refused(
    tmp_path: Path, line: str, first: str
) -> None:
    MAKERS["lightgbm-text"]("regression").save(tmp_path)
    path = tmp_path / "model.txt"
    text = path.read_text()
    damaged = re.sub(rf"(?m)^{line}=\S+", f"{line}={first}", text, count=1)
    assert len(re.findall(rf"(?m)^{line}=", text)) > 0
    # the sizes of trees are left out, so that what is found is the tree itself
    path.write_text(re.sub(r"(?m)^tree_sizes=.*\n", "", damaged))
    with pytest.raises(CorruptError, match="tree 0"):
        format_named("lightgbm-text").load(tmp_path)


@pytest.mark.parametrize(
    ("line", "into"),
    [
        ("shrinkage=", "shrinkxge="),
        ("leaf_count=", "leaf_count "),
        ("split_gain=", "split_gain=0x9 "),
        ("internal_value=", "internal_value=1 "),
        ("leaf_weight=", "leaf_weight=1 "),
        ("internal_count=", "leaf_count="),
        ("is_linear=0", "is_linear=1"),
        ("is_linear=0", "is_linear=7"),
        ("shrinkage=", "shrinkage=1 "),
        ("left_child=", "left_child=\t"),
        ("num_leaves=", "num_leaves=1_"),
    ],
)
def test_a_lightgbm_tree_with_a_damaged_line_is_refused(
    tmp_path: Path, line: str, into: str
) -> None:
    MAKERS["lightgbm-text"]("regression").save(tmp_path)
    path = tmp_path / "model.txt"
    text = re.sub(r"(?m)^tree_sizes=.*\n", "", path.read_text())
    assert f"\n{line}" in text
    path.write_text(text.replace(f"\n{line}", f"\n{into}", 1))
    with pytest.raises(CorruptError):
        format_named("lightgbm-text").load(tmp_path)


@pytest.mark.parametrize(
    ("line", "into"),
    [
        ("num_features=", "num_features=9"),
        ("leaf_features=", "leaf_features=9"),
        ("leaf_coeff=", "leaf_coeff=9 "),
        ("leaf_const=", "leaf_const=9 "),
        (r"leaf_const=\S+", "leaf_const=1e451825 "),
        (r"leaf_const=\S+", "leaf_const=-1e-310 "),
        (r"leaf_coeff=\S+", "leaf_coeff=1e-451825 "),
    ],
)
def test_a_lightgbm_tree_with_damaged_linear_leaves_is_refused(line: str, into: str) -> None:
    rows = np.random.default_rng(0).normal(size=(200, 2))
    options = {"linear_tree": True, "verbosity": -1, "num_threads": 1, "num_leaves": 4}
    booster = lightgbm.train(options, lightgbm.Dataset(rows, rows[:, 0] ** 2), 3)
    text = re.sub(r"(?m)^tree_sizes=.*\n", "", booster.model_to_string())
    require_lightgbm_trees(text.encode())
    damaged = re.sub(rf"(?m)^{line} *(?=\S)", into, text, count=1)
    assert damaged != text
    with pytest.raises(CorruptError, match="tree"):
        require_lightgbm_trees(damaged.encode())


@pytest.mark.parametrize("into", ["[num_threads; 1]", "[num_threads\n: 1]", "[num_threads:1]"])
def test_a_lightgbm_text_with_a_damaged_parameter_is_refused(tmp_path: Path, into: str) -> None:
    MAKERS["lightgbm-text"]("regression").save(tmp_path)
    path = tmp_path / "model.txt"
    text = path.read_text()
    assert "[num_threads: 1]" in text
    path.write_text(text.replace("[num_threads: 1]", into))
    with pytest.raises(CorruptError, match="has a parameter"):
        format_named("lightgbm-text").load(tmp_path)


def test_an_objective_of_other_classes_is_refused(tmp_path: Path) -> None:
    MAKERS["lightgbm-text"]("multiclass").save(tmp_path)
    path = tmp_path / "model.txt"
    path.write_text(path.read_text().replace("multiclass num_class:3", "multiclass num_class:9"))
    with pytest.raises(CorruptError, match="other classes"):
        format_named("lightgbm-text").load(tmp_path)


@pytest.mark.parametrize("kind", ["regression", "binary", "multiclass"])
def test_whole_trees_are_read(tmp_path: Path, kind: str) -> None:
    for name in ("lightgbm-text", "xgboost-json"):
        folder = tmp_path / name
        folder.mkdir()
        MAKERS[name](kind).save(folder)
        assert format_named(name).load(folder) is not None


def _first(name: str, value: int) -> Callable[[dict], None]:
    def change(tree: dict) -> None:
        tree[name][0] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _first("right_children", 0),
        _first("right_children", 2**31 - 1),
        _first("left_children", -1),
        _first("split_indices", 2**31 - 1),
        lambda tree: tree["split_conditions"].pop(),
    ],
)
def test_an_xgboost_json_whose_trees_are_damaged_is_refused(
    tmp_path: Path, change: Callable[[dict], object]
) -> None:
    MAKERS["xgboost-json"]("regression").save(tmp_path)
    path = tmp_path / "xgboost.json"
    model = msgspec.json.decode(path.read_bytes())
    change(model["learner"]["gradient_booster"]["model"]["trees"][0])
    path.write_bytes(msgspec.json.encode(model))
    with pytest.raises(CorruptError, match="tree 0"):
        format_named("xgboost-json").load(tmp_path)


def test_a_split_between_known_and_missing_values_is_sound():
    rng = np.random.default_rng(0)
    rows = np.where(rng.random((500, 1)) < 0.5, np.nan, rng.choice([1.0, 2.0], (500, 1)))
    target = np.isnan(rows[:, 0]).astype(float)
    options = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(options, lightgbm.Dataset(rows, target), 5)
    text = booster.model_to_string().encode()
    require_lightgbm_trees(text)
