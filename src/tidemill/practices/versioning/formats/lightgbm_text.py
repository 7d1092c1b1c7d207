"""LightGBM's own text format: safe to read, equal bytes for equal trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tidemill.core.errors import CorruptError
from tidemill.core.signature import Field
from tidemill.practices.versioning.formats.answers import class_name, task_score
from tidemill.practices.versioning.formats.reading import library, reading, threads
from tidemill.practices.versioning.formats.side_files import texts_of
from tidemill.practices.versioning.formats.tree_structure import require_lightgbm_trees

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs

_FILE, _CLASSES = "model.txt", "classes.json"
_HEAD, _TAIL = b"tree\n", b"end of parameters\n"
_NAMELESS = "Column_"


class LightgbmText:
    """Boosters, and scikit-learn wrappers by their booster."""

    name = "lightgbm-text"
    suffixes: tuple[str, ...] = (".txt",)
    needless: tuple[str, ...] = (
        "sklearn",
        "pandas",
        "pyarrow",
        "dask",
        "matplotlib",
        "graphviz",
        "polars",
    )

    def accepts(self, model: object) -> bool:
        """Whether it is a LightGBM booster, or a fitted wrapper of one."""
        return type(model).__module__.partition(".")[0] == "lightgbm"

    def save(self, model: Any, folder: Path) -> None:  # noqa: ANN401 - a LightGBM object
        """Write the booster's text, and a wrapper's classes, which the text does not hold."""
        booster = getattr(model, "booster_", model)
        (folder / _FILE).write_text(booster.model_to_string(num_iteration=-1), encoding="utf-8")
        if classes := [class_name(one) for one in _classes(model)]:
            (folder / _CLASSES).write_bytes(msgspec.json.encode(classes))

    def load(self, folder: Path) -> Any:  # noqa: ANN401 - a LightGBM booster
        """Read the booster's text.

        Raises:
            CorruptError: the text is not a whole LightGBM model.
            MissingExtraError: LightGBM is not installed.
        """
        booster = self.read_file(folder / _FILE)
        if classes := texts_of(folder / _CLASSES):
            booster.tidemill_classes = list(classes)
        return booster

    def read_file(self, path: Path) -> Any:  # noqa: ANN401 - a LightGBM booster
        """Read a text file; one cut short kills LightGBM, so its ends are looked at.

        Raises:
            CorruptError: the text is not a whole LightGBM model.
            MissingExtraError: LightGBM is not installed.
        """
        with reading(path.name):
            text = path.read_bytes()
        if not text.startswith(_HEAD) or _TAIL not in text:
            raise CorruptError(
                f"{path.name} is not a whole LightGBM model", fix="store it with Booster.save_model"
            )
        with reading(path.name):
            require_lightgbm_trees(text)
        lightgbm = library("lightgbm")
        with reading(path.name, lightgbm.basic.LightGBMError):
            return lightgbm.Booster(model_str=text.decode("utf-8"))

    def inputs_of(self, model: Any) -> tuple[Field, ...]:  # noqa: ANN401 - a LightGBM object
        """Return the features that the text names, with the levels of pandas categories."""
        booster = getattr(model, "booster_", model)
        names = list(booster.feature_name())
        if all(name.startswith(_NAMELESS) for name in names):
            return ()
        levels = [tuple(map(class_name, one)) for one in booster.pandas_categorical or ()]
        infos = _feature_infos(booster.model_to_string(num_iteration=1))
        fields = []
        for name, info in zip(names, infos, strict=False):
            is_category = levels and not info.startswith("[") and info != "none"
            fields.append(
                Field(name=name, datatype="BYTES", categories=levels.pop(0))
                if is_category
                else Field(name=name, datatype="FP64")
            )
        return tuple(fields)

    def code_in(self, path: Path) -> tuple[str, ...]:  # noqa: ARG002 - the text is data
        """Return nothing: the text holds trees only."""
        return ()

    def predict(
        self,
        model: Any,  # noqa: ANN401 - a LightGBM booster or wrapper
        inputs: Inputs,
        task: Task,
    ) -> Mapping[str, NDArray[Any]]:
        """Return `score`: a probability, one a class, or a number, as the task says."""
        booster = getattr(model, "booster_", model)
        answer = np.asarray(booster.predict(inputs.matrix, num_threads=threads()))
        classes = _classes(model)
        if task.kind == "binary" and answer.ndim == 1 and len(classes) == 2:
            answer = np.column_stack([1 - answer, answer])
        return {"score": task_score(answer, task, classes)}


def _classes(model: Any) -> Sequence[object]:  # noqa: ANN401 - a LightGBM object
    """Return the classes of a wrapper, or of the wrapper that a booster was stored from."""
    found = getattr(model, "tidemill_classes", None)
    return list(getattr(model, "classes_", ()) if found is None else found)


def _feature_infos(text: str) -> list[str]:
    line = next((one for one in text.splitlines() if one.startswith("feature_infos=")), "")
    return line.partition("=")[2].split(" ")
