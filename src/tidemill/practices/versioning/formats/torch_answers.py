"""What PyTorch models take and give: tensors of the signature's columns, logits as answers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.practices.versioning.formats.answers import probabilities, task_score
from tidemill.practices.versioning.formats.reading import library, threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs


def torch_score(
    forward: Callable[..., Any],
    inputs: Inputs,
    task: Task,
    *,
    names: Sequence[str],
    gives_probabilities: bool,
) -> Mapping[str, NDArray[Any]]:
    """Return the answers of a module.

    `names` are the arguments of `forward`: columns of these names are given to them; a single
    argument gets the only input as it is, or all inputs as one float32 matrix. A classifier is
    taken to give logits, as PyTorch's losses want them. A mapping or a tuple of tensors gives
    several outputs, the first of which answers the task; the others have the signature's names.
    """
    torch = library("torch")
    if torch.get_num_threads() != threads():
        torch.set_num_threads(threads())
    given = [torch.from_numpy(array) for array in _arrays(inputs, names)]
    with torch.no_grad():
        answer = forward(*given)
    outputs = _named(answer, [field.name for field in inputs.signature.outputs])
    first, *others = outputs.items()
    values = first[1] if gives_probabilities else probabilities(first[1], task)
    return {"score": task_score(values, task), **dict(others)}


def forward_names(forward: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments that a forward function needs."""
    taken = inspect.signature(forward).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in taken if one.kind in kinds and one.default is one.empty]


def _arrays(inputs: Inputs, names: Sequence[str]) -> list[NDArray[Any]]:
    columns = inputs.columns
    if names and all(name in columns for name in names):
        return [_numeric(name, columns[name]) for name in names]
    if len(names) > 1:
        raise InvalidInputError(
            f"the module takes {', '.join(names)}, and the signature has {', '.join(columns)}",
            fix="name the inputs of the signature as the arguments of forward",
        )
    fields = inputs.signature.inputs
    if len(fields) == 1 and fields[0].shape:
        return [_numeric(fields[0].name, columns[fields[0].name])]
    return [inputs.matrix.astype(np.float32)]


def _numeric(name: str, column: NDArray[Any]) -> NDArray[Any]:
    """Return a column that PyTorch can hold; numbers with a point become float32."""
    if column.dtype == object:
        try:
            column = np.stack([np.asarray(value, dtype=np.float32) for value in column])
        except (TypeError, ValueError):
            raise InvalidInputError(
                f"input {name!r} is text, and a PyTorch module takes numbers",
                fix="turn it into numbers first, or wrap both in tm.PythonModel",
            ) from None
    if column.dtype.kind == "f":
        column = column.astype(np.float32)
    return np.ascontiguousarray(column).copy()


def _named(answer: Any, names: Sequence[str]) -> dict[str, NDArray[Any]]:  # noqa: ANN401 - tensors
    if isinstance(answer, dict):
        return {str(name): value.detach().cpu().numpy() for name, value in answer.items()}
    several = list(answer) if isinstance(answer, tuple | list) else [answer]
    spelled = [*names[: len(several)], *(f"output{n}" for n in range(len(names), len(several)))]
    return {
        name: value.detach().cpu().numpy() for name, value in zip(spelled, several, strict=True)
    }
