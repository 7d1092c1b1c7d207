"""Frames as sources: Polars, pandas, and whatever speaks Arrow's C stream interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.text_times import times_of_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidemill.ports.source import Unread

_PLAIN_KINDS = "iufbM"
"""NumPy kinds that Polars takes as they are: integers, floats, booleans, times without a zone."""


class FrameSource:
    """The rows of a frame, in batches."""

    def __init__(
        self,
        frame: pl.DataFrame | pl.LazyFrame,
        schema: Mapping[str, pl.DataType],
        batch_rows: int,
        unread: Unread | None = None,
    ) -> None:
        self._frame, self._schema, self._batch_rows = frame, schema, batch_rows
        self._unread = unread

    @property
    def name(self) -> str:
        """A frame has no name of its own."""
        return "a frame"

    @property
    def file(self) -> str:
        """A frame is in no file."""
        return ""

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows; a frame without rows is one batch without rows.

        Raises:
            InvalidInputError: a lazy frame fails, or a value does not fit its declared type.
        """
        is_empty, rows = True, 0
        for batch in self._slices():
            is_empty = False
            yield cast_rows(batch, self._schema, self.name, self._unread, rows)
            rows += batch.height
        if is_empty:
            yield cast(pl.DataFrame(schema=self._frame.collect_schema()), self._schema, self.name)

    def _slices(self) -> Iterator[pl.DataFrame]:
        if isinstance(self._frame, pl.DataFrame):
            yield from self._frame.iter_slices(self._batch_rows)
            return
        try:
            yield from collected(self._frame, self._batch_rows)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InvalidInputError(
                f"the lazy frame cannot be computed: {first_line(error)}",
                fix="call `.collect()` on it to see where it fails",
            ) from error


def collected(frame: pl.LazyFrame, batch_rows: int) -> Iterator[pl.DataFrame]:
    """Yield a lazy frame's rows in order, never all of them in memory."""
    found = frame.collect_batches(
        chunk_size=batch_rows, maintain_order=True, lazy=True, engine="streaming"
    )
    for batch in found:
        yield from batch.iter_slices(batch_rows)


def cast(batch: pl.DataFrame, schema: Mapping[str, pl.DataType], name: str) -> pl.DataFrame:
    """Return a batch with its declared columns in their declared types; no value is changed.

    Text is read as a CSV file's would be: ISO dates and times, numbers.

    Raises:
        InvalidInputError: a value does not fit; names the column and the value.
    """
    return _cast(batch, schema, name, None)


def cast_rows(
    batch: pl.DataFrame,
    schema: Mapping[str, pl.DataType],
    name: str,
    unread: Unread | None,
    rows_before: int,
) -> pl.DataFrame:
    """Return a batch as `cast` does; a value that does not fit is told and becomes a null."""
    if unread is None:
        return _cast(batch, schema, name, None)
    found: list[pl.DataFrame] = []
    kept = _cast(batch, schema, name, found)
    if found:
        unread(pl.concat(found).with_columns(pl.col("row") + rows_before + 1))
    return kept


UNREAD_SCHEMA = pl.Schema({"row": pl.Int64, "rule": pl.String, "text": pl.String})
"""Columns of rows that cannot be read, as `ports/source.py` says them."""


def unread_cells(column: str, given: pl.Series, bad: pl.Series) -> pl.DataFrame:
    """Return the bad cells of a column as rows of `UNREAD_SCHEMA`, numbered from 0."""
    texts = [str(value)[:_MOST_TEXT] for value in given.filter(bad)]
    rule = [f"{column}.type"] * len(texts)
    return pl.DataFrame({"row": bad.arg_true(), "rule": rule, "text": texts}, schema=UNREAD_SCHEMA)


def spelled(kind: object) -> str:
    """Return a type in the words of a contract: Int64 is a whole number (int)."""
    return _WORDS.get(kind) or _WORDS.get(_ERROR_WORDS.get(str(kind)), str(kind))


def _cast(
    batch: pl.DataFrame,
    schema: Mapping[str, pl.DataType],
    name: str,
    found: list[pl.DataFrame] | None,
) -> pl.DataFrame:
    for column, wanted in schema.items():
        if column not in batch.columns or batch.schema[column] == wanted:
            continue
        given = batch[column]
        kept = _converted(given, wanted)
        bad = given.is_not_null() & (
            pl.repeat(value=True, n=given.len(), eager=True) if kept is None else kept.is_null()
        )
        if kept is not None and _can_lose(given.dtype, wanted):
            bad = bad | (kept.cast(pl.Float64) != given.cast(pl.Float64)).fill_null(value=False)
        if kept is None or (bad.any() and found is None):
            values = given.filter(bad)
            shown = f": {values[0]!r}" if values.len() else f" (it is {spelled(given.dtype)})"
            raise InvalidInputError(
                f"{name}: column {column!r} has a value that is no {spelled(wanted)}{shown}",
                fix=f"correct the value, or declare another type for {column!r}",
            )
        if found is not None and bad.any():
            found.append(unread_cells(column, given, bad))
            kept = kept.set(bad, None)
        batch = batch.with_columns(kept)
    return batch


_MOST_TEXT = 200
_WORDS: dict[Any, str] = {
    pl.Int64: "whole number (int)", pl.Float64: "number (float)", pl.String: "text (str)",
    pl.Boolean: "truth value (bool)", pl.Date: "date", pl.Datetime("us", "UTC"): "time (datetime)",
}  # fmt: skip
_ERROR_WORDS: dict[str, Any] = {
    "i64": pl.Int64, "f64": pl.Float64, "str": pl.String, "bool": pl.Boolean, "date": pl.Date,
    "datetime[\u03bcs]": pl.Datetime("us", "UTC"),
}  # fmt: skip
"""How Polars spells types in its errors."""


def _converted(given: pl.Series, wanted: pl.DataType) -> pl.Series | None:
    """Return a series in another type, null where a value does not fit; None: it never can."""
    try:
        if given.dtype == pl.String and isinstance(wanted, pl.Datetime):
            if wanted.time_zone == "UTC":
                return times_of_texts(given).cast(wanted)
            times = given.str.to_datetime(time_unit="us", time_zone=wanted.time_zone, strict=False)
            return times.cast(wanted)
        if given.dtype == pl.String and wanted == pl.Date:
            return given.str.to_date(strict=False)
        return given.cast(wanted, strict=False)
    except pl.exceptions.PolarsError:
        return None


def _can_lose(given: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether a cast may change a value without a word: 3.9 becomes 3."""
    return given.is_float() and wanted.is_integer()


def frame_of(given: object) -> pl.DataFrame | pl.LazyFrame | None:
    """Return what was given as a Polars frame; None: it is not a frame.

    Raises:
        InvalidInputError: a frame, but it cannot be taken.
    """
    if isinstance(given, pl.DataFrame | pl.LazyFrame):
        return given
    try:
        if type(given).__module__.startswith("pandas") and hasattr(given, "columns"):
            return _from_pandas(given)
        if hasattr(given, "__arrow_c_stream__"):
            return pl.DataFrame(given)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise InvalidInputError(
            f"a frame of {type(given).__module__} cannot be taken: {first_line(error)}",
            fix="make every column one of numbers, text, booleans or times, with a name of its own",
        ) from error
    return None


def first_line(error: Exception) -> str:
    """Return what an error says first; Polars adds pages of advice for its own API."""
    return str(error).strip().split("\n", maxsplit=1)[0]


def _from_pandas(frame: Any) -> pl.DataFrame:  # noqa: ANN401 - pandas is not a dependency
    """Return a pandas frame column by column, missing values as nulls, without its index.

    Not through PyArrow, even where it is installed: types must not depend on what else is there.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        raise ValueError(f"two columns are called {_twice(names)!r}")
    columns = []
    for i, name in enumerate(names):
        series = frame.iloc[:, i]
        if getattr(series.dtype, "kind", "") in _PLAIN_KINDS and hasattr(
            series.dtype, "newbyteorder"
        ):
            columns.append(pl.Series(name, series.to_numpy(), nan_to_null=True))
        else:
            pairs = zip(series.tolist(), series.isna().tolist(), strict=True)
            columns.append(pl.Series(name, [None if gone else value for value, gone in pairs]))
    return pl.DataFrame(columns)


def _twice(names: list[str]) -> str:
    return next(name for name in names if names.count(name) > 1)
