"""Frames of any library as Polars frames, by Arrow's C interface."""

from __future__ import annotations

from typing import Any

import polars as pl


def any_frame(rows: Any) -> pl.DataFrame | None:  # noqa: ANN401 - rows of any library
    """Return a frame of Polars, pandas, PyArrow or DuckDB as a Polars frame; None: it is no frame.

    The index of a pandas frame is no column.
    """
    if isinstance(rows, pl.LazyFrame):
        return rows.collect()
    if isinstance(rows, pl.DataFrame):
        return rows
    if hasattr(rows, "iloc") and hasattr(rows, "columns"):
        return pl.from_pandas(rows)
    if hasattr(rows, "__arrow_c_stream__") and not hasattr(rows, "iloc"):
        return pl.DataFrame(rows)
    return None
