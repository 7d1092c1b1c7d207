"""Whatever LightGBM and XGBoost train is read: no check of a tree may refuse a sound one."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import lightgbm
import msgspec
import numpy as np
import pytest

from tidemill.practices.versioning.formats.tree_structure import (
    require_lightgbm_trees,
    require_xgboost_trees,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 300
CHANCE = np.random.default_rng(0)
PLAIN = np.column_stack(
    [CHANCE.normal(size=(ROWS, 3)), CHANCE.integers(0, 8, ROWS), CHANCE.integers(0, 40, ROWS)]
)
GAPS = np.where(CHANCE.random(PLAIN.shape) < 0.2, np.nan, PLAIN)
KNOWN = np.where(CHANCE.random((ROWS, 2)) < 0.5, np.nan, CHANCE.choice([1.0, 2.0], (ROWS, 2)))
NUMBER = PLAIN[:, 0] * 2 - PLAIN[:, 1] + CHANCE.normal(size=ROWS) * 0.1
LARGER, TRUTH = np.abs(NUMBER) + 0.1, (NUMBER > 0).astype(float)
PLACE = np.digitize(NUMBER, [-1, 1]).astype(float)
GROUPS = [20] * (ROWS // 20)

LIGHTGBM_LABELS = {
    "regression": NUMBER, "regression_l1": NUMBER, "huber": NUMBER, "fair": NUMBER,
    "quantile": NUMBER, "mape": LARGER, "poisson": LARGER, "gamma": LARGER, "tweedie": LARGER,
    "binary": TRUTH, "cross_entropy": TRUTH, "cross_entropy_lambda": TRUTH, "multiclass": PLACE,
    "multiclassova": PLACE, "lambdarank": PLACE, "rank_xendcg": PLACE,
}  # fmt: skip
LIGHTGBM_WAYS: dict[str, dict[str, Any]] = {
    "gbdt": {}, "dart": {"boosting": "dart"}, "goss": {"data_sample_strategy": "goss"},
    "forest": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    "linear": {"linear_tree": True}, "deep": {"max_depth": -1, "num_leaves": 200,
    "min_data_in_leaf": 1}, "stump": {"num_leaves": 2}, "one leaf": {"min_data_in_leaf": 290},
    "endless": {"zero_as_missing": True}, "extra": {"extra_trees": True},
    "quantized": {"use_quantized_grad": True}, "root": {"reg_sqrt": True},
    "zero start": {"boost_from_average": False},
}  # fmt: skip
QUIET = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5}


def boosted(options: dict[str, Any], rows: Any, label: Any, **dataset: Any) -> lightgbm.Booster:
    """Train four rounds."""
    several = str(options.get("objective")).startswith("multiclass")
    options = {**QUIET, **({"num_class": 3} if several else {}), **options}
    return lightgbm.train(options, lightgbm.Dataset(rows, label, **dataset), 4)


@pytest.mark.parametrize("way", LIGHTGBM_WAYS)
@pytest.mark.parametrize("objective", LIGHTGBM_LABELS)
def test_lightgbm_models_of_every_objective_and_way_are_sound(objective: str, way: str) -> None:
    group = {"group": GROUPS} if "rank" in objective else {}
    cases: list[tuple[Any, dict[str, Any]]] = [(PLAIN, {}), (GAPS, {}), (KNOWN, {})]
    if way in {"gbdt", "dart", "forest", "linear", "deep"}:
        cases += [(np.abs(rows), {"categorical_feature": [3, 4]}) for rows in (PLAIN, GAPS)]
    if (objective, way) == ("regression_l1", "linear"):
        pytest.skip("LightGBM has none")
    options = {"objective": objective, **LIGHTGBM_WAYS[way]}
    for rows, dataset in cases:
        booster = boosted(options, rows, LIGHTGBM_LABELS[objective], **dataset, **group)
        require_lightgbm_trees(booster.model_to_string(num_iteration=-1).encode())


def _lightgbm_oddities() -> Iterator[tuple[str, str]]:
    def slope(answers: Any, data: lightgbm.Dataset) -> tuple[Any, Any]:
        return answers - data.get_label(), np.ones_like(answers)

    def slopes(answers: Any, _: lightgbm.Dataset) -> tuple[Any, Any]:
        return answers - 1 / 3, np.ones_like(answers)

    yield "custom", boosted({"objective": slope}, PLAIN, NUMBER).model_to_string()
    three = {"objective": slopes, "num_class": 3}
    yield "custom classes", boosted(three, PLAIN, PLACE).model_to_string()
    for linear in (False, True):
        options = {"objective": "regression", "linear_tree": linear}
        yield "constant label", boosted(options, PLAIN, np.ones(ROWS)).model_to_string()
        yield "constant rows", boosted(options, np.ones((ROWS, 2)), NUMBER).model_to_string()
        empty = np.column_stack([PLAIN, np.full(ROWS, np.nan)])
        yield "empty column", boosted(options, empty, NUMBER).model_to_string()
        booster = boosted(options, PLAIN, NUMBER)
        for part in ({"num_iteration": 2}, {"start_iteration": 2}, {"start_iteration": 99}):
            yield f"part {part}", booster.model_to_string(**part)
        yield "refit", booster.refit(PLAIN, NUMBER * 2).model_to_string()
        booster.rollback_one_iter()
        booster.shuffle_models()
        yield "shuffled", booster.model_to_string()
        text = booster.model_to_string()
        yield "read and written", lightgbm.Booster(model_str=text).model_to_string()
    unseen = {"objective": "multiclass", "num_class": 5}
    yield "a class that never came", boosted(unseen, PLAIN, PLACE).model_to_string()
    names = ["a b", "Tree=1", "feature_infos=", "end of trees", "ü"]
    options = {"objective": "regression", "monotone_constraints": [1, 0, 0, 0, 0]}
    booster = boosted(options, PLAIN, NUMBER, feature_name=names)
    yield "names", booster.model_to_string()
    yield "large numbers", boosted({}, PLAIN * 1e300, NUMBER * 1e30).model_to_string()
    early = lightgbm.early_stopping(2, verbose=False)
    train = lightgbm.Dataset(PLAIN, NUMBER)
    noise = lightgbm.Dataset(PLAIN, CHANCE.permutation(NUMBER), reference=train)
    stopped = lightgbm.train({**QUIET}, train, 30, valid_sets=[noise], callbacks=[early])
    yield "stopped early", stopped.model_to_string(num_iteration=-1)
    yield "untrained", lightgbm.Booster(QUIET, lightgbm.Dataset(PLAIN, NUMBER)).model_to_string()


def test_unusual_lightgbm_models_are_sound() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for told, text in _lightgbm_oddities():
            assert require_lightgbm_trees(text.encode()) is None, told


XGBOOST_LABELS = {
    "reg:squarederror": NUMBER, "reg:pseudohubererror": NUMBER, "reg:absoluteerror": NUMBER,
    "reg:quantileerror": NUMBER, "reg:gamma": LARGER, "reg:tweedie": LARGER,
    "count:poisson": LARGER, "binary:logistic": TRUTH, "binary:hinge": TRUTH,
    "multi:softmax": PLACE, "multi:softprob": PLACE, "rank:ndcg": PLACE,
    "survival:cox": np.where(TRUTH > 0, LARGER, -LARGER), "survival:aft": LARGER,
}  # fmt: skip
XGBOOST_WAYS: dict[str, dict[str, Any]] = {
    "gbtree": {}, "dart": {"booster": "dart", "rate_drop": 0.3}, "gblinear": {"booster":
    "gblinear"}, "forest": {"num_parallel_tree": 3, "subsample": 0.5, "learning_rate": 1},
    "deep": {"max_depth": 0, "grow_policy": "lossguide", "max_leaves": 60},
    "one leaf": {"min_child_weight": 1e9}, "pruned": {"gamma": 5, "max_depth": 8},
    "exact": {"tree_method": "exact"}, "many": {"max_cat_to_onehot": 1},
}  # fmt: skip


@pytest.mark.parametrize("way", XGBOOST_WAYS)
@pytest.mark.parametrize("objective", XGBOOST_LABELS)
def test_xgboost_models_of_every_objective_and_way_are_sound(objective: str, way: str) -> None:
    xgboost = pytest.importorskip("xgboost")
    label = XGBOOST_LABELS[objective]
    options = {"objective": objective, "nthread": 1, **XGBOOST_WAYS[way]}
    options |= {"num_class": 3} if objective.startswith("multi") else {}
    options |= {"quantile_alpha": [0.1, 0.9]} if "quantile" in objective else {}
    plain: dict[str, Any] = {"group": GROUPS} if objective.startswith("rank") else {}
    categories = {"feature_types": ["q", "q", "q", "c", "c"], "enable_categorical": True}
    cases = [(PLAIN, {}), (GAPS, {})]
    if way not in {"gblinear", "exact"}:
        cases.append((np.column_stack([PLAIN[:, :3], np.abs(PLAIN[:, 3:])]), categories))
    for rows, more in cases:
        data = xgboost.DMatrix(rows, label=label, **plain, **more)
        if objective == "survival:aft":
            data.set_float_info("label_lower_bound", label)
            data.set_float_info("label_upper_bound", np.where(TRUTH > 0, label, np.inf))
        raw = bytes(xgboost.train(options, data, 3).save_raw("json"))
        require_xgboost_trees(msgspec.json.decode(raw))


def _xgboost_oddities(xgboost: Any) -> Iterator[tuple[str, Any]]:
    several = np.column_stack([NUMBER, LARGER])
    for strategy in ("one_output_per_tree", "multi_output_tree"):
        data = xgboost.DMatrix(GAPS, label=several)
        options = {"multi_strategy": strategy, "tree_method": "hist", "nthread": 1, "verbosity": 0}
        yield strategy, xgboost.train(options, data, 3)
    classes = {
        "objective": "multi:softprob",
        "num_class": 4,
        "num_parallel_tree": 2,
        "nthread": 1,
        "verbosity": 0,
    }
    booster = xgboost.train(classes, xgboost.DMatrix(PLAIN, label=PLACE), 4)
    yield "slice", booster[1:3]
    plain = xgboost.DMatrix(PLAIN, label=NUMBER)
    yield "untrained", xgboost.train({"nthread": 1, "verbosity": 0}, plain, 0)
    first = xgboost.train({"nthread": 1, "verbosity": 0, "max_depth": 8}, plain, 3)
    yield "continued", xgboost.train({"nthread": 1, "verbosity": 0}, plain, 2, xgb_model=first)
    for updater in ({"updater": "refresh"}, {"updater": "prune", "gamma": 20}):
        options = {"process_type": "update", "nthread": 1, "verbosity": 0, **updater}
        yield str(updater), xgboost.train(options, plain, 3, xgb_model=first.copy())


def test_unusual_xgboost_models_are_sound() -> None:
    xgboost = pytest.importorskip("xgboost")
    for told, booster in _xgboost_oddities(xgboost):
        raw = bytes(booster.save_raw("json"))
        assert require_xgboost_trees(msgspec.json.decode(raw)) is None, told
