"""Python models: any class with `predict`, its configuration and files, with its source.

Loading runs the class's code: see `code_in`.
"""

from __future__ import annotations

import inspect
import re
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import InvalidInputError
from tidemill.practices.versioning.formats.answers import task_score
from tidemill.practices.versioning.formats.captured_code import CapturedCode, capture
from tidemill.practices.versioning.formats.reading import library, reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tidemill.core.signature import Field
    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs

_MADE_BY, _CODE, _FILES = "python.json", "code", "files"
_PANDAS, _POLARS = re.compile(r"\b(?:pandas|pd)\."), re.compile(r"\b(?:polars|pl)\.")


class PythonMade(msgspec.Struct, frozen=True, kw_only=True):
    """How the object is made again."""

    path: str
    config: dict[str, Any]


class PythonModel:
    """Any class with `predict`, to be stored as a model.

        class Sentiment:
            def __init__(self, folder: Path, words: int = 100): ...
            def predict(self, rows: pd.DataFrame): ...

        tm.Model(tm.PythonModel(Sentiment, files="vocabulary/", config={"words": 50}), ...)

    `predict` gets what its parameter is annotated with: a pandas or Polars frame, a NumPy array
    (the matrix), a mapping of columns, else the `Inputs` themselves. It returns an array, which
    answers the task, or a mapping of arrays by name, the first of which does.
    """

    def __init__(
        self,
        kept: type,
        *,
        files: str | Path | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the object: `kept(folder=..., **config)`, with `folder` where it is asked for.

        Args:
            kept: a class with `predict`, defined in a module or in a cell.
            files: a file or folder that it reads; a copy is kept.
            config: its other arguments, as JSON can spell them.

        Raises:
            InvalidInputError: it is no class with `predict`, or there are no such files.
        """
        if not isinstance(kept, type) or not callable(getattr(kept, "predict", None)):
            raise InvalidInputError(
                f"{kept!r} is no class with a predict",
                fix="give the class, not an object; what it has learned goes into files or config",
            )
        self.kept, self.config = kept, dict(config or {})
        self.folder = _copied(Path(files)) if files is not None else None
        if self.folder:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        needs_folder = "folder" in inspect.signature(kept).parameters
        given = {"folder": self.folder} if needs_folder else {}
        self.made = kept(**given, **self.config)

    def predict(self, inputs: Inputs) -> object:
        """Return what the object's `predict` says of some inputs."""
        return self.made.predict(_as_wanted(self.kept, inputs))


class PythonModelFormat:
    """`tm.PythonModel`."""

    name = "python"
    suffixes: tuple[str, ...] = ()
    needless: tuple[str, ...] = ()

    def accepts(self, model: object) -> bool:
        """Whether it is a `PythonModel`."""
        return isinstance(model, PythonModel)

    def save(self, model: PythonModel, folder: Path) -> None:
        """Write the class's source, its configuration and its files.

        Raises:
            InvalidInputError: the source cannot be found, or the configuration is no JSON.
        """
        path, code = capture(model.kept)
        try:
            made = canonical_json(PythonMade(path=path, config=model.config))
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"config of {model.kept.__qualname__} is no plain data: {error}",
                fix="keep numbers, texts, lists and mappings of them; the rest goes into files",
            ) from None
        (folder / _MADE_BY).write_bytes(made)
        code.write(folder / _CODE)
        if model.folder:
            shutil.copytree(model.folder, folder / _FILES, copy_function=shutil.copyfile)

    def load(self, folder: Path) -> PythonModel:
        """Make the object again, by the code that was kept with it.

        Raises:
            CorruptError: the code raises, or the files are not whole.
        """
        with reading("the Python model", msgspec.MsgspecError):
            made = msgspec.json.decode((folder / _MADE_BY).read_bytes(), type=PythonMade)
            kept = CapturedCode.read(folder / _CODE).find(made.path)
            files = folder / _FILES
            return PythonModel(kept, files=files if files.exists() else None, config=made.config)

    def read_file(self, path: Path) -> Any:  # noqa: ANN401 - never returns
        """Refuse: a file of Python is no model."""
        raise InvalidInputError(f"{path.name} is no model", fix="tm.add_model(NAME, PythonModel)")

    def inputs_of(self, model: PythonModel) -> tuple[Field, ...]:  # noqa: ARG002 - it cannot say
        """Return nothing: a class does not say what it takes."""
        return ()

    def code_in(self, path: Path) -> tuple[str, ...]:
        """Return the class that is made, and the files that define it."""
        with reading(_MADE_BY, msgspec.MsgspecError):
            made = msgspec.json.decode((path / _MADE_BY).read_bytes(), type=PythonMade)
        return (made.path, *CapturedCode.read(path / _CODE).files)

    def predict(self, model: PythonModel, inputs: Inputs, task: Task) -> Mapping[str, NDArray[Any]]:
        """Return what the object answers; its first output is the task's `score`."""
        answer = model.predict(inputs)
        if not isinstance(answer, dict):
            return {"score": task_score(np.asarray(answer), task)}
        arrays = {str(name): np.asarray(value) for name, value in answer.items()}
        if "score" not in arrays:
            arrays = {"score": next(iter(arrays.values())), **arrays}
        return {**arrays, "score": task_score(arrays["score"], task)}


def _copied(files: Path) -> Path:
    if not files.exists():
        raise InvalidInputError(f"there is no {files}", fix="give a file or folder that is there")
    folder = Path(tempfile.mkdtemp(prefix="tidemill-files-"))
    if files.is_dir():
        shutil.copytree(files, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    else:
        shutil.copyfile(files, folder / files.name)
    return folder


def _as_wanted(kept: Any, inputs: Inputs) -> object:  # noqa: ANN401 - a class
    """Return inputs in the form that `predict` is annotated with."""
    parameters = list(inspect.signature(kept.predict).parameters.values())
    noted = parameters[1].annotation if len(parameters) > 1 else ""
    text = f"{noted.__module__}." if isinstance(noted, type) else str(noted)
    if _PANDAS.search(text):
        return inputs.frame
    if _POLARS.search(text):
        return library("polars").DataFrame(dict(inputs.columns))
    if "ndarray" in str(noted) or "NDArray" in str(noted):
        return inputs.matrix
    return dict(inputs.columns) if re.search(r"\b(?:dict|Mapping)\b", str(noted)) else inputs
