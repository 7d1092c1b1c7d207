"""Signatures: inferred from rows, checked on every request, and turned into a matrix.

Only NumPy is needed to check columns and to make the matrix, so that a model server starts light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.core.signature import Datatype, Field, Signature
from tidemill.lineage.suggestions import closest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    Columns = Mapping[str, NDArray[Any]]

MOST_CATEGORIES = 10_000

DEFAULT_OUTPUTS = (Field(name="score", datatype="FP64", is_optional=False),)


def infer_signature(
    inputs: pl.DataFrame,
    *,
    outputs: Sequence[Field] = DEFAULT_OUTPUTS,
    context: pl.DataFrame | None = None,
    time: str = "",
    row_key: str = "",
) -> Signature:
    """Return the signature of a model that takes the columns of a frame.

    Text columns become categories: their levels, sorted, are part of the signature.

    Args:
        inputs: the rows that the model is trained on, input columns only.
        outputs: what the model answers; default: one column `score`.
        context: columns that are sent along and logged, never given to the model.
        time: context column that is the row's effective time.
        row_key: context column by which labels find their row.

    Raises:
        InvalidInputError: a column is of a type that no request can carry, or `time` or `row_key`
            is no context column.
    """
    fields = tuple(_field(column, with_categories=True) for column in inputs.get_columns())
    sent = tuple(_field(column, with_categories=False) for column in context.get_columns()) if (
        context is not None
    ) else ()  # fmt: skip
    names = [field.name for field in sent]
    for role, name in (("time", time), ("row_key", row_key)):
        if name and name not in names:
            raise InvalidInputError(
                f"{role}={name!r} is no context column",
                fix=f"add it to `context`; there are {', '.join(names) or 'none'}",
            )
    return Signature(
        inputs=fields, outputs=tuple(outputs), context=sent, time=time, row_key=row_key
    )


def columns_of(rows: Any) -> Columns:  # noqa: ANN401 - whatever Polars makes a frame of
    """Return rows as NumPy columns: a mapping as it is, a frame column by column."""
    if isinstance(rows, dict):
        return {str(name): np.asarray(column) for name, column in rows.items()}
    import polars as pl  # noqa: PLC0415 - a model server has arrays already

    if isinstance(rows, pl.LazyFrame):
        rows = rows.collect()
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
    return {column.name: _array(column) for column in frame.get_columns()}


def checked(signature: Signature, columns: Columns) -> Columns:
    """Return the input columns of a request, in the order of the signature.

    Raises:
        InvalidInputError: a column is missing, or shorter than another; names it.
    """
    names = [field.name for field in signature.inputs]
    found: dict[str, NDArray[Any]] = {}
    for field in signature.inputs:
        if field.name not in columns:
            near = closest(field.name, list(columns))
            raise InvalidInputError(
                f"column {field.name!r} is missing",
                fix=f"did you mean {near!r}?" if near else f"the model takes {', '.join(names)}",
            )
        found[field.name] = columns[field.name]
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        shortest, longest = (
            min(lengths, key=lengths.__getitem__),
            max(lengths, key=lengths.__getitem__),
        )
        raise InvalidInputError(
            f"column {shortest!r} has {lengths[shortest]:,} rows and {longest!r} has "
            f"{lengths[longest]:,}",
            fix="send one value a row in every column",
        )
    return found


def matrix(signature: Signature, rows: object) -> NDArray[np.float64]:
    """Return the model's inputs as numbers, shape (rows, inputs).

    Categories become their place in the signature, truth values 0 and 1; what is missing, and a
    level that training never saw, is NaN.

    Raises:
        InvalidInputError: a column is missing, or holds what is no number; names it.
    """
    return matrix_of(signature, checked(signature, columns_of(rows)))


def matrix_of(signature: Signature, columns: Columns) -> NDArray[np.float64]:
    """Return checked input columns as numbers, shape (rows, inputs); as `matrix`.

    Raises:
        InvalidInputError: an input is an array a row, or holds what is no number; names it.
    """
    numbers = [_numbers(field, columns[field.name]) for field in signature.inputs]
    return np.column_stack(numbers) if numbers else np.empty((0, 0))


def _numbers(field: Field, column: NDArray[Any]) -> NDArray[np.float64]:
    if field.shape:
        raise InvalidInputError(
            f"input {field.name!r} is an array a row, and this model takes single numbers",
            fix="give the model one column a number, or store it in a format that takes arrays",
        )
    if field.categories is not None:
        return _codes(field.categories, column)
    if column.dtype == np.float64:
        return column
    try:
        if column.dtype == object:
            return np.array([_number(value) for value in column], dtype=np.float64)
        return column.astype(np.float64, casting="same_kind")
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"column {field.name!r} takes {field.datatype}, and holds what is no number",
            fix="send numbers, or null where the value is missing",
        ) from None


def _number(value: Any) -> float:  # noqa: ANN401 - a cell of an array of objects
    """Return a number, NaN for None; text that looks like a number is none."""
    if isinstance(value, str | bytes):
        raise TypeError(value)
    return np.nan if value is None else float(value)


def _codes(categories: tuple[str, ...], column: NDArray[Any]) -> NDArray[np.float64]:
    place: dict[str | None, float] = {level: float(code) for code, level in enumerate(categories)}
    return np.array([place.get(_text(value), np.nan) for value in column], dtype=np.float64)


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)


def _array(column: pl.Series) -> NDArray[Any]:
    import polars as pl  # noqa: PLC0415 - as above

    if column.dtype == pl.Boolean or column.dtype.is_numeric():
        return column.cast(pl.Float64).to_numpy() if column.null_count() else column.to_numpy()
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.timestamp("us").to_numpy()
    if column.dtype.is_temporal():  # days of dates, else as Polars counts them
        return column.to_physical().to_numpy()
    if column.dtype in {pl.Categorical, pl.Enum}:
        column = column.cast(pl.String)
    return np.array(column.to_list(), dtype=object)


def _field(column: pl.Series, *, with_categories: bool) -> Field:
    import polars as pl  # noqa: PLC0415 - as above

    kinds: list[tuple[bool, Datatype]] = [
        (column.dtype == pl.Boolean, "BOOL"),
        (column.dtype.is_integer() or column.dtype.is_temporal(), "INT64"),
        (column.dtype.is_float() or column.dtype == pl.Null, "FP64"),
        (column.dtype in {pl.String, pl.Categorical, pl.Enum}, "BYTES"),
    ]
    datatype = next((name for fits, name in kinds if fits), None)
    if datatype is None:
        raise InvalidInputError(
            f"column {column.name!r} is {column.dtype}; a request carries numbers, truth values, "
            "times and text",
            fix="cast it before the model is trained",
        )
    categories = None
    if datatype == "BYTES" and with_categories:
        categories = tuple(column.cast(pl.String).drop_nulls().unique().sort().to_list())
        if len(categories) > MOST_CATEGORIES:
            raise InvalidInputError(
                f"column {column.name!r} has {len(categories):,} levels; at most "
                f"{MOST_CATEGORIES:,} can be categories",
                fix="leave it out of the inputs, or encode it as numbers",
            )
    return Field(name=column.name, datatype=datatype, categories=categories)
