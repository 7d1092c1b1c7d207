"""One small model of every format, trained in milliseconds, always the same."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tidemill.core.task import Task
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.signatures import infer_signature

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 120
NUMBERS = ("a", "b", "c")
CLASSES = ("high", "low", "mid")


def table() -> pl.DataFrame:
    """Return numbers, a category, and a label of every kind of task."""
    random = np.random.default_rng(7)
    frame = pl.DataFrame({name: random.normal(size=ROWS) for name in NUMBERS})
    height = pl.col("a") + pl.col("b") / 2
    place = (height > -0.5).cast(pl.Int64) + (height > 0.5).cast(pl.Int64)
    return frame.with_columns(
        colour=pl.Series(random.choice(["red", "green", "blue"], ROWS)),
        is_high=(pl.col("a") > 0.1).cast(pl.Int64),
        price=pl.col("a") * 2 - pl.col("b"),
        place=place,
    ).with_columns(
        level=pl.col("place").replace_strict({0: "low", 1: "mid", 2: "high"}),
    )


def task(kind: str) -> Task:
    """Return a task of a kind; the classes are not in the order of the alphabet."""
    if kind == "binary":
        return Task(kind="binary", label="is_high")
    if kind == "regression":
        return Task(kind="regression", label="price")
    return Task(kind="multiclass", label="level", classes=("low", "mid", "high"))


def _model(made: object, kind: str, columns: tuple[str, ...] = NUMBERS) -> Model:
    return Model(made, signature=infer_signature(table().select(columns)), task=task(kind))


def lightgbm_model(kind: str) -> Model:
    """A scikit-learn wrapper of LightGBM, trained on text labels where they are classes."""
    import lightgbm

    settings = {"n_estimators": 5, "verbosity": -1, "n_jobs": 1, "deterministic": True,
                "min_child_samples": 5}  # fmt: skip
    rows = table().select(NUMBERS).to_numpy()
    maker = lightgbm.LGBMRegressor if kind == "regression" else lightgbm.LGBMClassifier
    return _model(maker(**settings).fit(rows, table()[task(kind).label].to_numpy()), kind)


def xgboost_model(kind: str) -> Model:
    """A wrapper of XGBoost; it takes classes as their place."""
    import xgboost

    rows, label = table().select(NUMBERS).to_numpy(), task(kind).label
    maker = xgboost.XGBRegressor if kind == "regression" else xgboost.XGBClassifier
    label = "place" if kind == "multiclass" else label
    fitted = maker(n_estimators=5, max_depth=3, n_jobs=1).fit(rows, table()[label].to_numpy())
    return _model(fitted, kind)


def catboost_model(kind: str) -> Model:
    """A CatBoost model that takes a category as text."""
    import catboost

    columns = (*NUMBERS, "colour")
    rows = table().select(columns).to_pandas()
    maker = catboost.CatBoostRegressor if kind == "regression" else catboost.CatBoostClassifier
    model = maker(
        iterations=5, depth=3, verbose=0, allow_writing_files=False, thread_count=1,
        random_seed=1, cat_features=["colour"],
    )  # fmt: skip
    model.fit(rows, table()[task(kind).label].to_numpy())
    return _model(model, kind, columns)


def skops_model(kind: str) -> Model:
    """A whole scikit-learn pipeline over a frame with text in it."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = (*NUMBERS, "colour")
    maker = RandomForestRegressor if kind == "regression" else RandomForestClassifier
    prepared = make_column_transformer(
        (StandardScaler(), list(NUMBERS)), (OneHotEncoder(handle_unknown="ignore"), ["colour"])
    )
    pipeline = make_pipeline(prepared, maker(5, random_state=0, n_jobs=2))
    pipeline.fit(table().select(columns).to_pandas(), table()[task(kind).label].to_numpy())
    return _model(pipeline, kind, columns)


def onnx_model(kind: str) -> Model:
    """A scikit-learn model converted into an ONNX graph."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LinearRegression, SGDClassifier

    rows = table().select(NUMBERS).to_numpy().astype(np.float32)
    maker = SGDClassifier(loss="log_loss", random_state=0, max_iter=50, tol=None)
    maker = LinearRegression() if kind == "regression" else maker
    fitted = maker.fit(rows, table()[task(kind).label].to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _model(to_onnx(fitted, rows[:1]), kind)


def torch_export_model(kind: str) -> Model:
    """A module of PyTorch as an exported program."""
    import torch

    torch.manual_seed(0)
    answers = 3 if kind == "multiclass" else 1
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 6), torch.nn.ReLU(), torch.nn.Linear(6, answers)
    ).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        varying = ({0: torch.export.Dim("batch", min=1)},)
        program = torch.export.export(net, (torch.zeros(4, 3),), dynamic_shapes=varying)
    return _model(program, kind)


def torch_state_model(kind: str) -> Model:
    """A module of PyTorch whose class lies in the project."""
    import torch
    from torch_classes import Net

    torch.manual_seed(0)
    return _model(Net(inputs=3, answers=3 if kind == "multiclass" else 1), kind)


def python_model(kind: str) -> Model:
    """A class of the project with a file."""
    import tempfile

    from own_classes import Table

    from tidemill.practices.versioning.formats.python_model import PythonModel

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.json"
        wide = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1]]
        path.write_text(json.dumps(wide if kind == "multiclass" else [0.1, 0.2, 0.3]))
        return _model(PythonModel(Table, files=folder, config={"shift": 0.5}), kind)


MAKERS: dict[str, Callable[[str], Model]] = {
    "lightgbm-text": lightgbm_model, "xgboost-json": xgboost_model,
    "catboost-cbm": catboost_model, "onnx": onnx_model, "skops": skops_model,
    "torch-export": torch_export_model, "torch-state": torch_state_model,
    "python": python_model,
}  # fmt: skip
