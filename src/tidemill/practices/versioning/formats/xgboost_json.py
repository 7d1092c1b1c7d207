"""XGBoost's JSON: boosters, and scikit-learn wrappers by their booster.

Its binary twin UBJ kills the process that reads a damaged one; it is taken in, and stored as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tidemill.core.signature import Field
from tidemill.practices.versioning.formats.answers import probabilities, task_score
from tidemill.practices.versioning.formats.reading import library, reading, require_float32, threads
from tidemill.practices.versioning.formats.tree_structure import require_xgboost_trees

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs

_FILE = "xgboost.json"


class XgboostJson:
    """Boosters and the scikit-learn wrappers around them."""

    name = "xgboost-json"
    suffixes: tuple[str, ...] = (".json", ".ubj")
    needless: tuple[str, ...] = ("sklearn", "pandas", "pyarrow", "dask", "matplotlib", "graphviz")

    def accepts(self, model: object) -> bool:
        """Whether it is an XGBoost booster, or a wrapper of one."""
        return type(model).__module__.partition(".")[0] == "xgboost"

    def save(self, model: Any, folder: Path) -> None:  # noqa: ANN401 - an XGBoost object
        """Write the booster as JSON."""
        raw = bytes(_booster(model).save_raw(raw_format="json"))
        (folder / _FILE).write_bytes(raw)

    def load(self, folder: Path) -> Any:  # noqa: ANN401 - an XGBoost booster
        """Read the booster.

        Raises:
            CorruptError: the JSON is not a model.
            MissingExtraError: XGBoost is not installed.
        """
        return self.read_file(folder / _FILE)

    def read_file(self, path: Path) -> Any:  # noqa: ANN401 - an XGBoost booster
        """Read a JSON or UBJ file; raises as `load`."""
        with reading(path.name):
            content = path.read_bytes()
            if path.suffix == ".json":  # XGBoost reads what follows the end as well
                require_xgboost_trees(msgspec.json.decode(content))
        xgboost = library("xgboost")
        with reading(path.name, xgboost.core.XGBoostError):
            booster = xgboost.Booster()
            booster.load_model(bytearray(content))
            return booster

    def inputs_of(self, model: Any) -> tuple[Field, ...]:  # noqa: ANN401 - an XGBoost object
        """Return the features that the booster names."""
        booster = _booster(model)
        return tuple(Field(name=name, datatype="FP64") for name in booster.feature_names or ())

    def code_in(self, path: Path) -> tuple[str, ...]:  # noqa: ARG002 - JSON is data
        """Return nothing: the JSON holds trees only."""
        return ()

    def predict(
        self,
        model: Any,  # noqa: ANN401 - an XGBoost booster or wrapper
        inputs: Inputs,
        task: Task,
    ) -> Mapping[str, NDArray[Any]]:
        """Return `score`: a probability, one a class, or a number, as the task says."""
        booster = _booster(model)
        require_float32(inputs)
        booster.set_param({"nthread": threads()})
        xgboost = library("xgboost")
        rows = xgboost.DMatrix(
            inputs.matrix, nthread=threads(), feature_names=booster.feature_names,
            feature_types=booster.feature_types, enable_categorical=True,
        )  # fmt: skip
        last = getattr(booster, "best_iteration", None) if _has_best(booster) else None
        span = (0, last + 1) if last is not None else (0, 0)
        answer = booster.predict(rows, iteration_range=span)
        if task.kind == "multiclass" and answer.ndim == 1 and _classes_of(booster) > 2:
            margins = booster.predict(rows, output_margin=True, iteration_range=span)
            answer = probabilities(margins, task)
        return {"score": task_score(np.asarray(answer), task)}


def _booster(model: Any) -> Any:  # noqa: ANN401 - an XGBoost object
    return model.get_booster() if hasattr(model, "get_booster") else model


def _has_best(booster: Any) -> bool:  # noqa: ANN401 - an XGBoost booster
    return booster.attr("best_iteration") is not None


def _classes_of(booster: Any) -> int:  # noqa: ANN401 - an XGBoost booster
    config = msgspec.json.decode(booster.save_config())
    return int(config["learner"]["learner_model_param"].get("num_class", "0"))
