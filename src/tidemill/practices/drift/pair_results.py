"""What a comparison of two windows says: a verdict with its promise, and every column."""

from __future__ import annotations

import msgspec

from tidemill.core.check import State
from tidemill.core.text import counted, table
from tidemill.kernels.effect_sizes import EffectSize


class ColumnDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One column of two windows. `p_value` is adjusted for all columns together.

    `sizes` say how far apart the windows are; the sizes' intervals take rows as independent.
    """

    column: str
    state: State
    p_value: float
    what: str
    sizes: tuple[EffectSize, ...] = ()


class WindowPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two windows compared: at most `alpha` of all pairs without a change fail.

    `blocks` is what was dealt anew: rows, days, or groups.
    """

    old: str
    new: str
    state: State
    rows: tuple[int, int]
    blocks: str
    block_counts: tuple[int, int]
    alpha: float
    columns: tuple[ColumnDrift, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_drift(self) -> bool:
        """Whether any column has changed, by the promise."""
        return self.state == "fail"

    @property
    def drifted(self) -> tuple[str, ...]:
        """The columns that have changed, the largest change first."""
        return tuple(one.column for one in self.columns if one.state == "fail")

    @property
    def promise(self) -> str:
        """The promise and what it takes for granted, in words."""
        taken = {
            "rows": "each row is independent of the others (give --time or --group if it is not)",
            "days": "days are independent of each other, rows of one day need not be",
        }.get(self.blocks, f"values of {self.blocks} are independent of each other, rows of one "
              "need not be")  # fmt: skip
        return (
            f"where nothing has changed, any column is told in at most {self.alpha:.3g} of such "
            f"comparisons; {taken}"
        )

    def __str__(self) -> str:
        told = {"fail": "drift", "pass": "no drift", "not_run": "not compared"}
        head = f"{self.old} ({self.rows[0]:,} rows) and {self.new} ({self.rows[1]:,} rows): "
        head += told.get(self.state, self.state)
        if self.state in {"fail", "pass"}:
            head += f" in {len(self.drifted)} of {counted(len(self.columns), 'column')}"
        rows = [
            [c.column, "drift" if c.state == "fail" else "", c.p_value, _size(c), c.what]
            for c in self.columns
        ]
        names = ["column", "", "p, all columns", "stability index", "what"]
        notes = [f"note: {note}" for note in self.notes]
        lines = [head, *([table(names, rows)] if rows else []), f"promise: {self.promise}", *notes]
        return "\n".join(lines)

    __repr__ = __str__


def _size(column: ColumnDrift) -> str:
    """Return the stability index with its interval as a cell; `sizes` has the distance too."""
    if not column.sizes:
        return ""
    size = column.sizes[0]
    return f"{size.value:.3f} ({size.low:.3f} to {size.high:.3f})"
