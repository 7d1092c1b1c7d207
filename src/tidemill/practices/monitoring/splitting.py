"""Split: rows to fit on and rows to judge by, such that neither tells the other's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.any_frame import any_frame
from tidemill.lineage.suggestions import closest

if TYPE_CHECKING:
    from numpy.typing import NDArray


Rows = TypeVar("Rows")
"""A frame of any library."""


def split(
    rows: Rows,
    *,
    fraction: float = 0.2,
    time: str = "",
    group: str = "",
    weight: str = "",
    seed: int = 0,
) -> tuple[Rows, Rows]:
    """Return the rows to fit on and those held out, in their order.

    With `time` the newest are held out, rows of one time together; with `group` whole entities are,
    so that none is in both; with both, the entities that are seen last. Else rows are drawn. The
    same rows and seed give the same split. A Polars or pandas frame is split into frames of its own
    kind, any other frame into Polars frames.

    Args:
        rows: all of them, a frame.
        fraction: how much to hold out, at least: of the weight, or of the rows.
        time: column of times or anything that has an order.
        group: column of an entity.
        weight: column of the weights of rows.
        seed: of the draw; where `time` is given, it plays no part.

    Raises:
        InvalidInputError: a column is missing or has gaps, or nothing would be left on one side.
    """
    if not 0.0 < fraction < 1.0:
        raise InvalidInputError(
            f"a fraction of {fraction:g} is no split", fix="hold out a share like fraction=0.2"
        )
    frame = _frame(rows)
    for name in (time, group, weight):
        if name:
            _require_whole(frame, name)
    weights = frame[weight].to_numpy().astype(np.float64) if weight else np.ones(frame.height)
    units = _units(frame, time, group)
    sizes = np.bincount(units, weights=weights)
    order = _order(frame, units, time, seed)
    held_weight = np.cumsum(sizes[order])
    held = int(np.searchsorted(held_weight, fraction * weights.sum() * (1.0 - 1e-12))) + 1
    if held >= len(order):
        raise InvalidInputError(
            f"{len(order)} {group or time or 'rows'} cannot be split at {fraction:g}",
            fix="hold out less, or give rows of more times or entities",
        )
    is_held = np.isin(units, order[:held])
    return _taken(rows, frame, ~is_held), _taken(rows, frame, is_held)


def _taken(rows: Any, frame: pl.DataFrame, wanted: NDArray[np.bool_]) -> Any:  # noqa: ANN401 - a frame
    return rows[wanted] if hasattr(rows, "iloc") else frame.filter(pl.Series(wanted))


def _frame(rows: object) -> pl.DataFrame:
    frame = any_frame(rows)
    if frame is None:
        raise InvalidInputError(
            f"a {type(rows).__name__} is no frame that can be split",
            fix="give a frame of Polars, pandas or Arrow",
        )
    return frame


def _units(rows: pl.DataFrame, time: str, group: str) -> NDArray[np.int64]:
    """Return what stays together: entities, rows of one time, or each row by itself."""
    if not group and not time:
        return np.arange(rows.height, dtype=np.int64)
    codes = rows[group or time].rank("dense").to_numpy() - 1
    return codes.astype(np.int64)


def _order(rows: pl.DataFrame, units: NDArray[np.int64], time: str, seed: int) -> NDArray[np.int64]:
    """Return units, those to hold out first."""
    count = int(units.max()) + 1 if len(units) else 0
    if not time:
        return np.random.default_rng(seed).permutation(count)
    last = np.zeros(count, dtype=np.int64)
    np.maximum.at(last, units, rows[time].rank("dense").to_numpy().astype(np.int64))
    return np.argsort(-last, kind="stable")


def _require_whole(rows: pl.DataFrame, name: str) -> None:
    if name not in rows.columns:
        near = closest(name, rows.columns)
        raise InvalidInputError(
            f"the rows have no column {name!r}; they have {', '.join(rows.columns)}",
            fix=f"did you mean {near!r}?" if near else "name a column of the rows",
        )
    gaps = rows[name].null_count()
    if gaps:
        raise InvalidInputError(
            f"{name} is missing in {gaps:,} rows, which belong to neither side",
            fix=f"leave them out: rows.drop_nulls({name!r})",
        )
