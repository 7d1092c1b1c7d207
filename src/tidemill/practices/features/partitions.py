"""Point-in-time values of more rows than memory holds: split by entity, asked part by part.

A value depends on the rows of its own entity alone, so the entities are dealt into parts by a hash
of their key, each part is answered as a whole, and the answers are put back into the order in which
they were asked. All but one part lies in temporary files.

Source: the hash-partitioned join (Kitsuregawa, Tanaka, Moto-oka, Application of Hash to Data Base
Machine and Its Architecture, New Generation Computing 1983).
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.practices.features.history import event_plan
from tidemill.practices.features.point_in_time import (
    check_asked,
    values_of,
    view_values,
    with_times,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidemill.practices.features.declare import FeatureView

IN_MEMORY_ROWS = 2_000_000
"""Rows that ask and rows of events together up to which nothing is split."""

PART_ROWS = 500_000
"""Rows of one part, of both kinds together, where the entities are about equally frequent."""

SPILL_ROWS = 250_000
"""Rows that wait in memory until they are written to their parts."""

STRETCH_ROWS = 250_000
"""Answers that are put into order at a time."""

_PART, _ASKED = "_part", "_asked"
_BATCH_ROWS = 131_072


def view_batches(
    view: FeatureView,
    source: pl.LazyFrame,
    asked: pl.LazyFrame,
    time: str,
    *,
    in_memory_rows: int = IN_MEMORY_ROWS,
    part_rows: int = PART_ROWS,
) -> Iterator[pl.DataFrame]:
    """Yield the view's features of each asked row at its own time, in the order of the rows.

    Equal to `view_values`, to the bit. Memory is for about `part_rows` rows, and the most frequent
    entity's.

    Raises:
        InvalidInputError: as `view_values`.
    """
    rows = sum(frame.select(pl.len()).collect().item() for frame in (source, asked))
    if rows <= in_memory_rows:
        yield view_values(view, source, asked.collect(), time)
        return
    check_asked(view, with_times(asked.head(1).collect(), time), time)
    parts = max(rows // part_rows, 1)
    needed = asked.select(*dict.fromkeys((*view.spec.entity, time))).with_row_index(_ASKED)
    events = event_plan(view, source)
    keys = _key_types(view, events, needed)
    with tempfile.TemporaryDirectory(prefix="tidemill-features-") as folder:
        place = Path(folder)
        _deal(events, place / "events", keys, parts)
        _deal(needed, place / "asked", keys, parts)
        none = pl.DataFrame(schema=events.collect_schema())
        for part in range(parts):
            _answer(view, place, part, time, none)
        yield from _in_order(place / "answers")


def aligned(frames: Sequence[pl.LazyFrame], rows: int = _BATCH_ROWS) -> Iterator[pl.DataFrame]:
    """Yield frames of equal height side by side, batch by batch, in order.

    Raises:
        InvalidInputError: their heights differ.
    """
    heights = [frame.select(pl.len()).collect().item() for frame in frames]
    if len(set(heights)) > 1:
        raise InvalidInputError(
            f"tables of {' and '.join(map(str, heights))} rows cannot stand side by side",
            fix="give tables that were computed for the same rows",
        )
    for start in range(0, max(heights[0], 1), rows):
        parts = [frame.slice(start, rows).collect() for frame in frames]
        yield pl.concat(parts, how="horizontal")


def _key_types(view: FeatureView, events: pl.LazyFrame, asked: pl.LazyFrame) -> pl.Schema:
    """Return the types in which the keys of both sides are equal."""
    entity = list(view.spec.entity)
    empty = [
        pl.DataFrame(schema=frame.collect_schema()).select(entity) for frame in (events, asked)
    ]
    try:
        return pl.concat(empty, how="vertical_relaxed").schema
    except pl.exceptions.PolarsError as error:
        raise InvalidInputError(
            f"the entity {', '.join(entity)} of view {view.name} has other types in the source"
            f" than where values are asked for: {error}",
            fix="cast the key columns to one type",
        ) from None


def _deal(rows: pl.LazyFrame, place: Path, keys: pl.Schema, parts: int) -> None:
    """Write rows into a folder a part, by a hash of their keys."""
    hashes = [_hashed(name, dtype) for name, dtype in keys.items()]
    mixed = pl.fold(pl.lit(0, pl.UInt64), lambda mix, one: mix * 31 + one, hashes)
    waiting: list[pl.DataFrame] = []
    height = flushes = 0
    batches = rows.with_columns((mixed % parts).alias(_PART)).collect_batches(
        chunk_size=_BATCH_ROWS, maintain_order=True, lazy=True, engine="streaming"
    )
    for batch in batches:
        waiting.append(batch)
        height += batch.height
        if height >= SPILL_ROWS:
            _spill(waiting, place, flushes)
            waiting, height, flushes = [], 0, flushes + 1
    if waiting:
        _spill(waiting, place, flushes)


def _hashed(name: str, dtype: pl.DataType) -> pl.Expr:
    as_text = isinstance(dtype, pl.Categorical | pl.Enum)
    return pl.col(name).cast(pl.String() if as_text else dtype).hash(seed=1)


def _spill(frames: list[pl.DataFrame], place: Path, number: int) -> None:
    """Write rows into the folder of their part; its files are numbered in order."""
    for (part,), rows in pl.concat(frames).group_by(_PART, maintain_order=True):
        folder = place / str(part)
        folder.mkdir(parents=True, exist_ok=True)
        rows.drop(_PART).write_ipc(folder / f"{number:06}.arrow", compression="lz4")


def _read(folder: Path) -> pl.DataFrame | None:
    files = sorted(folder.glob("*.arrow")) if folder.is_dir() else []
    if not files:
        return None
    frame = pl.concat([pl.read_ipc(file) for file in files])
    shutil.rmtree(folder)
    return frame


def _answer(view: FeatureView, place: Path, part: int, time: str, none: pl.DataFrame) -> None:
    """Answer one part, and write the answers into a folder a stretch of asked rows."""
    asked = _read(place / "asked" / str(part))
    events = _read(place / "events" / str(part))
    if asked is None:
        return
    values = values_of(view, none if events is None else events, asked, time)
    row = asked[_ASKED]
    stretch = (row // STRETCH_ROWS).alias(_PART)
    _spill([values.with_columns(row, stretch)], place / "answers", part)


def _in_order(place: Path) -> Iterator[pl.DataFrame]:
    for stretch in sorted(place.iterdir(), key=lambda folder: int(folder.name)):
        rows = _read(stretch)
        if rows is not None:
            yield rows.sort(_ASKED).drop(_ASKED)
