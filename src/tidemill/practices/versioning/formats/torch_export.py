"""Exported PyTorch programs (`torch.export`): a graph and its weights, no class needed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tidemill.core.signature import Datatype, Field
from tidemill.practices.versioning.formats.reading import library, reading
from tidemill.practices.versioning.formats.torch_answers import torch_score

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs

_FILE = "model.pt2"
_PROBABILITIES = ("softmax", "sigmoid")
_TYPES: Mapping[str, Datatype] = {
    "torch.float32": "FP32", "torch.float64": "FP64", "torch.int64": "INT64",
    "torch.int32": "INT32", "torch.uint8": "UINT8", "torch.bool": "BOOL",
}  # fmt: skip


class TorchExport:
    """`torch.export.ExportedProgram`, exported with a first dimension that may vary."""

    name = "torch-export"
    suffixes: tuple[str, ...] = (".pt2",)
    needless: tuple[str, ...] = ("pandas", "matplotlib", "tensorboard", "torchvision")

    def accepts(self, model: object) -> bool:
        """Whether it is an exported program."""
        exporting = sys.modules.get("torch.export")
        return exporting is not None and isinstance(model, exporting.ExportedProgram)

    def save(self, model: Any, folder: Path) -> None:  # noqa: ANN401 - an exported program
        """Write the program; always under one name, which the file holds inside."""
        library("torch.export").save(model, str(folder / _FILE))

    def load(self, folder: Path) -> Any:  # noqa: ANN401 - an exported program
        """Read the program.

        Raises:
            CorruptError: the file is none.
            MissingExtraError: PyTorch is not installed.
        """
        return self.read_file(folder / _FILE)

    def read_file(self, path: Path) -> Any:  # noqa: ANN401 - an exported program
        """Read a .pt2 file; raises as `load`."""
        exporting = library("torch.export")
        with reading(path.name):
            program = exporting.load(str(path))
            program.module()  # damage may show only here
            return program

    def inputs_of(self, model: Any) -> tuple[Field, ...]:  # noqa: ANN401 - an exported program
        """Return the program's arguments with the shape of one row's value."""
        fields = []
        for node in model.graph.nodes:
            if node.name in model.graph_signature.user_inputs and "val" in node.meta:
                value = node.meta["val"]
                shape = tuple(n if isinstance(n, int) else -1 for n in value.shape[1:])
                datatype = _TYPES.get(str(value.dtype), "FP32")
                fields.append(Field(name=node.name, datatype=datatype, shape=shape))
        return tuple(fields)

    def code_in(self, path: Path) -> tuple[str, ...]:  # noqa: ARG002 - the format itself does
        """Return what PyTorch evaluates when it reads any such file: it is no plain data."""
        return ("expressions and pickled objects in the .pt2 archive",)

    def predict(
        self,
        model: Any,  # noqa: ANN401 - an exported program
        inputs: Inputs,
        task: Task,
    ) -> Mapping[str, NDArray[Any]]:
        """Return `score`; a program that ends in softmax or sigmoid gives probabilities."""
        module = getattr(model, "tidemill_module", None)
        if module is None:
            module = model.tidemill_module = model.module()
        return torch_score(
            module, inputs, task, names=list(model.graph_signature.user_inputs),
            gives_probabilities=_ends_in_probabilities(model),
        )  # fmt: skip


def _ends_in_probabilities(model: Any) -> bool:  # noqa: ANN401 - an exported program
    calls = [node for node in model.graph.nodes if node.op == "call_function"]
    last = str(calls[-1].target) if calls else ""
    return any(name in last and "log" not in last for name in _PROBABILITIES)
