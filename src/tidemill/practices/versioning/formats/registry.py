"""The model formats that there are, and the interface that each of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from tidemill.core.errors import InvalidInputError
from tidemill.practices.versioning.formats.catboost_cbm import CatboostCbm
from tidemill.practices.versioning.formats.lightgbm_text import LightgbmText
from tidemill.practices.versioning.formats.onnx_graph import OnnxGraphFormat
from tidemill.practices.versioning.formats.python_model import PythonModelFormat
from tidemill.practices.versioning.formats.skops_archive import SkopsArchive
from tidemill.practices.versioning.formats.torch_export import TorchExport
from tidemill.practices.versioning.formats.torch_state import TorchState
from tidemill.practices.versioning.formats.xgboost_json import XgboostJson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tidemill.core.signature import Field
    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs


class ModelFormat(Protocol):
    """How models of one library are stored, loaded and asked. Imports the library when needed."""

    name: str
    needless: tuple[str, ...]
    """What the library imports where it is installed, but needs for no prediction."""
    suffixes: tuple[str, ...]
    """How files of such models are named where they were made elsewhere."""

    def accepts(self, model: object) -> bool:
        """Whether this format stores such an object. Must not import the library to say no."""
        ...

    def save(self, model: Any, folder: Path) -> None:  # noqa: ANN401 - the library's own object
        """Write the model's files; equal models give equal bytes."""
        ...

    def load(self, folder: Path) -> Any:  # noqa: ANN401 - the library's own object
        """Read the model's files. Of formats that run code, this runs it: see `code_in`.

        Raises:
            CorruptError: they are not a model of this format.
            MissingExtraError: the library is not installed.
        """
        ...

    def read_file(self, path: Path) -> Any:  # noqa: ANN401 - the library's own object
        """Read a file that was made elsewhere; raises as `load`. Only in a process of its own."""
        ...

    def inputs_of(self, model: Any) -> tuple[Field, ...]:  # noqa: ANN401 - as above
        """Return the inputs that the model itself names; none: it names none."""
        ...

    def code_in(self, path: Path) -> tuple[str, ...]:
        """Return what of a folder or file is run by loading it: classes, types; none: it is data.

        A model that a run of this record made runs the code that this very run captured; having
        run it is its permission. One that comes from outside needs an explicit one.
        """
        ...

    def predict(
        self,
        model: Any,  # noqa: ANN401 - the library's own object
        inputs: Inputs,
        task: Task,
    ) -> Mapping[str, NDArray[Any]]:
        """Return the answers, one array an output, first dimension (rows,)."""
        ...


FORMATS: tuple[ModelFormat, ...] = (
    LightgbmText(),
    XgboostJson(),
    CatboostCbm(),
    OnnxGraphFormat(),
    TorchExport(),
    TorchState(),
    SkopsArchive(),
    PythonModelFormat(),
)
"""In the order in which they are asked: wrappers of a library come before what they look like."""


def format_of(model: object) -> ModelFormat:
    """Return the format that stores an object.

    Raises:
        InvalidInputError: none does; lists those that there are.
    """
    own = getattr(type(model), "model_format", None)
    if isinstance(own, property):  # a model that is loaded in another process
        return cast("ModelFormat", cast("Any", model).model_format)
    for known in FORMATS:
        if known.accepts(model):
            return known
    raise InvalidInputError(
        f"no model format stores a {type(model).__module__}.{type(model).__qualname__}",
        fix=f"there are: {', '.join(known.name for known in FORMATS)}; "
        "tm.PythonModel stores any class with predict",
    )


def format_named(name: str) -> ModelFormat:
    """Return a format by its name.

    Raises:
        InvalidInputError: there is none of this name.
    """
    for known in FORMATS:
        if known.name == name:
            return known
    raise InvalidInputError(
        f"the model format {name!r} is not known here",
        fix=f"there are: {', '.join(known.name for known in FORMATS)}; update tidemill?",
    )
