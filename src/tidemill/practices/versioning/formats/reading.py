"""What every format needs around a library: import it, pin its threads, make its errors ours."""

from __future__ import annotations

import importlib
import os
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.core.errors import CorruptError, InvalidInputError, MissingExtraError
from tidemill.core.extras import installing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tidemill.practices.versioning.inputs import Inputs

DAMAGED: tuple[type[Exception], ...] = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError,
    LookupError, MemoryError, NameError, OSError, RuntimeError, SyntaxError, TypeError, ValueError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What libraries raise when they read a damaged file; some have one more of their own."""


def library(name: str) -> Any:  # noqa: ANN401 - a module
    """Import a model's library where it is used.

    Raises:
        MissingExtraError: it is not installed; the fix is the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"this model needs {name.partition('.')[0]}, which cannot be imported ({error})",
            fix=installing(name),
        ) from None


@contextmanager
def reading(what: str, *own: type[Exception], fix: str = "") -> Iterator[None]:
    """Turn what a library raises for a damaged file into one clear error.

    `own` are the library's own exceptions, which derive from nothing better.

    Raises:
        CorruptError: the file is not what this format writes.
    """
    expected: tuple[type[Exception], ...] = (*DAMAGED, *own)
    try:
        yield
    except expected as error:
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise CorruptError(
            f"{what} cannot be read as a model: {told}",
            fix=fix or "store it again from where it was trained, and copy it whole",
        ) from None


class UnfitRowsError(InvalidInputError):
    """Some of the rows hold what the model cannot take; the others it can.

    `because` has one entry a row: a text, or None where the row is fit.
    """

    def __init__(self, what: str, *, fix: str, because: NDArray[Any]) -> None:
        super().__init__(what, fix=fix)
        self.because = because


def require_float32(inputs: Inputs) -> None:
    """Look at the numbers that a library takes as float32; missing ones (NaN) are fine.

    Raises:
        UnfitRowsError: one is infinite or beyond float32; names the input and the row.
    """
    _require_within(
        inputs, float(np.finfo(np.float32).max), "beyond float32, which this model takes",
        "give a number between -3.4e38 and 3.4e38, or leave it missing",
    )  # fmt: skip


def require_finite(inputs: Inputs) -> None:
    """Look at the numbers; missing ones (NaN) are fine.

    Raises:
        UnfitRowsError: one is infinite; names the input and the row.
    """
    _require_within(
        inputs, float(np.finfo(np.float64).max), "infinite, and this model takes none such",
        "give a finite number, or leave it missing",
    )  # fmt: skip


def _require_within(inputs: Inputs, largest: float, what: str, fix: str) -> None:
    because, told = np.full(inputs.rows, None, dtype=object), ""
    for field in inputs.signature.inputs:
        column = inputs.columns[field.name]
        if not field.is_single or column.dtype.kind not in "fiu":
            continue
        beyond = np.abs(column.astype(np.float64, copy=False)) > largest
        if beyond.any():
            row = int(np.argmax(beyond))
            told = told or f"input {field.name!r}, row {row + 1}: {column[row]:g}"
            why = f"input {field.name!r} is {what}"
            because[beyond] = [before or why for before in because[beyond]]
    if told:
        raise UnfitRowsError(f"{told} is {what}", fix=fix, because=because)


def threads() -> int:
    """Return how many threads a prediction takes: as pinned for this process, else one.

    One by default, because sums in another order are other numbers.
    """
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else 1
