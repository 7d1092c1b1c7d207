"""What scikit-learn would walk without looking is looked at: damage is told, sound is taken."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn import ensemble, neighbors, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tidemill.core.errors import CorruptError
from tidemill.core.task import Task
from tidemill.practices.versioning.formats.sklearn_structure import require_sklearn_structure
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.operations import add_model
from tidemill.practices.versioning.signatures import infer_signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 200
CHANCE = np.random.default_rng(3)
PLAIN = np.column_stack([CHANCE.normal(size=(ROWS, 3)), CHANCE.integers(0, 6, ROWS)])
NUMBER = PLAIN[:, 0] * 2 - PLAIN[:, 1] + PLAIN[:, 3]
PLACE = np.digitize(NUMBER, [0, 3])
SEED = {"random_state": 0}
SOUND: dict[str, Any] = {
    "tree": tree.DecisionTreeRegressor(**SEED), "classes": tree.DecisionTreeClassifier(**SEED),
    "extra": tree.ExtraTreeRegressor(**SEED), "stump": tree.DecisionTreeRegressor(max_depth=1),
    "leaf": tree.DecisionTreeRegressor(min_samples_leaf=ROWS),
    "best first": tree.DecisionTreeRegressor(max_leaf_nodes=9, **SEED),
    "pruned": tree.DecisionTreeRegressor(ccp_alpha=0.05, **SEED),
    "forest": ensemble.RandomForestClassifier(5, **SEED),
    "extra forest": ensemble.ExtraTreesRegressor(5, **SEED),
    "bagging": ensemble.BaggingRegressor(n_estimators=3, max_features=2, **SEED),
    "ada": ensemble.AdaBoostClassifier(n_estimators=3, **SEED),
    "boosting": ensemble.GradientBoostingClassifier(n_estimators=5, **SEED),
    "zero": ensemble.GradientBoostingRegressor(n_estimators=5, init="zero", **SEED),
    "isolation": ensemble.IsolationForest(n_estimators=5, max_features=2, **SEED),
    "embedding": make_pipeline(
        ensemble.RandomTreesEmbedding(n_estimators=3, **SEED), tree.DecisionTreeRegressor()
    ),
    "histogram": ensemble.HistGradientBoostingClassifier(max_iter=5, **SEED),
    "levels": ensemble.HistGradientBoostingRegressor(
        max_iter=5, categorical_features=[3], **SEED
    ),
    "voting": ensemble.VotingRegressor([("a", tree.DecisionTreeRegressor(max_depth=2))]),
    "calibrated": CalibratedClassifierCV(tree.DecisionTreeClassifier(max_depth=3), cv=2),
    "kd": neighbors.KNeighborsClassifier(algorithm="kd_tree", leaf_size=7),
    "ball": neighbors.KNeighborsRegressor(algorithm="ball_tree", leaf_size=7),
    "sparse": make_pipeline(
        OneHotEncoder(handle_unknown="ignore"), neighbors.KNeighborsClassifier()
    ),
    "vectors": svm.SVC(),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_whatever_scikit_learn_fits_is_sound(name: str) -> None:
    require_sklearn_structure(SOUND[name].fit(PLAIN, PLACE))


def test_several_answers_and_gaps_are_sound() -> None:
    gaps = np.where(CHANCE.random(PLAIN.shape) < 0.2, np.nan, PLAIN)
    both = np.column_stack([NUMBER, -NUMBER])
    for model in (tree.DecisionTreeRegressor(), ensemble.RandomForestRegressor(3)):
        require_sklearn_structure(model.fit(gaps, both))
    require_sklearn_structure(ensemble.HistGradientBoostingRegressor(max_iter=5).fit(gaps, NUMBER))
    texts = [f"word{n % 7} and {n % 3}" for n in range(ROWS)]
    require_sklearn_structure(make_pipeline(TfidfVectorizer(), svm.LinearSVC()).fit(texts, PLACE))


def _set(name: str, place: int, value: float) -> Callable[[Any], None]:
    def set_(array: Any) -> None:
        array[name][place] = value

    return set_


def changed(folder: Path, field: str, change: Callable[[Any], None]) -> None:
    """Change the first array of records that has a field, inside the archive."""
    with zipfile.ZipFile(folder / "model.skops") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name, data in parts.items():
        if not data.startswith(b"\x93NUMPY"):
            continue
        array = np.load(io.BytesIO(data))
        if array.dtype.names and field in array.dtype.names:
            change(array)
            written = io.BytesIO()
            np.save(written, array)
            parts[name] = written.getvalue()
            break
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("name", "field", "change"),
    [
        ("tree", "right_child", _set("right_child", 1, 10**9)),
        ("tree", "right_child", _set("right_child", 1, 0)),
        ("tree", "left_child", _set("left_child", 0, -7)),
        ("tree", "feature", _set("feature", 0, 4)),
        ("forest", "left_child", _set("left_child", 0, 0)),
        ("isolation", "feature", _set("feature", 0, 10**12)),
        ("boosting", "right_child", _set("right_child", 0, 10**9)),
        ("boosting", "feature", _set("feature", 0, -1)),
        ("histogram", "right", _set("right", 0, 10**9)),
        ("histogram", "left", _set("left", 0, 0)),
        ("levels", "feature_idx", _set("feature_idx", 0, 10**9)),
        ("levels", "bitset_idx", _set("bitset_idx", slice(None), 10**6)),
        ("kd", "idx_start", _set("idx_end", 1, 10**9)),
        ("kd", "idx_start", _set("is_leaf", -1, 0)),
    ],
)
def test_a_damaged_tree_is_refused_before_it_is_asked(
    name: str, field: str, change: Callable[[Any], None], tmp_path: Path
) -> None:
    fitted = SOUND[name].fit(PLAIN, PLACE)
    columns = {f"c{place}": PLAIN[:, place] for place in range(4)}
    model = Model(
        fitted, signature=infer_signature(columns), task=Task(kind="regression", label="y")
    )
    model.save(tmp_path)
    changed(tmp_path, field, change)
    with pytest.raises(CorruptError, match="the model is damaged: a tree"):
        Model.load(tmp_path, allow_code=True)


def test_a_damaged_tree_is_refused_when_it_is_added(tmp_path: Path, record) -> None:
    fitted = SOUND["tree"].fit(PLAIN, PLACE)
    columns = {f"c{place}": PLAIN[:, place] for place in range(4)}
    signature = infer_signature(columns)
    Model(fitted, signature=signature, task=Task(kind="regression", label="y")).save(tmp_path)
    changed(tmp_path, "right_child", _set("right_child", 1, 10**9))
    for source in (tmp_path, tmp_path / "model.skops"):
        with pytest.raises(CorruptError, match="children that make no tree"):
            add_model(record, "bad", str(source), sample=columns, task="regression", label="y")
