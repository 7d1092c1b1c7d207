"""Columns: rows of any kind as NumPy arrays, each checked against its field of the signature.

Only NumPy is needed to check columns and to make the matrix, so that a model server starts light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.core.errors import InvalidInputError
from tidemill.lineage.suggestions import closest
from tidemill.wire.row_values import RowValueError, array_of, row_value, stacked, value_of_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from tidemill.core.signature import Field, Signature

    Columns = Mapping[str, NDArray[Any]]


def columns_of(rows: Any) -> Columns:  # noqa: ANN401 - whatever Polars makes a frame of
    """Return rows as NumPy columns; records in a row become columns with dotted names.

    Takes a frame (Polars, pandas, Arrow), a mapping of columns, a list of records. Arrays of one
    shape become one array (rows, *shape); lists of records, and arrays of several lengths, are an
    object a row. Times are microseconds UTC, dates days since 1970.
    """
    if isinstance(rows, dict):
        return {
            name: column
            for key, given in rows.items()
            for name, column in _of_mapping(str(key), given)
        }
    if isinstance(rows, list | tuple):
        return _of_records(rows)
    import polars as pl  # noqa: PLC0415 - a model server has arrays already

    if isinstance(rows, pl.LazyFrame):
        rows = rows.collect()
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
    return {column.name: _array(column) for column in flat_columns(frame)}


def flat_columns(frame: pl.DataFrame) -> list[pl.Series]:
    """Return the columns of a frame, those of records with dotted names."""
    import polars as pl  # noqa: PLC0415 - as above

    flat: list[pl.Series] = []
    for column in frame.get_columns():
        if isinstance(column.dtype, pl.Struct):
            members = column.struct.unnest()
            named = members.rename({name: f"{column.name}.{name}" for name in members.columns})
            flat += flat_columns(named)
        else:
            flat.append(column)
    return flat


def checked(signature: Signature, columns: Columns) -> Columns:
    """Return the input columns of a request, in the order of the signature, each of its type.

    Raises:
        InvalidInputError: a column is missing, shorter than another, or of another shape or type;
            names it.
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
        found[field.name] = _checked(field, columns[field.name])
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
    if not field.is_single:
        raise InvalidInputError(
            f"input {field.name!r} is {field.kind} a row, and this model takes single numbers",
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


def _of_mapping(name: str, given: Any) -> list[tuple[str, NDArray[Any]]]:  # noqa: ANN401 - a column
    if isinstance(given, dict):
        return [
            pair for key, inner in given.items() for pair in _of_mapping(f"{name}.{key}", inner)
        ]
    if type(given).__module__.startswith("polars"):
        frame = given.alias(name).to_frame()
        return [(column.name, _array(column)) for column in flat_columns(frame)]
    return _flattened(name, _column(given))


def _column(given: Any) -> NDArray[Any]:  # noqa: ANN401 - an array or a list of anything
    try:
        column = np.asarray(given)
    except ValueError:  # rows of several lengths
        column = stacked([item if isinstance(item, dict) else np.asarray(item) for item in given])
    if column.dtype.kind == "M":
        return column.astype("datetime64[us]").astype(np.int64)
    return column.astype(object) if column.dtype.kind in "US" else column


def _of_records(rows: Sequence[Any]) -> Columns:
    names = dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row)
    if not all(isinstance(row, dict) for row in rows):
        raise InvalidInputError(
            "the rows are a list, but not of records", fix="give a frame, columns, or dictionaries"
        )
    return {
        name: column
        for key in names
        for name, column in _of_mapping(str(key), [row.get(key) for row in rows])
    }


def _flattened(name: str, column: NDArray[Any]) -> list[tuple[str, NDArray[Any]]]:
    """Return a column of records as one column a member."""
    is_of_records = column.dtype.kind == "O" and column.ndim == 1 and any(
        isinstance(item, dict) for item in column
    )  # fmt: skip
    if not is_of_records:
        return [(name, column)]
    members = dict.fromkeys(key for item in column if isinstance(item, dict) for key in item)
    return [
        pair
        for key in members
        for pair in _of_mapping(
            f"{name}.{key}", [item.get(key) if isinstance(item, dict) else None for item in column]
        )
    ]


_KINDS: Mapping[str, str] = {"FP": "fiub", "IN": "iubf", "UI": "iubf", "BO": "bif", "BY": "OUS"}


def _checked(field: Field, column: NDArray[Any]) -> NDArray[Any]:
    try:
        if field.is_single:
            return _single(field, column)
        if field.shape and not field.fields and not _is_a_value_a_row(column):
            return array_of(field, column)
        return stacked([_value(field, row, value) for row, value in enumerate(column)])
    except RowValueError as error:
        raise InvalidInputError(
            f"column {field.name!r} takes {field.kind}: {error}",
            fix="give it as the signature declares it",
        ) from None


def _is_a_value_a_row(column: NDArray[Any]) -> bool:
    return column.dtype.kind == "O" and column.ndim == 1


def _value(field: Field, row: int, value: Any) -> Any:  # noqa: ANN401 - any row's value
    if value is None:
        return None
    try:
        if field.is_binary:
            return _bytes(value)
        if isinstance(value, str | bytes):
            return value_of_text(field, value)
        return row_value(field, value)
    except RowValueError as error:
        raise RowValueError(f"row {row + 1}: {error}") from None


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    raise RowValueError(f"{type(value).__name__} instead of bytes")


def _single(field: Field, column: NDArray[Any]) -> NDArray[Any]:
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise RowValueError(f"each row has the shape {list(column.shape[1:])}, not one value")
    head, kind = field.datatype[:2], column.dtype.kind
    if kind == "O" and head != "BY":
        return _plain_numbers(column)
    if kind not in _KINDS[head]:
        raise RowValueError(f"it holds {_TYPE_NAMES.get(kind, column.dtype.name)}")
    if kind == "f" and head in ("IN", "UI", "BO"):
        known = column[np.isfinite(column)]
        if (known != np.floor(known)).any():
            raise RowValueError("it holds numbers that are not whole")
    if head == "BY" and kind == "O":
        for row, value in enumerate(column):
            if value is not None and not isinstance(value, str | bytes):
                raise RowValueError(f"row {row + 1} holds {type(value).__name__}, which is no text")
    return column


def _plain_numbers(column: NDArray[Any]) -> NDArray[np.float64]:
    """Return numbers and truth values among which there are None as numbers, None as NaN."""
    numbers = np.empty(len(column), dtype=np.float64)
    for row, value in enumerate(column):
        try:
            numbers[row] = _number(value)
        except (TypeError, ValueError, OverflowError):
            raise RowValueError(f"row {row + 1} holds what is no number") from None
    return numbers


_TYPE_NAMES = {
    "f": "what is no text", "i": "what is no text", "u": "what is no text",
    "b": "what is no text", "O": "what is no number", "U": "what is no number",
    "S": "what is no number",
}  # fmt: skip


def _array(column: pl.Series) -> NDArray[Any]:
    import polars as pl  # noqa: PLC0415 - as above

    if isinstance(column.dtype, pl.Array) and not column.null_count():
        return column.to_numpy()
    if isinstance(column.dtype, pl.Array | pl.List):
        return _column_of_lists(column)
    if column.dtype == pl.Boolean or column.dtype.is_numeric():
        return column.cast(pl.Float64).to_numpy() if column.null_count() else column.to_numpy()
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.timestamp("us").to_numpy()
    if column.dtype.is_temporal():  # days of dates, else as Polars counts them
        return column.to_physical().to_numpy()
    if column.dtype in {pl.Categorical, pl.Enum}:
        column = column.cast(pl.String)
    return np.array(column.to_list(), dtype=object)


def _column_of_lists(column: pl.Series) -> NDArray[Any]:
    """Return an array a row, or where its elements are records a list a row."""
    import polars as pl  # noqa: PLC0415 - as above

    inner = getattr(column.dtype, "inner", None)
    if isinstance(inner, pl.Struct):
        return stacked(column.to_list())
    return stacked([None if value is None else np.asarray(value) for value in column.to_list()])
