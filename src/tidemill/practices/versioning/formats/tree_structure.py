"""The trees of a stored model, looked at before a library walks them: a bad child kills or hangs.

LightGBM and XGBoost follow child indices without looking, so a damaged text that they read may
end the process, or walk for ever, at the first row. Each check is linear in the number of nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.core.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_FIX = "store it again from where it was trained, and copy it whole"


def require_lightgbm_trees(text: bytes) -> None:
    """Look at every tree of a LightGBM text.

    Raises:
        CorruptError: a tree's arrays or children do not fit; names the tree.
        ValueError: a number is none (whoever reads turns it into the file's error).
    """
    start = text.find(b"\nTree=") + 1
    end = text.find(b"\nend of trees")
    head = _pairs(text[:start] if start else text)
    features = int(head[b"max_feature_idx"]) + 1
    trees = text[start:end] if start else b""
    blocks = [b"Tree=" + one for one in trees.split(b"Tree=")[1:]]
    sizes = _whole(head.get(b"tree_sizes", b""))
    _require(end > 0, "the text", "has no end of trees")
    if b"tree_sizes" in head:
        _require(len(sizes) == len(blocks), "the text", "has another number of trees than it says")
        firsts = np.cumsum(sizes) - sizes
        fits = all(size > 0 for size in sizes) and all(
            trees[first : first + 5] == b"Tree=" for first in firsts
        )
        _require(fits, "the text", "has trees of other sizes than it says")
    per_round = int(head.get(b"num_tree_per_iteration", b"1"))
    classes = int(head.get(b"num_class", b"1"))
    _require(
        1 <= per_round == classes and len(blocks) % per_round == 0,
        "the text", "has no whole number of rounds",
    )  # fmt: skip
    for number, block in enumerate(blocks):
        _require_lightgbm_tree(_pairs(block), features, f"tree {number}")


def _require_lightgbm_tree(tree: Mapping[bytes, bytes], features: int, where: str) -> None:
    leaves = int(tree[b"num_leaves"])
    values = _numbers(tree[b"leaf_value"])
    _require(len(values) == leaves >= 1, where, "has not a value a leaf")
    _require(bool(np.isfinite(values).all()), where, "has a leaf that is no finite number")
    if leaves == 1:
        return
    left, right = _whole(tree[b"left_child"]), _whole(tree[b"right_child"])
    split, kinds = _whole(tree[b"split_feature"]), _whole(tree[b"decision_type"])
    threshold = _numbers(tree[b"threshold"])
    sizes = {len(one) for one in (left, right, split, kinds, threshold)}
    _require(sizes == {leaves - 1}, where, "has arrays of different lengths")
    children = np.sort(np.concatenate([left, right]))
    wanted = np.concatenate([np.arange(-leaves, 0), np.arange(1, leaves - 1)])
    _require(np.array_equal(children, wanted), where, "has children that make no tree")
    _require(bool(((split >= 0) & (split < features)).all()), where, "splits no known feature")
    # A split between known and missing values has an endless threshold; none has one that is NaN.
    _require(not np.isnan(threshold).any(), where, "has a threshold that is no number")
    _require_categories(tree, threshold[(kinds & 1) == 1], where)


def _require_categories(
    tree: Mapping[bytes, bytes], chosen: NDArray[np.float64], where: str
) -> None:
    count = int(tree.get(b"num_cat", b"0"))
    inside = bool(((chosen >= 0) & (chosen < count)).all())
    _require(inside, where, "splits by categories that it does not hold")
    if count == 0:
        return
    bounds, words = _whole(tree[b"cat_boundaries"]), _whole(tree[b"cat_threshold"])
    fits = len(bounds) == count + 1 and bounds[0] == 0 and bounds[-1] == len(words)
    _require(fits and bool((np.diff(bounds) >= 0).all()), where, "has categories of other bounds")


def require_xgboost_trees(model: Mapping[str, Any]) -> None:
    """Look at every tree of a decoded XGBoost JSON; linear boosters have none.

    Raises:
        CorruptError: a tree's arrays or children do not fit; names the tree.
        LookupError, TypeError, ValueError: it is no such JSON.
    """
    learner = model["learner"]
    booster = learner["gradient_booster"]
    booster = booster.get("gbtree", booster)  # DART keeps its trees one level lower
    if "trees" not in booster.get("model", {}):
        return
    param = learner["learner_model_param"]
    features = int(param["num_feature"])
    groups = max(1, int(param.get("num_class", 0)), int(param.get("num_target", 1)))
    trees, info = booster["model"]["trees"], np.asarray(booster["model"]["tree_info"])
    _require(len(trees) == len(info), "the model", "has another number of trees than it says")
    _require(bool(((info >= 0) & (info < groups)).all()), "the model", "has trees of no class")
    for number, tree in enumerate(trees):
        _require_xgboost_tree(tree, features, f"tree {number}")


def _require_xgboost_tree(tree: Mapping[str, Any], features: int, where: str) -> None:
    nodes = int(tree["tree_param"]["num_nodes"])
    left, right = (np.asarray(tree[f"{side}_children"]) for side in ("left", "right"))
    split, threshold = np.asarray(tree["split_indices"]), np.asarray(tree["split_conditions"])
    sizes = {len(one) for one in (left, right, split, threshold)}
    _require(sizes == {nodes} and nodes >= 1, where, "has arrays of different lengths")
    inner = left != -1
    _require(np.array_equal(inner, right != -1), where, "has a node with one child")
    children = np.concatenate([left[inner], right[inner]])
    fits = bool(((children > 0) & (children < nodes)).all())
    is_tree = fits and len(np.unique(children)) == len(children)
    _require(is_tree, where, "has children that make no tree")
    used = split[inner]
    _require(bool(((used >= 0) & (used < features)).all()), where, "splits no known feature")
    held = len(tree.get("categories", ()))
    first = np.asarray(tree.get("categories_segments", ()), dtype=np.int64)
    size = np.asarray(tree.get("categories_sizes", ()), dtype=np.int64)
    fits = len(first) == len(size) and bool(
        ((first >= 0) & (size >= 0) & (first + size <= held)).all()
    )
    _require(fits, where, "has categories of other bounds")


def _pairs(block: bytes) -> dict[bytes, bytes]:
    lines = (line.partition(b"=") for line in block.splitlines())
    return {name: value for name, equals, value in lines if equals}


def _whole(text: bytes) -> NDArray[np.int64]:
    if b"_" in text:
        raise ValueError(text[:40])
    return np.array([int(one) for one in text.split()], dtype=np.int64)


def _numbers(text: bytes) -> NDArray[np.float64]:
    if b"_" in text:
        raise ValueError(text[:40])
    return np.array([float(one) for one in text.split()], dtype=np.float64)


def _require(holds: object, where: str, told: str) -> None:
    if not holds:
        raise CorruptError(f"the model is damaged: {where} {told}", fix=_FIX)
