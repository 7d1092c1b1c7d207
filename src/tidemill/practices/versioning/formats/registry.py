"""The model formats that there are, and the interface that each of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tidemill.core.errors import InvalidInputError
from tidemill.practices.versioning.formats.lightgbm_text import LightgbmText

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs


class ModelFormat(Protocol):
    """How models of one library are stored, loaded and asked. Imports the library when needed."""

    name: str
    needless: tuple[str, ...]
    """What the library imports where it is installed, but needs for no prediction."""

    def accepts(self, model: object) -> bool:
        """Whether this format stores such an object. Must not import the library to say no."""
        ...

    def save(self, model: Any, folder: Path) -> None:  # noqa: ANN401 - the library's own object
        """Write the model's files; equal models give equal bytes."""
        ...

    def load(self, folder: Path) -> Any:  # noqa: ANN401 - the library's own object
        """Read the model's files.

        Raises:
            CorruptError: they are not a model of this format.
            MissingExtraError: the library is not installed.
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


FORMATS: tuple[ModelFormat, ...] = (LightgbmText(),)


def format_of(model: object) -> ModelFormat:
    """Return the format that stores an object.

    Raises:
        InvalidInputError: none does; lists those that there are.
    """
    for known in FORMATS:
        if known.accepts(model):
            return known
    raise InvalidInputError(
        f"no model format stores a {type(model).__module__}.{type(model).__qualname__}",
        fix=f"there are: {', '.join(known.name for known in FORMATS)}",
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
