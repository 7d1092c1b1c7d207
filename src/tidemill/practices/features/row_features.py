"""The values of on-demand views: of a frame, of more rows than memory holds, of logged rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.practices.features.history import ROW, no_time, text_times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidemill.practices.features.on_demand import OnDemandView

DTYPES: Mapping[str, pl.DataType] = {
    "str": pl.String(), "int": pl.Int64(), "float": pl.Float64(), "bool": pl.Boolean(),
    "datetime": pl.Datetime("us", "UTC"), "date": pl.Date(),
}  # fmt: skip
BATCH_ROWS = 131_072
_TIMES = ("datetime", "date")


def row_features(view: OnDemandView, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the view's features of each row, one column a feature.

    Raises:
        InvalidInputError: a column is missing or of another type, or the function gives other
            columns, other rows, or rows in another order; names the view.
    """
    needed = typed_columns(view, rows)
    given: Any = view(needed.lazy().with_row_index(ROW))
    if not isinstance(given, pl.LazyFrame | pl.DataFrame):
        raise _wrong(view, f"gives {type(given).__name__}", "return the rows that it gets")
    try:
        made = given.lazy().collect()
    except pl.exceptions.PolarsError as error:
        told = str(error).partition("\n")[0].strip()
        raise _wrong(
            view, f"fails: {told}",
            f"it gets {', '.join(view.asked)}; declare what else it reads in columns=",
        ) from None  # fmt: skip
    for name in view.feature_names:
        if name not in made.columns:
            told = ", ".join(one for one in made.columns if one != ROW) or "nothing"
            raise _wrong(
                view, f"does not give {name!r}", f"make it in the view's function; it gives {told}"
            )
    if made.height != rows.height:
        raise _wrong(
            view, f"gives {made.height:,} rows for {rows.height:,}",
            "use with_columns: one row for each row, without filter, group_by or literals alone",
        )  # fmt: skip
    if ROW in made.columns and not (made[ROW] == pl.int_range(made.height, eager=True)).all():
        raise _wrong(view, "gives the rows in another order", "leave out sort, reverse and sample")
    return made.select(view.feature_names)


def row_batches(
    view: OnDemandView, asked: pl.LazyFrame, rows: int = BATCH_ROWS
) -> Iterator[pl.DataFrame]:
    """Yield the view's features of each asked row, in their order. Raises as `row_features`."""
    names = asked.collect_schema().names()
    needed = asked.select(name for name in view.asked if name in names)
    height = asked.select(pl.len()).collect().item()
    for start in range(0, max(height, 1), rows):
        yield row_features(view, needed.slice(start, rows).collect())


def typed_columns(view: OnDemandView, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that a view is computed from, each of the declared type.

    Raises:
        InvalidInputError: one is missing, or is of another type; names view and column.
    """
    columns = []
    for name, type_ in view.spec.columns:
        if name not in rows.columns:
            raise InvalidInputError(
                f"rows that ask for the on-demand view {view.name} need a column {name!r}",
                fix=f"add it; there are {', '.join(rows.columns)}",
            )
        columns.append(_typed(view, rows[name], type_))
    return pl.DataFrame(columns)


def as_logged(view: OnDemandView, rows: pl.DataFrame) -> pl.DataFrame:
    """Return logged rows with the view's times as times: a log holds them as whole numbers."""
    numbered = [
        pl.col(name).cast(DTYPES[type_])
        for name, type_ in view.spec.columns
        if type_ in _TIMES and name in rows.columns and rows.schema[name].is_integer()
    ]
    return rows.with_columns(numbered)


def _typed(view: OnDemandView, column: pl.Series, type_: str) -> pl.Series:
    if type_ in _TIMES and column.dtype == pl.String:
        column = text_times(column)
    if type_ == "datetime" and isinstance(column.dtype, pl.Datetime) and not column.dtype.time_zone:
        column = column.dt.replace_time_zone("UTC")
    is_time = isinstance(column.dtype, pl.Datetime | pl.Date) or column.dtype == pl.Null
    if (type_ in _TIMES) != is_time and column.dtype != pl.Null:
        if type_ in _TIMES:
            raise no_time(f"{column.name} of view {view.name}", column)
        raise _other_type(view, column, type_)
    try:
        return column.cast(DTYPES[type_])
    except pl.exceptions.PolarsError:
        raise _other_type(view, column, type_) from None


def _other_type(view: OnDemandView, column: pl.Series, type_: str) -> InvalidInputError:
    return InvalidInputError(
        f"column {column.name!r} of the on-demand view {view.name} is declared as {type_}, and"
        f" the rows that ask have {column.dtype}",
        fix="cast it where the rows are made, or declare another type in columns=",
    )


def _wrong(view: OnDemandView, what: str, fix: str) -> InvalidInputError:
    return InvalidInputError(f"the on-demand view {view.name} {what}", fix=fix)
