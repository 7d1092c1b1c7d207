"""CatBoost's binary format. Its clock and random id are taken out: equal models, equal bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.core.signature import Field
from tidemill.practices.versioning.formats.answers import probabilities, task_score
from tidemill.practices.versioning.formats.reading import library, reading, threads

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs

_FILE = "model.cbm"
_OF_THE_MOMENT = ("train_finish_time", "model_guid")
_MISSING = "nan"


class CatboostCbm:
    """Classifiers, regressors and plain CatBoost models, with text and categories as they are."""

    name = "catboost-cbm"
    suffixes: tuple[str, ...] = (".cbm",)
    needless: tuple[str, ...] = ("matplotlib", "plotly", "graphviz", "IPython", "ipywidgets")

    def accepts(self, model: object) -> bool:
        """Whether it is a CatBoost model."""
        return type(model).__module__.partition(".")[0] == "catboost"

    def save(self, model: Any, folder: Path) -> None:  # noqa: ANN401 - a CatBoost model
        """Write a copy of the model without the moment of its training."""
        copied = model.copy()
        metadata = copied.get_metadata()
        for key in _OF_THE_MOMENT:
            if key in metadata.keys():  # noqa: SIM118 - no mapping
                metadata[key] = ""
        copied.save_model(str(folder / _FILE), format="cbm")

    def load(self, folder: Path) -> Any:  # noqa: ANN401 - a CatBoost model
        """Read the model.

        Raises:
            CorruptError: the file is not a model.
            MissingExtraError: CatBoost is not installed.
        """
        return self.read_file(folder / _FILE)

    def read_file(self, path: Path) -> Any:  # noqa: ANN401 - a CatBoost model
        """Read a .cbm file; raises as `load`."""
        catboost = library("catboost")
        with reading(path.name, catboost.CatBoostError):
            return catboost.CatBoost().load_model(str(path), format="cbm")

    def inputs_of(self, model: Any) -> tuple[Field, ...]:  # noqa: ANN401 - a CatBoost model
        """Return the features that the model names; unnamed ones have their place as name."""
        names = list(model.feature_names_ or ())
        if names == [str(place) for place in range(len(names))]:
            return ()
        texts = _texts(model)
        return tuple(
            Field(name=name, datatype="BYTES" if place in texts else "FP64")
            for place, name in enumerate(names)
        )

    def code_in(self, path: Path) -> tuple[str, ...]:  # noqa: ARG002 - trees are data
        """Return nothing: the file holds trees only."""
        return ()

    def predict(
        self,
        model: Any,  # noqa: ANN401 - a CatBoost model
        inputs: Inputs,
        task: Task,
    ) -> Mapping[str, NDArray[Any]]:
        """Return `score`: a probability, one a class, or a number, as the task says."""
        texts = _texts(model)
        rows = _mixed(inputs, texts) if texts else inputs.matrix
        catboost = library("catboost")
        pool = catboost.Pool(
            rows, feature_names=list(model.feature_names_) or None,
            cat_features=list(model.get_cat_feature_indices()),
            text_features=list(model.get_text_feature_indices()), thread_count=threads(),
        )  # fmt: skip
        raw = catboost.CatBoost.predict(
            model, pool, prediction_type="RawFormulaVal", thread_count=threads()
        )
        answer = probabilities(np.asarray(raw), task)
        classes = [] if task.kind == "regression" else list(model.classes_)
        if task.kind == "binary" and answer.ndim == 1:
            answer = np.column_stack([1 - answer, answer])
        return {"score": task_score(answer, task, classes)}


def _texts(model: Any) -> frozenset[int]:  # noqa: ANN401 - a CatBoost model
    return frozenset([*model.get_cat_feature_indices(), *model.get_text_feature_indices()])


def _mixed(inputs: Inputs, texts: frozenset[int]) -> NDArray[Any]:
    """Return rows of objects: text where the model takes text, missing as CatBoost spells it."""
    columns: list[NDArray[Any]] = []
    for place, column in enumerate(inputs.columns.values()):
        if place in texts:
            columns.append(np.array([_text(value) for value in column], dtype=object))
        else:
            columns.append(np.array([_number(value) for value in column], dtype=object))
    return np.column_stack(columns) if columns else np.empty((0, 0))


def _text(value: Any) -> str:  # noqa: ANN401 - a cell
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return _MISSING
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _number(value: Any) -> float:  # noqa: ANN401 - a cell
    return np.nan if value is None else float(value)
