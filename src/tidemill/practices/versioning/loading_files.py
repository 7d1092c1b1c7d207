"""Files of models made elsewhere: which format reads them, what they take, what they would run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.signature import Signature
from tidemill.practices.versioning.formats.registry import FORMATS, ModelFormat, format_named
from tidemill.practices.versioning.model import Model, read_card
from tidemill.practices.versioning.signatures import DEFAULT_OUTPUTS

if TYPE_CHECKING:
    from pathlib import Path

    from tidemill.core.signature import Field
    from tidemill.core.task import Task

_REFUSED = {
    ".safetensors": "it holds weights only, not the class that they belong to",
    ".pkl": "a pickle runs any code that it holds when it is loaded",
    ".pickle": "a pickle runs any code that it holds when it is loaded",
    ".joblib": "a joblib file is a pickle, and runs any code that it holds when it is loaded",
    ".pt": "it is a pickle of PyTorch, and runs any code that it holds when it is loaded",
    ".pth": "it is a pickle of PyTorch, and runs any code that it holds when it is loaded",
}
_INSTEAD = {
    ".safetensors": 'in Python: tm.add_model("NAME", module, task=..., label=..., sample=rows)',
    ".pt": "torch.export.save(torch.export.export(module, (example,)), 'model.pt2')",
    ".pth": "torch.export.save(torch.export.export(module, (example,)), 'model.pt2')",
}
_FOR_PICKLES = "store it with skops.io.dump(model, 'model.skops'), or convert it to ONNX"


def format_of_file(path: Path) -> ModelFormat:
    """Return the format that reads a file of this name.

    Raises:
        InvalidInputError: none does, or it is refused; says why and what instead.
    """
    suffix = path.suffix.lower()
    if suffix in _REFUSED:
        raise InvalidInputError(
            f"{path.name} is not taken: {_REFUSED[suffix]}", fix=_INSTEAD.get(suffix, _FOR_PICKLES)
        )
    for known in FORMATS:
        if suffix in known.suffixes:
            return known
    known_suffixes = ", ".join(suffix for known in FORMATS for suffix in known.suffixes)
    raise InvalidInputError(
        f"{path.name} is no file of a model that is known here",
        fix=f"give a folder that Model.save wrote, or a file ending in {known_suffixes}",
    )


def code_of_file(path: Path) -> tuple[str, ...]:
    """Return what of a file would run when it is loaded."""
    return format_of_file(path).code_in(path)


def code_of_folder(folder: Path) -> tuple[str, ...]:
    """Return what of a folder of ours would run when it is loaded."""
    return format_named(read_card(folder).format).code_in(folder)


def model_of_file(path: Path, task: Task, sample: Signature | None) -> Model:
    """Return the model in a file; only in a process of its own.

    Raises:
        CorruptError: it is none, or damaged.
        InvalidInputError: neither it nor a sample says what it takes.
    """
    known = format_of_file(path)
    found = known.read_file(path)
    return Model(found, signature=signature_of(known.inputs_of(found), sample), task=task)


def signature_of(named: tuple[Field, ...], sample: Signature | None) -> Signature:
    """Return a signature from what a model names itself and what a sample has.

    Raises:
        InvalidInputError: there is neither, or they do not fit.
    """
    if sample is None:
        if not named:
            raise InvalidInputError(
                "the model does not name its inputs", fix="give rows of them: --sample rows.csv"
            )
        return Signature(inputs=named, outputs=DEFAULT_OUTPUTS)
    columns = {field.name: field for field in sample.inputs}
    if named and all(field.name in columns for field in named):
        fields = tuple(_joined(field, columns[field.name]) for field in named)
        return msgspec.structs.replace(sample, inputs=fields)
    if len(named) == 1 and (named[0].datatype, named[0].shape) == ("BYTES", ()):
        return _text_of(sample)
    is_matrix = len(named) == 1 and bool(named[0].shape)
    if named and not is_matrix and len(named) != len(columns):
        missing = [field.name for field in named if field.name not in columns]
        raise InvalidInputError(
            f"the sample lacks {', '.join(missing)}, which the model takes",
            fix="give a sample with the columns that the model was trained on",
        )
    return sample


def _text_of(sample: Signature) -> Signature:
    """Return the signature of a model that reads one column of text."""
    if len(sample.inputs) != 1:
        raise InvalidInputError(
            "the model reads one column of text, and the sample has "
            f"{', '.join(field.name for field in sample.inputs)}",
            fix="give that column alone, as it was fitted on: sample=rows[COLUMN]",
        )
    text = msgspec.structs.replace(sample.inputs[0], categories=None)
    return msgspec.structs.replace(sample, inputs=(text,))


def _joined(named: Field, column: Field) -> Field:
    """Return a column of the sample with the levels that the model knows better."""
    return column if named.categories is None else named
