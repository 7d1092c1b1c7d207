"""Model: a trained object with its signature and task, the same in a step, a gate and a server.

Loading needs only NumPy, msgspec and the model's own library.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import CorruptError, NotAllowedError
from tidemill.core.signature import Signature
from tidemill.core.task import Task
from tidemill.practices.versioning.formats.registry import format_named, format_of
from tidemill.practices.versioning.inputs import Inputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


_FILE = "model.json"


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What lies beside a model's own files: how to read them, and what goes in and out."""

    format: str
    signature: Signature
    task: Task


class Model:
    """A trained model: `object` is the library's own, `format` how it is stored."""

    def __init__(self, object: Any, *, signature: Signature, task: Task) -> None:  # noqa: A002, ANN401
        """Wrap a trained object.

        Raises:
            InvalidInputError: no model format stores such an object.
        """
        self.object, self.signature, self.task = object, signature, task
        self._format = format_of(object)

    @property
    def format(self) -> str:
        """The name of the format that stores it."""
        return self._format.name

    def predict(self, rows: object) -> Mapping[str, NDArray[Any]]:
        """Return the answers for rows: a frame, or a mapping of columns.

        For a binary task `score` is the probability that the label is true, shape (rows,).

        Raises:
            InvalidInputError: a column of the signature is missing or of another type.
        """
        return self._format.predict(self.object, Inputs(self.signature, rows), self.task)

    def save(self, folder: Path) -> None:
        """Write the model into an existing, empty folder; equal models give equal bytes."""
        self._format.save(self.object, folder)
        card = ModelCard(format=self.format, signature=self.signature, task=self.task)
        (folder / _FILE).write_bytes(canonical_json(card))

    @classmethod
    def load(cls, folder: Path, *, allow_code: bool = False) -> Model:
        """Read a model that `save` wrote.

        Args:
            folder: its files.
            allow_code: whether code that lies in them may run: they are of the record, or you know
                where they come from.

        Raises:
            NotAllowedError: loading it runs code of its own, and that was not allowed.
            CorruptError: the files are not a model.
            MissingExtraError: the model's library is not installed.
        """
        card = read_card(folder)
        known = format_named(card.format)
        if not allow_code and (code := known.code_in(folder)):
            raise NotAllowedError(
                f"loading this model runs code of its own: {', '.join(code[:5])}",
                fix="read it, then give allow_code=True; `tidemill model add` records who did",
            )
        loaded = known.load(folder)
        return cls(loaded, signature=card.signature, task=card.task)

    def __repr__(self) -> str:
        return (
            f"<Model {self.format}: {len(self.signature.inputs)} inputs, "
            f"{self.task.kind} {self.task.label}>"
        )


def load_to_predict(folder: Path) -> Model:
    """Read a model in a process that only predicts: a second and 60 MB are saved.

    What its library needs for no prediction cannot be imported in this process afterwards. Its own
    code may run: the process is the model's own, and the record says who allowed it.
    Raises as `Model.load`.
    """
    needless = set(format_named(read_card(folder).format).needless) - set(sys.modules)
    blocked: dict[str, Any] = dict.fromkeys(needless)
    sys.modules.update(blocked)
    return Model.load(folder, allow_code=True)


def read_card(folder: Path) -> ModelCard:
    """Return what lies beside a model's files, without loading the model.

    Raises:
        CorruptError: there is no such card, or it cannot be read.
    """
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=ModelCard)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise CorruptError(
            f"the folder holds no model: {_FILE} cannot be read ({error})",
            fix="give a folder that Model.save wrote",
        ) from None
