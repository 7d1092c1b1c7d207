"""Rows that a signature would take, made up: to warm a server up, to time a model, to try it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.wire.row_values import NUMPY_TYPES, stacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidemill.core.signature import Field, Signature

ANY_LENGTH = 8
"""How long a drawn array is where its length is free."""
_TURNS = 11
"""How many ends a number has."""
_SMALL_ROW = 1000
"""Numbers in a row of which many are asked."""


def drawn_rows(signature: Signature, rows: int) -> dict[str, NDArray[Any]]:
    """Return inputs of random values, the same at every call; shape (rows, *shape) each.

    Text is drawn from the categories; lists of records hold one record.
    """
    random = np.random.default_rng(0)
    return {field.name: _column(field, rows, random) for field in signature.inputs}


def blank_row(signature: Signature) -> dict[str, NDArray[Any]]:
    """Return one row of inputs: zeros, false, the first category, empty text."""
    return {field.name: _column(field, 1, None) for field in signature.inputs}


def extreme_rows(signature: Signature) -> list[dict[str, NDArray[Any]]]:
    """Return what anybody may send: the ends of every type, each in rows of their own.

    In the first row of a batch all inputs are at one end, in the second at different ones.
    """
    return [
        {
            field.name: _ends(field, (turn, turn + place + 1))
            for place, field in enumerate(signature.inputs)
        }
        for turn in range(_TURNS)
    ]


def most_rows(signature: Signature) -> int:
    """Return how many rows a model is asked to be tried: few where one row is large."""
    lengths = [int(np.prod(np.abs(field.shape))) for field in signature.inputs]
    return 50 if sum(lengths) <= _SMALL_ROW else 2


def can_be_made_up(signature: Signature) -> bool:
    """Whether a model must be able to answer made-up rows: an image's bytes are not made up."""
    return not any(field.is_binary or field.fields for field in signature.inputs)


def _ends(field: Field, turns: tuple[int, ...]) -> NDArray[Any]:
    shape = tuple(ANY_LENGTH if length < 0 else length for length in field.shape)
    code = np.dtype(NUMPY_TYPES[field.datatype])
    if code.kind == "O":
        levels = list(field.categories or ())
        ends: list[Any] = ["", None, *levels[:1], *levels[-1:], "no level", "\0", "x" * 10_000]
    elif code.kind == "f":
        largest, least = np.finfo(code).max, np.finfo(code).smallest_subnormal
        ends = [np.nan, np.inf, -np.inf, largest, -largest, least, -0.0, 3e38, -3e38, -1, 2**31]
    elif code.kind == "b":
        ends = [False, True]
    else:
        limits = np.iinfo(code)
        ends = [limits.min, limits.max, limits.max // 2 + 1, max(limits.min, -1), 0, 1]
    column = np.empty((len(turns), *shape), dtype=code)
    for row, turn in enumerate(turns):
        column[row] = ends[turn % len(ends)]
    return column


def _column(field: Field, rows: int, random: np.random.Generator | None) -> NDArray[Any]:
    if field.is_single:
        return _drawn(field, (rows,), random)
    if field.shape and not field.fields:
        shape = tuple(ANY_LENGTH if length < 0 else length for length in field.shape)
        return _drawn(field, (rows, *shape), random)
    return stacked([_composed(field, random) for _ in range(rows)])


def _composed(field: Field, random: np.random.Generator | None) -> object:
    if not field.fields:
        return b""
    record = {member.name: _column(member, 1, random)[0] for member in field.fields}
    return [record] if field.shape else record


def _drawn(
    field: Field, shape: tuple[int, ...], random: np.random.Generator | None
) -> NDArray[Any]:
    if field.datatype == "BYTES":
        levels = np.array(list(field.categories or ("",)), dtype=object)
        texts: NDArray[Any] = (
            np.full(shape, levels[0], dtype=object) if random is None
            else random.choice(levels, shape)
        )  # fmt: skip
        return texts
    code = np.dtype(NUMPY_TYPES[field.datatype])
    if random is None:
        return np.zeros(shape, dtype=code)
    if code.kind == "f":
        return random.normal(size=shape).astype(code)
    return random.integers(0, 2 if code.kind == "b" else 100, shape).astype(code)
