"""skops archives of scikit-learn estimators and whole pipelines: no pickle, canonical bytes.

Equal models have equal bytes in every process (`skops_canonical`). `types.json` beside the archive
lists every type in it that skops does not load unasked. Those outside `skops_types` run code of
their own; where they are the project's, their source is kept with the model.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tidemill.core.signature import Field
from tidemill.practices.versioning.formats.answers import probabilities, task_score
from tidemill.practices.versioning.formats.captured_code import CapturedCode, capture
from tidemill.practices.versioning.formats.reading import (
    library,
    reading,
    require_finite,
    require_float32,
    threads,
)
from tidemill.practices.versioning.formats.side_files import texts_of
from tidemill.practices.versioning.formats.sklearn_structure import require_sklearn_structure
from tidemill.practices.versioning.formats.skops_canonical import canonical_archive
from tidemill.practices.versioning.formats.skops_types import KNOWN_TYPES, require_listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs

_FILE, _TYPES, _CODE = "model.skops", "types.json", "code"


class SkopsArchive:
    """Estimators of scikit-learn, and of whoever follows its interface."""

    name = "skops"
    suffixes: tuple[str, ...] = (".skops",)
    needless: tuple[str, ...] = ("matplotlib", "huggingface_hub")  # pandas asks for pyarrow

    def accepts(self, model: object) -> bool:
        """Whether it is a scikit-learn estimator."""
        base = sys.modules.get("sklearn.base")
        return base is not None and isinstance(model, base.BaseEstimator)

    def save(self, model: Any, folder: Path) -> None:  # noqa: ANN401 - an estimator
        """Write the archive, the types in it, and the source of those that are the project's."""
        skops = library("skops.io")
        content = canonical_archive(skops.dumps(model))
        (folder / _FILE).write_bytes(content)
        types = skops.get_untrusted_types(data=content)
        (folder / _TYPES).write_bytes(msgspec.json.encode(types))
        _code_of(set(types) - KNOWN_TYPES).write(folder / _CODE)

    def load(self, folder: Path) -> Any:  # noqa: ANN401 - an estimator
        """Read the archive, with every type that it names: ask `code_in` before.

        Raises:
            CorruptError: it is no archive of a model.
            MissingExtraError: scikit-learn or skops is not installed.
        """
        skops = library("skops.io")
        with reading(_FILE), _as_imported(CapturedCode.read(folder / _CODE)):
            content = (folder / _FILE).read_bytes()
            model = skops.loads(content, trusted=skops.get_untrusted_types(data=content))
            require_sklearn_structure(model)
        return model

    def read_file(self, path: Path) -> Any:  # noqa: ANN401 - an estimator
        """Read a .skops file; raises as `load`."""
        skops = library("skops.io")
        with reading(path.name):
            model = skops.load(path, trusted=skops.get_untrusted_types(file=path))
            require_sklearn_structure(model)
        return model

    def inputs_of(self, model: Any) -> tuple[Field, ...]:  # noqa: ANN401 - an estimator
        """Return the columns of the frame that it was fitted on, or the one text that it reads."""
        if _reads_text(model):
            return (Field(name="text", datatype="BYTES"),)
        names = getattr(model, "feature_names_in_", ())
        return tuple(Field(name=str(name), datatype="FP64") for name in names)

    def code_in(self, path: Path) -> tuple[str, ...]:
        """Return the types of the archive that are not scikit-learn's, NumPy's or SciPy's.

        Raises:
            CorruptError: it is no archive, or `types.json` beside it lists other types.
        """
        file = path if path.is_file() else path / _FILE
        skops = library("skops.io")
        with reading(_FILE):
            content = file.read_bytes()
            found = skops.get_untrusted_types(data=content)
            if file != path:
                require_listed(texts_of(path / _TYPES), set(map(str, found)), content)
        code = sorted(CapturedCode.read(path / _CODE).files)
        return tuple(sorted({str(one) for one in found} - KNOWN_TYPES)) + tuple(code)

    def predict(
        self,
        model: Any,  # noqa: ANN401 - an estimator
        inputs: Inputs,
        task: Task,
    ) -> Mapping[str, NDArray[Any]]:
        """Return `score`: probabilities by the estimator's classes, or numbers.

        An estimator without `predict_proba` gives the logistic function of its decision.

        Raises:
            UnfitRowsError: it fails, and there are numbers that are infinite or beyond float32.
        """
        try:
            values = self._values(model, inputs, task)
        except ValueError:  # which numbers an estimator takes is told by none before
            require_finite(inputs)
            require_float32(inputs)
            raise
        if task.kind == "binary" and values.ndim == 1:
            values = np.column_stack([1 - values, values])
        classes = getattr(model, "classes_", ()) if task.kind != "regression" else ()
        return {"score": task_score(values, task, list(classes))}

    def _values(self, model: Any, inputs: Inputs, task: Task) -> NDArray[Any]:  # noqa: ANN401
        joblib = library("joblib")
        rows = self._rows(model, inputs)
        # One thread: a forest adds its trees up in the order in which they come back.
        with joblib.parallel_config(backend="sequential"), _pinned():
            if task.kind == "regression":
                return np.asarray(model.predict(rows))
            if hasattr(model, "predict_proba"):
                return np.asarray(model.predict_proba(rows))
            return probabilities(model.decision_function(rows), task)

    def _rows(self, model: Any, inputs: Inputs) -> Any:  # noqa: ANN401 - an estimator, its rows
        names = getattr(model, "feature_names_in_", None)
        fields = inputs.signature.inputs
        if names is None and len(fields) == 1 and fields[0].datatype == "BYTES":
            is_text = fields[0].is_single and fields[0].categories is None
            if is_text or _reads_text(model):
                column = inputs.columns[fields[0].name]
                return np.array(["" if one is None else one for one in column], dtype=object)
        return inputs.matrix if names is None else inputs.frame[[str(name) for name in names]]


def _reads_text(model: Any) -> bool:  # noqa: ANN401 - an estimator
    """Whether it was fitted on one column of text, as vectorizers are: no frame, no matrix."""
    if hasattr(model, "feature_names_in_"):
        return False
    first = model
    while True:
        first = getattr(first, "best_estimator_", first)
        parts = getattr(first, "steps", None) or getattr(first, "transformer_list", None)
        if not parts:
            return hasattr(first, "build_analyzer")
        first = parts[0][1]


def _code_of(types: set[str]) -> CapturedCode:
    """Return the source of the project's own types; what is installed is not kept."""
    files: dict[str, bytes] = {}
    for name in sorted(types):
        module, _, attribute = name.rpartition(".")
        found = getattr(sys.modules.get(module), attribute, None)
        if found is not None and hasattr(found, "__qualname__"):
            files |= capture(found)[1].files
    return CapturedCode(files)


@contextmanager
def _as_imported(code: CapturedCode) -> Iterator[None]:
    """Let skops find captured modules under the names that the archive has for them."""
    before = {name: sys.modules.get(name) for name in code.modules}
    sys.modules.update({name: code.module(name) for name in code.modules})
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


@contextmanager
def _pinned() -> Iterator[None]:
    """Hold BLAS and OpenMP to this process's threads."""
    limits = library("threadpoolctl").threadpool_limits
    with limits(limits=threads()):
        yield
