"""What scikit-learn walks without looking: trees, their features, the indices of sparse matrices.

A child or feature that is not there is read all the same, and ends the process that asks; a child
before its parent may be walked for ever. So every such part of a model that was read is looked at
before it is asked. Linear in the number of nodes.
"""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.core.errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

_LEAF = -1
_BIT_WORDS = 8
"""Words of 32 bits that say which of 256 categories go to the left."""
_PLAIN = (
    str, bytes, int, float, complex, type, ModuleType, FunctionType, BuiltinFunctionType,
    MethodType, type(None),
)  # fmt: skip


def require_sklearn_structure(model: object) -> None:
    """Look at every tree and sparse matrix in a model of scikit-learn.

    Raises:
        CorruptError: one has children, features or sizes that do not fit; names the part.
    """
    for part in _parts(model):
        for module, name, require in _KINDS:
            kind = getattr(sys.modules.get(module), name, None)
            if isinstance(kind, type) and isinstance(part, kind):
                require(part)


def _parts(model: object) -> Iterator[object]:
    """Yield a model and all that it holds, each once."""
    met: set[int] = set()
    waiting: list[object] = [model]
    while waiting:
        part = waiting.pop()
        if isinstance(part, _PLAIN) or id(part) in met:
            continue
        met.add(id(part))
        yield part
        waiting += _inside(part)


def _inside(part: object) -> Iterable[object]:
    if isinstance(part, dict):
        return [*part.keys(), *part.values()]
    if isinstance(part, list | tuple | set | frozenset):
        return list(part)
    if isinstance(part, np.ndarray):
        return part.ravel().tolist() if part.dtype.kind == "O" else ()
    return list(getattr(part, "__dict__", {}).values())


def _require_tree(tree: Any) -> None:  # noqa: ANN401 - sklearn.tree._tree.Tree
    where = "a tree"
    _require(1 <= tree.node_count <= tree.capacity, where, "has another number of nodes")
    nodes = tree.__getstate__()["nodes"][: tree.node_count]
    left, right = nodes["left_child"], nodes["right_child"]
    _require_children(left, right, left != _LEAF, where)
    used = nodes["feature"][left != _LEAF]
    _require_features(used, tree.n_features, where)


def _require_tree_model(model: Any) -> None:  # noqa: ANN401 - a decision tree
    tree = getattr(model, "tree_", None)
    if tree is None:
        return
    _require(tree.n_features == model.n_features_in_, "a tree", "is of other features")
    shape = (tree.capacity, tree.n_outputs, tree.max_n_classes)
    _require(tree.value.shape[1:] == shape[1:], "a tree", "has leaves of other answers")
    _require(tree.n_outputs == model.n_outputs_, "a tree", "has another number of answers")


def _require_boosting(model: Any) -> None:  # noqa: ANN401 - gradient boosting
    trees = getattr(model, "estimators_", None)
    if trees is None:
        return
    per_round = model.n_trees_per_iteration_
    fits = isinstance(trees, np.ndarray) and trees.ndim == 2 and trees.shape[1] == per_round
    _require(fits, "the model", "has no whole number of rounds")
    for one in trees.flat:
        tree = one.tree_
        fits = tree.n_features == model.n_features_in_
        _require(fits and tree.n_outputs == tree.max_n_classes == 1, "a tree", "is of other rows")


def _require_predictor(predictor: Any) -> None:  # noqa: ANN401 - of histogram boosting
    nodes, where = predictor.nodes, "a tree"
    fits = isinstance(nodes, np.ndarray) and nodes.ndim == 1 and len(nodes) >= 1
    _require(fits and nodes.dtype.names is not None, where, "has no nodes")
    inner = nodes["is_leaf"] == 0
    children = [nodes[side].astype(np.int64) for side in ("left", "right")]
    _require_children(children[0], children[1], inner, where)
    chosen = nodes["bitset_idx"][inner & (nodes["is_categorical"] != 0)]
    held = np.asarray(predictor.raw_left_cat_bitsets)
    fits = held.ndim == 2 and held.shape[1] == _BIT_WORDS and bool((chosen < len(held)).all())
    _require(fits or not len(chosen), where, "splits by categories that it does not hold")


def _require_histogram_boosting(model: Any) -> None:  # noqa: ANN401 - histogram boosting
    rounds = getattr(model, "_predictors", None)
    if rounds is None:
        return
    features = model._n_features  # noqa: SLF001 - nobody else tells
    _require(features == model.n_features_in_, "the model", "is of other features")
    bits, places = model._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001
    for trees in rounds:
        fits = len(trees) == model.n_trees_per_iteration_
        _require(fits, "the model", "has no whole number of rounds")
        for one in trees:
            inner = one.nodes[one.nodes["is_leaf"] == 0]
            _require_features(inner["feature_idx"], features, "a tree")
            asked = inner["feature_idx"][inner["is_categorical"] != 0]
            known = len(places) == features and bool((places[asked] < len(bits)).all())
            _require(known or not len(asked), "a tree", "splits categories of no feature")


def _require_neighbours(tree: Any) -> None:  # noqa: ANN401 - a KDTree or BallTree
    where = "a tree of neighbours"
    data, places, nodes, bounds = (np.asarray(one) for one in tree.get_arrays())
    rows, count = len(data), len(nodes)
    state = tree.__getstate__()
    fits = len(places) == rows and count == state[6] >= 1 and bounds.shape[1] == count
    _require(fits and bounds.shape[2] == data.shape[1], where, "has arrays of other sizes")
    _require(bool(((places >= 0) & (places < rows)).all()), where, "names a row that is not there")
    first, last = nodes["idx_start"], nodes["idx_end"]
    fits = bool(((first >= 0) & (first <= last) & (last <= rows)).all())
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    _require(fits and bool((2 * inner + 2 < count).all()), where, "has children that make no tree")


def _require_sparse(matrix: Any) -> None:  # noqa: ANN401 - a CSR or CSC matrix
    try:
        matrix.check_format(full_check=True)
    except (ValueError, TypeError) as error:
        _require(holds=False, where="a sparse matrix", told=f"does not fit: {error}")


def _require_children(
    left: NDArray[np.int64], right: NDArray[np.int64], inner: NDArray[np.bool_], where: str
) -> None:
    """Look at children: each comes after its parent, is there, and has one parent only."""
    parents = np.flatnonzero(inner)
    children = np.concatenate([left[inner], right[inner]])
    fits = bool(((children > np.tile(parents, 2)) & (children < len(left))).all())
    is_tree = fits and len(np.unique(children)) == len(children)
    _require(is_tree, where, "has children that make no tree")


def _require_features(used: NDArray[np.int64], features: int, where: str) -> None:
    _require(bool(((used >= 0) & (used < features)).all()), where, "splits no known feature")


def _require(holds: object, where: str, told: str) -> None:
    if not holds:
        raise CorruptError(
            f"the model is damaged: {where} {told}",
            fix="store it again from where it was trained, and copy it whole",
        )


_KINDS: tuple[tuple[str, str, Callable[[Any], None]], ...] = (
    ("sklearn.tree._tree", "Tree", _require_tree),
    ("sklearn.tree._classes", "BaseDecisionTree", _require_tree_model),
    ("sklearn.ensemble._gb", "BaseGradientBoosting", _require_boosting),
    ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor", _require_predictor),
    (
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
        "BaseHistGradientBoosting",
        _require_histogram_boosting,
    ),
    ("sklearn.neighbors._kd_tree", "BinaryTree64", _require_neighbours),
    ("sklearn.neighbors._kd_tree", "BinaryTree32", _require_neighbours),
    ("sklearn.neighbors._ball_tree", "BinaryTree64", _require_neighbours),
    ("sklearn.neighbors._ball_tree", "BinaryTree32", _require_neighbours),
    ("scipy.sparse._compressed", "_cs_matrix", _require_sparse),
)
"""What is looked at, by module and class: it is there only where a model of it was read."""
