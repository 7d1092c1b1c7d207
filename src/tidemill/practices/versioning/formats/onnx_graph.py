"""ONNX graphs, run by ONNX Runtime: any library's model that was converted."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.core.signature import Datatype, Field
from tidemill.practices.versioning.formats.answers import task_score
from tidemill.practices.versioning.formats.onnx_labels import class_labels
from tidemill.practices.versioning.formats.reading import library, reading, threads
from tidemill.practices.versioning.formats.side_files import texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs

_FILE, _CLASSES = "model.onnx", "classes.json"
_TYPES: Mapping[str, tuple[str, Datatype]] = {
    "tensor(float)": ("float32", "FP32"), "tensor(double)": ("float64", "FP64"),
    "tensor(float16)": ("float16", "FP32"), "tensor(int64)": ("int64", "INT64"),
    "tensor(int32)": ("int32", "INT32"), "tensor(int16)": ("int16", "INT16"),
    "tensor(int8)": ("int8", "INT8"), "tensor(uint8)": ("uint8", "UINT8"),
    "tensor(bool)": ("bool", "BOOL"), "tensor(string)": ("object", "BYTES"),
}  # fmt: skip


class OnnxGraph:
    """An ONNX graph that can be asked: `content` are its bytes, `classes` its column names."""

    def __init__(self, content: bytes, classes: tuple[str, ...] = ()) -> None:
        """Take a serialized graph.

        Raises:
            CorruptError: ONNX Runtime cannot run it, or it refers to files outside itself.
        """
        self.content, self.classes = content, classes
        runtime = library("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # From a folder of its own: references to files outside it are refused by the runtime.
        with tempfile.TemporaryDirectory(prefix="tidemill-onnx-") as folder:
            path = Path(folder) / _FILE
            path.write_bytes(content)
            with reading("the ONNX graph", *_own_errors(runtime)):
                self.session = runtime.InferenceSession(
                    str(path), options, providers=["CPUExecutionProvider"]
                )

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Return every output by its name.

        Raises:
            InvalidInputError: the graph does not take these arrays.
        """
        own = _own_errors(library("onnxruntime"))
        refusals: tuple[type[Exception], ...] = (*own, ValueError)
        try:
            answers = self.session.run(None, dict(feeds))
        except refusals as error:
            raise InvalidInputError(
                f"the ONNX graph does not take these rows: {str(error)[:300]}",
                fix="compare the model's inputs with the columns that are sent",
            ) from None
        return {
            output.name: answer
            for output, answer in zip(self.session.get_outputs(), answers, strict=True)
        }


class OnnxGraphFormat:
    """ONNX models: an `onnx.ModelProto`, or a graph loaded before."""

    name = "onnx"
    suffixes: tuple[str, ...] = (".onnx",)
    needless: tuple[str, ...] = ("pandas", "matplotlib", "sympy", "torch")

    def accepts(self, model: object) -> bool:
        """Whether it is a graph: of ours, or of the onnx package."""
        return isinstance(model, OnnxGraph) or (
            type(model).__module__.partition(".")[0] == "onnx"
            and type(model).__name__ == "ModelProto"
        )

    def save(self, model: Any, folder: Path) -> None:  # noqa: ANN401 - a graph
        """Write the graph, and the classes that it names inside."""
        graph = _graph(model)
        (folder / _FILE).write_bytes(graph.content)
        if graph.classes:
            (folder / _CLASSES).write_bytes(msgspec.json.encode(graph.classes))

    def load(self, folder: Path) -> OnnxGraph:
        """Read the graph.

        Raises:
            CorruptError: it is none, or refers to files outside itself.
            MissingExtraError: ONNX Runtime is not installed.
        """
        with reading(_FILE):
            content = (folder / _FILE).read_bytes()
        return OnnxGraph(content, texts_of(folder / _CLASSES))

    def read_file(self, path: Path) -> OnnxGraph:
        """Read an .onnx file, with the classes that it names; raises as `load`."""
        with reading(path.name):
            content = path.read_bytes()
        graph = OnnxGraph(content)
        with reading(path.name):
            graph.classes = class_labels(content)
        return graph

    def inputs_of(self, model: Any) -> tuple[Field, ...]:  # noqa: ANN401 - a graph
        """Return the graph's inputs, each with the shape of one row's value."""
        fields = []
        for one in _graph(model).session.get_inputs():
            shape = tuple(length if isinstance(length, int) else -1 for length in one.shape[1:])
            datatype = _TYPES.get(one.type, ("float32", "FP32"))[1]
            fields.append(
                Field(name=one.name, datatype=datatype, shape=() if shape == (1,) else shape)
            )
        return tuple(fields)

    def code_in(self, path: Path) -> tuple[str, ...]:  # noqa: ARG002 - a graph is data
        """Return nothing: a graph holds known operators only."""
        return ()

    def predict(
        self,
        model: Any,  # noqa: ANN401 - a graph
        inputs: Inputs,
        task: Task,
    ) -> Mapping[str, NDArray[Any]]:
        """Return `score`, and every other output that the signature names."""
        graph = _graph(model)
        answers = graph.run(_feeds(graph, inputs))
        values, classes = _answer(answers, task, graph.classes)
        named = [field.name for field in inputs.signature.outputs]
        told = {name: np.asarray(answers[name]) for name in named if name in answers}
        return {"score": task_score(values, task, classes)} | told


def _feeds(graph: OnnxGraph, inputs: Inputs) -> dict[str, NDArray[Any]]:
    """Return the graph's inputs: each by its name, or all columns as one matrix."""
    wanted = graph.session.get_inputs()
    if len(wanted) == 1 and wanted[0].name not in inputs.columns:
        return {wanted[0].name: inputs.matrix.astype(_dtype(wanted[0].type))}
    feeds = {}
    for one in wanted:
        if one.name not in inputs.columns:
            raise InvalidInputError(
                f"the ONNX graph takes {one.name!r}, which is no input of the signature",
                fix=f"name the columns as the graph does: {', '.join(w.name for w in wanted)}",
            )
        column = np.asarray(inputs.columns[one.name])
        if column.dtype == object and _dtype(one.type) != "object":
            column = np.array([np.nan if v is None else v for v in column], dtype=np.float64)
        elif column.dtype == object:
            column = np.array(
                [v.decode() if isinstance(v, bytes) else ("" if v is None else v) for v in column],
                dtype=object,
            )
        if column.ndim == 1 and len(one.shape) == 2:
            column = column.reshape(-1, 1)
        feeds[one.name] = column.astype(_dtype(one.type))
    return feeds


def _answer(
    answers: Mapping[str, Any], task: Task, classes: tuple[str, ...]
) -> tuple[NDArray[Any], list[object]]:
    """Return the output that answers the task, and what its columns are called.

    Classifiers answer a label and probabilities; the probabilities are meant.
    """
    for value in answers.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):  # a ZipMap
            names = list(value[0])
            return np.array([[row[name] for name in names] for row in value]), names
    arrays = {name: np.asarray(value) for name, value in answers.items()}
    floats = {name: a for name, a in arrays.items() if a.dtype.kind == "f"}
    if not floats:
        raise InvalidInputError(
            f"no output of the ONNX graph is a number: {', '.join(answers)}",
            fix="convert the model with its probabilities as an output",
        )
    likely = [name for name in floats if "prob" in name.lower() or name == "score"]
    name = likely[0] if likely and task.kind != "regression" else next(iter(floats))
    return floats[name], list(classes)


def _graph(model: Any) -> OnnxGraph:  # noqa: ANN401 - a graph or a ModelProto
    """Return a graph that can be asked, made once for a ModelProto."""
    if isinstance(model, OnnxGraph):
        return model
    kept = _made.get(id(model))
    if kept is None or kept[0] is not model:
        content = model.SerializeToString(deterministic=True)
        kept = (model, OnnxGraph(content, class_labels(content)))
        _made.clear()
        _made[id(model)] = kept
    return kept[1]


_made: dict[int, tuple[object, OnnxGraph]] = {}
"""The graph of the newest ModelProto: the package's own object cannot be asked."""


def _dtype(name: str) -> str:
    return _TYPES.get(name, ("float32", "FP32"))[0]


def _own_errors(runtime: Any) -> tuple[type[Exception], ...]:  # noqa: ANN401 - a module
    """Return the runtime's exceptions, which derive from Exception itself."""
    state = sys.modules.get("onnxruntime.capi.onnxruntime_pybind11_state", runtime)
    found = [value for value in vars(state).values() if isinstance(value, type)]
    return tuple(value for value in found if issubclass(value, Exception))
