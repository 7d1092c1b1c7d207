"""What changed between two tables: schema, rows and cells, by exact value, never by a hash.

null equals null and NaN equals NaN, but -0.0 is not 0.0: a difference is empty exactly where the
identities (`td1`) are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.core.run import Scalar
from tidemill.core.text import WIDTH, counted, cut
from tidemill.kernels.exact_values import exact_pair
from tidemill.kernels.json_cells import json_rows
from tidemill.kernels.table_types import schema_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Rows = NDArray[np.int64]

Row = tuple[Scalar, ...]


_SHOWN, _SHOWN_CELLS = 3, 6


_CELL = 26
"""Characters of one cell of a row that are drawn."""


def _cells(row: Row) -> str:
    shown = ", ".join(cut(str(cell), _CELL) for cell in row[:_SHOWN_CELLS])
    return cut(shown + (", …" if len(row) > _SHOWN_CELLS else ""), WIDTH - 4)


class Retyped(msgspec.Struct, frozen=True, kw_only=True):
    """A column that has another type. Its cells are not compared."""

    name: str
    old: str
    new: str


class SchemaDiff(msgspec.Struct, frozen=True, kw_only=True):
    """How the columns differ. `is_reordered`: the columns of both come in another order."""

    added: tuple[tuple[str, str], ...] = ()
    removed: tuple[tuple[str, str], ...] = ()
    retyped: tuple[Retyped, ...] = ()
    is_reordered: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether names, types and order of the columns are equal."""
        return not (self.added or self.removed or self.retyped or self.is_reordered)

    def __str__(self) -> str:
        lines = [f"column added    {name}: {kind}" for name, kind in self.added]
        lines += [f"column removed  {name}: {kind}" for name, kind in self.removed]
        lines += [f"column retyped  {c.name}: {c.old} -> {c.new}" for c in self.retyped]
        lines += ["columns come in another order"] if self.is_reordered else []
        return "\n".join(lines) or "the columns are the same"


class ChangedCells(msgspec.Struct, frozen=True, kw_only=True):
    """How many cells of a column changed, among rows that are in both tables."""

    name: str
    cells: int


class ChangedCell(msgspec.Struct, frozen=True, kw_only=True):
    """One cell, before and after."""

    name: str
    old: Scalar
    new: Scalar


class ChangedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row that is in both tables with other values: its key and the cells that changed."""

    key: Row
    cells: tuple[ChangedCell, ...]


class TableDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What changed. Rows are compared over the columns that have the same name and type in both.

    With keys, `changed` counts rows in both tables with another cell, and `is_reordered` says that
    rows in both come in another order. Without, a changed row counts as removed and added, and
    `is_reordered` says that nothing changed but the order. Examples are the first in order, added
    ones with the columns of the new table, removed ones with those of the old.
    """

    schema: SchemaDiff
    keys: tuple[str, ...]
    old_rows: int
    new_rows: int
    added: int
    removed: int
    changed: int = 0
    columns: tuple[ChangedCells, ...] = ()
    is_reordered: bool = False
    added_examples: tuple[Row, ...] = ()
    removed_examples: tuple[Row, ...] = ()
    changed_examples: tuple[ChangedRow, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the tables are equal: the same identity."""
        rows = self.added or self.removed or self.changed or self.is_reordered
        return self.schema.is_empty and not rows

    def __str__(self) -> str:
        if self.is_empty:
            return "the tables are equal"
        how = f"by {', '.join(self.keys)}" if self.keys else "as whole rows, for want of a key"
        lines = [
            str(self.schema),
            f"{self.old_rows:,} -> {counted(self.new_rows, 'row')}, compared {how}:",
            f"  {self.added:,} added, {self.removed:,} removed, {self.changed:,} changed",
        ]
        lines += ["the rows come in another order"] if self.is_reordered else []
        lines += [
            f"  {column.name}: {counted(column.cells, 'cell')} changed" for column in self.columns
        ]
        lines += [f"  + {_cells(row)}" for row in self.added_examples[:_SHOWN]]
        lines += [f"  - {_cells(row)}" for row in self.removed_examples[:_SHOWN]]
        lines += [
            f"  ~ {_cells(row.key)}: "
            + ", ".join(f"{cell.name} {cell.old} -> {cell.new}" for cell in row.cells)
            for row in self.changed_examples[:_SHOWN]
        ]
        return "\n".join(lines)


def table_diff(
    old: pl.DataFrame | pl.LazyFrame,
    new: pl.DataFrame | pl.LazyFrame,
    keys: Sequence[str] = (),
    *,
    examples: int = 20,
) -> TableDiff:
    """Return what changed from one table to another; both are read into memory.

    Linear in the rows (hash joins whose matches are confirmed by value).

    Args:
        old: the table before.
        new: the table after.
        keys: columns that together name a row; none: rows are compared as a multiset.
        examples: most rows of each kind that are shown.

    Raises:
        InvalidInputError: a key column is missing, a key is there twice (names the first), or a
            column's type has no identity.
    """
    before, after = _collected(old), _collected(new)
    schema, common = _schema_diff(before, after)
    if keys:
        return _keyed(before, after, (schema, common), tuple(keys), examples)
    removed, added, is_reordered = _unkeyed_rows(before, after, common)
    return TableDiff(
        schema=schema, keys=(), old_rows=before.height, new_rows=after.height,
        added=len(added), removed=len(removed), is_reordered=is_reordered,
        added_examples=_examples(after, added, examples),
        removed_examples=_examples(before, removed, examples),
    )  # fmt: skip


def _collected(table: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    return table.collect() if isinstance(table, pl.LazyFrame) else table


def _schema_diff(old: pl.DataFrame, new: pl.DataFrame) -> tuple[SchemaDiff, list[str]]:
    before, after = dict(schema_texts(old.schema)), dict(schema_texts(new.schema))
    both = [name for name in before if name in after]
    schema = SchemaDiff(
        added=tuple((name, text) for name, text in after.items() if name not in before),
        removed=tuple((name, text) for name, text in before.items() if name not in after),
        retyped=tuple(
            Retyped(name=name, old=before[name], new=after[name])
            for name in both
            if before[name] != after[name]
        ),
        is_reordered=both != [name for name in after if name in before],
    )
    return schema, [name for name in both if before[name] == after[name]]


def _examples(frame: pl.DataFrame, rows: Rows, examples: int) -> tuple[Row, ...]:
    return json_rows(frame, rows[:examples].tolist())


def _keyed(
    old: pl.DataFrame,
    new: pl.DataFrame,
    shape: tuple[SchemaDiff, list[str]],
    keys: tuple[str, ...],
    examples: int,
) -> TableDiff:
    schema, common = shape
    for frame, which in ((old, "old"), (new, "new")):
        _check_keys(frame, which, keys)
    if all(key in common for key in keys):
        values = [name for name in common if name not in keys]
        names = [*keys, *values]
        exact = exact_pair(old, new, names)
        pairs = _matched(*exact, len(keys))
        masks = _changed_cells(*exact, pairs, range(len(keys), len(names)))
    else:  # a key of another type matches nothing
        values, masks = [], []
        pairs = np.empty((2, 0), dtype=np.int64)
    is_changed = np.logical_or.reduce(masks) if masks else np.zeros(pairs.shape[1], dtype=bool)
    changed = np.flatnonzero(is_changed)
    removed, added = _absent(pairs[0], old.height), _absent(pairs[1], new.height)
    cells = dict(zip(values, masks, strict=True))
    return TableDiff(
        schema=schema, keys=keys, old_rows=old.height, new_rows=new.height,
        added=len(added), removed=len(removed), changed=len(changed),
        columns=tuple(
            ChangedCells(name=name, cells=int(mask.sum()))
            for name, mask in cells.items()
            if mask.any()
        ),
        is_reordered=bool((np.diff(pairs[1]) < 0).any()),
        added_examples=_examples(new, added, examples),
        removed_examples=_examples(old, removed, examples),
        changed_examples=_changed_examples((old, new), pairs, keys, cells, changed[:examples]),
    )  # fmt: skip


def _check_keys(frame: pl.DataFrame, which: str, keys: tuple[str, ...]) -> None:
    for key in keys:
        if key not in frame.columns:
            raise InvalidInputError(
                f"the {which} table has no key column {key!r}",
                fix=f"its columns are {', '.join(frame.columns)}",
            )
    exact, _ = exact_pair(frame, frame, keys)
    is_repeated = exact.is_duplicated()
    if is_repeated.any():
        first = int(is_repeated.arg_max() or 0)
        values = json_rows(frame.select(keys), [first])[0]
        spelled = ", ".join(f"{k}={v!r}" for k, v in zip(keys, values, strict=True))
        raise InvalidInputError(
            f"the key {spelled} is in the {which} table more than once, first in row {first + 1}",
            fix="name more key columns, remove the duplicates, or compare without keys",
        )


def _matched(old: pl.DataFrame, new: pl.DataFrame, keys: int) -> Rows:
    """Return the rows of both with equal keys, shape (2, matches), in the order of the old."""
    on = [str(place) for place in range(keys)]
    joined = (
        old.select(on)
        .with_row_index("old")
        .join(
            new.select(on).with_row_index("new"),
            on=on,
            how="inner",
            nulls_equal=True,
            maintain_order="left",
        )
    )
    return np.stack([joined[side].to_numpy().astype(np.int64) for side in ("old", "new")])


def _changed_cells(
    old: pl.DataFrame, new: pl.DataFrame, pairs: Rows, places: range
) -> list[NDArray[np.bool_]]:
    return [
        old[str(place)].gather(pairs[0]).ne_missing(new[str(place)].gather(pairs[1])).to_numpy()
        for place in places
    ]


def _absent(present: Rows, rows: int) -> Rows:
    is_absent = np.ones(rows, dtype=bool)
    is_absent[present] = False
    return np.flatnonzero(is_absent)


def _changed_examples(
    frames: tuple[pl.DataFrame, pl.DataFrame],
    pairs: Rows,
    keys: tuple[str, ...],
    cells: dict[str, NDArray[np.bool_]],
    chosen: Rows,
) -> tuple[ChangedRow, ...]:
    names = list(cells)
    before = json_rows(frames[0].select(*keys, *names), pairs[0][chosen].tolist())
    after = json_rows(frames[1].select(*keys, *names), pairs[1][chosen].tolist())
    width = len(keys)
    return tuple(
        ChangedRow(
            key=one[:width],
            cells=tuple(
                ChangedCell(name=name, old=a, new=b)
                for name, a, b in zip(names, one[width:], two[width:], strict=True)
                if cells[name][row]
            ),
        )
        for row, one, two in zip(chosen.tolist(), before, after, strict=True)
    )


def _unkeyed_rows(
    old: pl.DataFrame, new: pl.DataFrame, common: list[str]
) -> tuple[Rows, Rows, bool]:
    """Return rows removed (numbers of the old), rows added (of the new), and `is_reordered`."""
    if not common:
        same = 0 if old.width or new.width else min(old.height, new.height)
        return np.arange(same, old.height), np.arange(same, new.height), False
    exact = exact_pair(old, new, common)
    start, end = _equal_ends(*exact)
    middles = [
        frame.with_row_index("row").slice(start, frame.height - start - end).with_columns(
            pl.lit(is_new).alias("is_new")
        )
        for is_new, frame in zip((False, True), exact, strict=True)
    ]  # fmt: skip
    groups = (
        pl.concat(middles)
        .group_by([str(place) for place in range(len(common))])
        .agg(pl.col("row"), pl.col("is_new").sum().alias("new"), pl.len().alias("all"))
        .filter(pl.col("new") * 2 != pl.col("all"))
    )
    removed, added = _surplus(groups)
    is_reordered = middles[0].height > 0 and not groups.height
    return removed, added, is_reordered


def _equal_ends(old: pl.DataFrame, new: pl.DataFrame) -> tuple[int, int]:
    """Return how many rows are equal at the start and, apart from those, at the end."""
    rows = min(old.height, new.height)
    start = _equal_run(_differs(old.head(rows), new.head(rows)))
    rows -= start
    end = _equal_run(_differs(old.tail(rows), new.tail(rows))[::-1])
    return start, end


def _differs(old: pl.DataFrame, new: pl.DataFrame) -> NDArray[np.bool_]:
    masks = [old[name].ne_missing(new[name]).to_numpy() for name in old.columns]
    differs: NDArray[np.bool_] = np.logical_or.reduce(masks)
    return differs


def _equal_run(differs: NDArray[np.bool_]) -> int:
    return int(differs.argmax()) if differs.any() else len(differs)


def _surplus(groups: pl.DataFrame) -> tuple[Rows, Rows]:
    """Return the rows that only the old side has, then those of the new, ascending.

    A group lists its rows of the old table, then those of the new; the later ones are the surplus.
    """
    new, all_ = pl.col("new").cast(pl.Int64), pl.col("all").cast(pl.Int64)
    old = all_ - new
    of_old = pl.col("row").list.slice(new, old - new)
    of_new = pl.col("row").list.slice(old * 2, new - old)
    removed, added = (
        groups.filter(is_more).select(extra).to_series().explode(empty_as_null=False)
        for is_more, extra in ((old > new, of_old), (new > old, of_new))
    )
    return (
        np.sort(removed.to_numpy().astype(np.int64)),
        np.sort(added.to_numpy().astype(np.int64)),
    )
