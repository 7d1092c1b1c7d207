"""PyTorch modules of the project's own class: safetensors weights, the class's source, its config.

The module is made again by `CLASS(**module.config)`: `config` holds the arguments of its
constructor, data that JSON can spell. Loading runs the class's code: see `code_in`.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import InvalidInputError
from tidemill.practices.versioning.formats.captured_code import CapturedCode, capture
from tidemill.practices.versioning.formats.reading import library, reading
from tidemill.practices.versioning.formats.torch_answers import forward_names, torch_score

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tidemill.core.signature import Field
    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs

_WEIGHTS, _MADE_BY, _CODE = "weights.safetensors", "module.json", "code"


class ModuleMade(msgspec.Struct, frozen=True, kw_only=True):
    """How a module is made again. `answers` says what its forward gives."""

    path: str
    config: dict[str, Any]
    answers: Literal["logits", "probabilities"] = "logits"


class TorchState:
    """`torch.nn.Module` of a class that a module of the project, or a cell, defines.

    A classifier is taken to give logits; one with `answers = "probabilities"` gives these.
    """

    name = "torch-state"
    suffixes: tuple[str, ...] = ()
    needless: tuple[str, ...] = ("pandas", "matplotlib", "tensorboard", "torchvision", "sympy")

    def accepts(self, model: object) -> bool:
        """Whether it is a module of PyTorch."""
        torch = sys.modules.get("torch.nn")
        return torch is not None and isinstance(model, torch.Module)

    def save(self, model: Any, folder: Path) -> None:  # noqa: ANN401 - a module
        """Write weights, source and configuration.

        Raises:
            InvalidInputError: the class needs arguments and the module has no `config` of them, or
                the class is one of PyTorch's own.
        """
        made = _made_by(model)
        path, code = capture(type(model))
        tensors = library("safetensors.torch")
        state = {name: value.contiguous() for name, value in model.state_dict().items()}
        (folder / _WEIGHTS).write_bytes(tensors.save(_apart(state)))
        (folder / _MADE_BY).write_bytes(canonical_json(msgspec.structs.replace(made, path=path)))
        code.write(folder / _CODE)

    def load(self, folder: Path) -> Any:  # noqa: ANN401 - a module
        """Make the module again, ready to predict.

        Raises:
            CorruptError: weights, code and configuration do not fit each other.
            MissingExtraError: PyTorch or safetensors is not installed.
        """
        tensors = library("safetensors.torch")
        errors = library("safetensors").SafetensorError
        with reading("the PyTorch module", errors, msgspec.MsgspecError):
            made = msgspec.json.decode((folder / _MADE_BY).read_bytes(), type=ModuleMade)
            kept = CapturedCode.read(folder / _CODE).find(made.path)
            module = kept(**made.config)
            module.load_state_dict(tensors.load((folder / _WEIGHTS).read_bytes()))
            module.config = made.config
            module.answers = made.answers
            return module.eval()

    def read_file(self, path: Path) -> Any:  # noqa: ANN401 - a module
        """Refuse: weights alone say nothing of the class that they belong to."""
        raise InvalidInputError(f"{path.name} holds no class", fix="tm.add_model(NAME, module)")

    def inputs_of(self, model: Any) -> tuple[Field, ...]:  # noqa: ANN401, ARG002 - a module
        """Return nothing: a module does not say what it takes."""
        return ()

    def code_in(self, path: Path) -> tuple[str, ...]:
        """Return the class that is made, and the files that define it."""
        with reading(_MADE_BY, msgspec.MsgspecError):
            made = msgspec.json.decode((path / _MADE_BY).read_bytes(), type=ModuleMade)
        return (made.path, *CapturedCode.read(path / _CODE).files)

    def predict(
        self,
        model: Any,  # noqa: ANN401 - a module
        inputs: Inputs,
        task: Task,
    ) -> Mapping[str, NDArray[Any]]:
        """Return `score`, and what else the module gives; always as in evaluation."""
        if model.training:
            model.eval()
        return torch_score(
            model, inputs, task, names=forward_names(model.forward),
            gives_probabilities=getattr(model, "answers", "logits") == "probabilities",
        )  # fmt: skip


def _made_by(model: Any) -> ModuleMade:  # noqa: ANN401 - a module
    kept = type(model)
    if kept.__module__.partition(".")[0] == "torch":
        raise InvalidInputError(
            f"a {kept.__qualname__} has no class of its own that could be kept",
            fix="store torch.export.export(module, (example,), dynamic_shapes=...), or give it a "
            "class with a `config`",
        )
    config = getattr(model, "config", None)
    if config is None:
        if needed := forward_names(kept):
            raise InvalidInputError(
                f"{kept.__qualname__} takes {', '.join(needed)}, and the module does not say which",
                fix="set self.config = {...} to the arguments of its constructor",
            )
        config = {}
    _check(kept, config)
    return ModuleMade(path="", config=config, answers=getattr(model, "answers", "logits"))


def _check(kept: type, config: object) -> None:
    try:
        spelled = msgspec.json.decode(msgspec.json.encode(config))
        inspect.signature(kept).bind(**spelled)
    except (TypeError, msgspec.MsgspecError) as error:
        raise InvalidInputError(
            f"config of {kept.__qualname__} is not the arguments of its constructor: {error}",
            fix="keep numbers, texts, lists and mappings of them, by the names of the arguments",
        ) from None


def _apart(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return tensors that share no memory: safetensors keeps each by itself."""
    seen: set[int] = set()
    apart = {}
    for name, value in state.items():
        place = value.data_ptr()
        apart[name] = value.clone() if place in seen else value
        seen.add(place)
    return apart
