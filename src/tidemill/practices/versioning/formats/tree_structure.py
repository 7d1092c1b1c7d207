"""The trees of a stored model, looked at before a library walks them: a bad child kills or hangs.

LightGBM and XGBoost follow child indices without looking, so a damaged text that they read may
end the process, or walk for ever, at the first row. Each check is linear in the number of nodes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.core.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_FIX = "store it again from where it was trained, and copy it whole"
_WHOLE = re.compile(rb" *(?:-?[0-9]+(?: +|$))*+")
_NUMBERS = re.compile(
    rb" *(?:-?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|inf|nan)(?: +|$))*+", re.IGNORECASE
)
_PARAMETER = re.compile(rb"\[[A-Za-z0-9_]+: .*\]")
_OF_CLASSES = (b"multiclass", b"multiclassova")
_OF_LEAVES = {b"leaf_weight", b"leaf_count"}
_OF_SPLITS = {b"split_gain", b"internal_value", b"internal_weight", b"internal_count"}
_LINES = frozenset({
    b"Tree", b"num_leaves", b"num_cat", b"split_feature", b"threshold", b"decision_type",
    b"left_child", b"right_child", b"leaf_value", b"cat_boundaries", b"cat_threshold",
    b"is_linear", b"leaf_const", b"num_features", b"leaf_features", b"leaf_coeff", b"shrinkage",
    *_OF_LEAVES, *_OF_SPLITS,
})  # fmt: skip
"""What LightGBM 2.2 to 4.7 write of a tree."""
_OF_NODES = ("default_left", "loss_changes", "parents", "split_type", "sum_hessian")
_MOST_LEVELS = 1 << 24
"""Of a category in XGBoost: it keeps them as float32."""


def require_lightgbm_trees(text: bytes) -> None:
    """Look at every tree of a LightGBM text.

    Raises:
        CorruptError: a tree's lines, arrays or children do not fit; names the tree.
        ValueError: a number is none (whoever reads turns it into the file's error).
    """
    start = text.find(b"\nTree=") + 1
    end = text.find(b"\nend of trees")
    head = _pairs(text[:start] if start else text[: max(end, 0)])
    trees = text[start:end] if start else b""
    blocks = [b"Tree=" + one for one in trees.split(b"Tree=")[1:]]
    _require(end > 0, "the text", "has no end of trees")
    if b"tree_sizes" in head:
        sizes = _whole(head[b"tree_sizes"])
        _require(len(sizes) == len(blocks), "the text", "has another number of trees than it says")
        firsts = np.cumsum(sizes) - sizes
        fits = all(size > 0 for size in sizes) and all(
            trees[first : first + 5] == b"Tree=" for first in firsts
        )
        _require(fits, "the text", "has trees of other sizes than it says")
    _require_lightgbm_classes(head, len(blocks))
    _require_lightgbm_parameters(text[end:])
    features = _one(head[b"max_feature_idx"]) + 1
    for number, block in enumerate(blocks):
        where = f"tree {number}"
        _require_lightgbm_tree(_lightgbm_lines(block, where), features, where)


def _require_lightgbm_classes(head: Mapping[bytes, bytes], trees: int) -> None:
    """Look at what an answer is made of: LightGBM writes as many numbers as the objective says."""
    classes = _one(head[b"num_class"])
    per_round = _one(head.get(b"num_tree_per_iteration", head[b"num_class"]))
    whole = 1 <= per_round == classes and trees % per_round == 0
    _require(whole, "the text", "has no whole number of rounds")
    name, *options = head.get(b"objective", b"").split(b" ")
    if name in _OF_CLASSES:
        _require(
            b"num_class:%d" % classes in options, "the text", "has an objective of other classes"
        )


def _require_lightgbm_parameters(rest: bytes) -> None:
    """Look at what it was trained with: LightGBM reads beyond a line that has no `: `."""
    lines = rest.splitlines()
    first = lines.index(b"parameters:") + 1 if b"parameters:" in lines else len(lines)
    for line in lines[first:]:
        if line == b"end of parameters":
            return
        told = line[:40].decode("ascii", "replace")
        _require(not line or _PARAMETER.fullmatch(line), "the text", f"has a parameter {told!r}")


def _lightgbm_lines(block: bytes, where: str) -> dict[bytes, bytes]:
    """Return a tree's lines by their names: LightGBM looks for `=` wherever it may be."""
    lines = block.rstrip(b"\r\n").splitlines()
    found = _pairs(block)
    _require(all(b"=" in line for line in lines), where, "has a line that says nothing")
    _require(len(found) == len(lines), where, "has a line twice")
    unknown = found.keys() - _LINES
    told = b", ".join(sorted(unknown)).decode("ascii", "replace")[:80]
    _require(not unknown, where, f"has an unknown line: {told}")
    return found


def _require_lightgbm_tree(tree: Mapping[bytes, bytes], features: int, where: str) -> None:
    leaves = _one(tree[b"num_leaves"])
    is_linear = _one(tree.get(b"is_linear", b"0"))
    values = _numbers(tree[b"leaf_value"])
    _require(len(values) == leaves >= 1, where, "has not a value a leaf")
    _require(bool(np.isfinite(values).all()), where, "has a leaf that is no finite number")
    _require(is_linear in (0, 1), where, "is neither linear nor constant")
    _require(len(_numbers(tree.get(b"shrinkage", b"1"))) == 1, where, "has no one shrinkage")
    _require_figures(tree, leaves, where)
    if is_linear:
        _require_linear_leaves(tree, leaves, features, where)
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
    _require(bool(((kinds >= 0) & (kinds < 16)).all()), where, "has an unknown kind of split")
    # A split between known and missing values has an endless threshold; none has one that is NaN.
    _require(not np.isnan(threshold).any(), where, "has a threshold that is no number")
    _require_categories(tree, threshold[(kinds & 1) == 1], where)


def _require_figures(tree: Mapping[bytes, bytes], leaves: int, where: str) -> None:
    """Look at what no answer needs: LightGBM takes as many of them as there are leaves or splits.

    A tree of one leaf has none of some of them. Any of them may be endless.
    """
    for names, wanted in ((_OF_LEAVES, leaves), (_OF_SPLITS, leaves - 1)):
        for name in names & tree.keys():
            count = _count(tree[name])
            fits = count == wanted or (leaves == 1 and count == 0)
            _require(fits, where, f"has not as many numbers in {name.decode()} as it says")


def _require_linear_leaves(
    tree: Mapping[bytes, bytes], leaves: int, features: int, where: str
) -> None:
    """Look at the linear models in the leaves: each takes its count of the features in a row."""
    counts, used = _whole(tree[b"num_features"]), _whole(tree[b"leaf_features"])
    sizes = (len(counts), _count(tree[b"leaf_const"]))
    _require(sizes == (leaves, leaves), where, "has not a linear model a leaf")
    fits = bool((counts >= 0).all()) and counts.sum() == len(used) == _count(tree[b"leaf_coeff"])
    _require(fits, where, "has linear models of other features")
    _require(bool(((used >= 0) & (used < features)).all()), where, "reads no known feature")
    for name in (b"leaf_const", b"leaf_coeff"):
        fits = all(_is_double(one) for one in tree[name].split())
        _require(fits, where, f"has a number in {name.decode()} that no double holds")


def _is_double(number: bytes) -> bool:
    """Whether C's `stod` takes it: of one too large or small LightGBM ends its process."""
    if number.lstrip(b"-").isalpha():  # inf or nan
        return True
    is_zero = not number.lower().partition(b"e")[0].strip(b"-0.")
    return is_zero or float(np.finfo(np.float64).tiny) <= abs(float(number)) < np.inf


def _require_categories(
    tree: Mapping[bytes, bytes], chosen: NDArray[np.float64], where: str
) -> None:
    count = _one(tree.get(b"num_cat", b"0"))
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
    param = learner["learner_model_param"]
    features = int(param["num_feature"])
    groups = max(1, int(param.get("num_class", 0)), int(param.get("num_target", 1)))
    dropped = booster.get("weight_drop")
    held = booster.get("gbtree", booster).get("model", {})  # DART keeps its trees one level lower
    if "trees" not in held:
        weights = held.get("weights", ())
        fits = len(weights) in (0, (features + 1) * groups)
        _require(fits, "the model", "has not a weight a feature and class")
        return
    trees, info = held["trees"], np.asarray(held["tree_info"])
    _require(len(trees) == len(info), "the model", "has another number of trees than it says")
    _require(bool(((info >= 0) & (info < groups)).all()), "the model", "has trees of no class")
    fits = dropped is None or len(dropped) == len(trees)
    _require(fits, "the model", "has not a weight a tree")
    _require_rounds(np.asarray(held.get("iteration_indptr", (0, len(trees)))), len(trees))
    for number, tree in enumerate(trees):
        _require_xgboost_tree(tree, features, groups, f"tree {number}")


def _require_rounds(firsts: NDArray[np.int64], trees: int) -> None:
    fits = len(firsts) >= 1 and firsts[0] == 0 and firsts[-1] == trees
    _require(fits and bool((np.diff(firsts) >= 0).all()), "the model", "has no whole rounds")


def _require_xgboost_tree(tree: Mapping[str, Any], features: int, groups: int, where: str) -> None:
    nodes = int(tree["tree_param"]["num_nodes"])
    width = int(tree["tree_param"].get("size_leaf_vector", 1))
    left, right = (np.asarray(tree[f"{side}_children"]) for side in ("left", "right"))
    split, threshold = np.asarray(tree["split_indices"]), np.asarray(tree["split_conditions"])
    optional = [len(tree[name]) for name in _OF_NODES if name in tree]
    sizes = {len(one) for one in (left, right, split, threshold)} | set(optional)
    _require(sizes == {nodes} and nodes >= 1, where, "has arrays of different lengths")
    inner = left != -1
    if width > 1:
        _require_vectors(tree, right[~inner], (nodes, width, groups), where)
    else:
        _require(np.array_equal(inner, right != -1), where, "has a node with one child")
    children = np.concatenate([left[inner], right[inner]])
    fits = bool(((children > 0) & (children < nodes)).all())
    is_tree = fits and len(np.unique(children)) == len(children)
    _require(is_tree, where, "has children that make no tree")
    used = split[inner]
    _require(bool(((used >= 0) & (used < features)).all()), where, "splits no known feature")
    _require_levels(tree, nodes, where)


def _require_vectors(
    tree: Mapping[str, Any], leaves: NDArray[np.int64], shape: tuple[int, int, int], where: str
) -> None:
    """Look at leaves of several numbers: each has its place among them for a right child.

    Before XGBoost 3.1 they are among the weights of all nodes, and no leaf has a right child.
    """
    nodes, width, groups = shape
    held = tree.get("leaf_weights", ())
    places = len(held) // width
    fits = width == groups and len(tree["base_weights"]) == nodes * width
    fits = fits and len(held) == places * width
    inside = ((leaves >= 0) & (leaves < places)) | ((leaves == -1) & (places == 0))
    _require(fits and bool(inside.all()), where, "has leaves of another number of answers")


def _require_levels(tree: Mapping[str, Any], nodes: int, where: str) -> None:
    names = ("nodes", "segments", "sizes")
    node, first, size = (
        np.asarray(tree.get(f"categories_{name}", ()), dtype=np.int64) for name in names
    )
    levels = np.asarray(tree.get("categories", ()), dtype=np.int64)
    fits = len(node) == len(first) == len(size) and bool(
        ((node >= 0) & (node < nodes) & (first >= 0) & (size >= 0)).all()
        and (first + size <= len(levels)).all()
    )
    _require(fits, where, "has categories of other bounds")
    known = bool(((levels >= 0) & (levels < _MOST_LEVELS)).all())
    _require(known, where, "has a category that no row can have")


def _pairs(block: bytes) -> dict[bytes, bytes]:
    lines = (line.partition(b"=") for line in block.splitlines())
    return {name: value for name, equals, value in lines if equals}


def _one(text: bytes) -> int:
    (only,) = _whole(text)
    return int(only)


def _whole(text: bytes) -> NDArray[np.int64]:
    """Return whole numbers with blanks between them, and nothing else that Python would read."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(text[:40])
    return np.array([int(one) for one in text.split()], dtype=np.int64)


def _numbers(text: bytes) -> NDArray[np.float64]:
    _count(text)
    return np.array([float(one) for one in text.split()], dtype=np.float64)


def _count(text: bytes) -> int:
    """Return how many numbers there are: LightGBM ends at a word that it takes for none."""
    if not _NUMBERS.fullmatch(text):
        raise ValueError(text[:40])
    return len(text.split())


def _require(holds: object, where: str, told: str) -> None:
    if not holds:
        raise CorruptError(f"the model is damaged: {where} {told}", fix=_FIX)
