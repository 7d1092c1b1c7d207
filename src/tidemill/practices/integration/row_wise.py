"""On-demand views whose values depend on the other rows that ask: caught by asking otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidemill.core.check import Finding
from tidemill.practices.features.row_features import row_features, typed_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from tidemill.practices.features.on_demand import OnDemandView

MOST_ROWS = 2_000
"""Rows that ask together."""
ALONE = 30
"""Rows of them that then ask alone."""


def row_wise_finding(view: OnDemandView, rows: pl.DataFrame) -> Finding:
    """Return whether a view's values change with the rows that are asked beside a row.

    The same rows ask together, in another order, and some of them alone. Of a view that can tell
    these apart, view, feature and row are named: served one by one it would give other values.

    Raises:
        InvalidInputError: as `row_features`.
    """
    rule = f"leak:{view.name}"
    asked = typed_columns(view, rows)
    asked = asked.gather_every(1 + asked.height // MOST_ROWS)
    whole = row_features(view, asked)
    for places, how in _ways(asked.height):
        found, beside = row_features(view, asked[places]), whole[places]
        for name in whole.columns:
            differs = beside[name].ne_missing(found[name]).arg_true()
            if differs.len():
                row = int(differs[0])
                values = beside[name][row], found[name][row]
                return _caught(view, asked[places[row]], (name, *values), how)
    return Finding(
        rule=rule, state="pass", rows_checked=asked.height, rows_failed=0,
        what=f"{view.name} is the same of rows together, in another order and alone",
    )  # fmt: skip


def _caught(
    view: OnDemandView, asked: pl.DataFrame, found: tuple[str, object, object], how: str
) -> Finding:
    name, beside, otherwise = found
    who = ", ".join(f"{key} = {asked[key][0]}" for key in view.asked)
    return Finding(
        rule=f"leak:{view.name}", state="fail",
        what=f"{view.name} depends on the other rows that ask: {name} of {who} is {beside} "
        f"among others, but {otherwise} {how}",
        fix=f"compute {name} of view {view.name} from the columns of its own row alone",
    )  # fmt: skip


def _ways(rows: int) -> Iterator[tuple[list[int], str]]:
    """Yield which rows ask, and how that is said: all in another order, then single ones."""
    order = np.random.default_rng(0).permutation(rows).tolist()
    yield order, "in another order"
    for row in order[:ALONE]:
        yield [row], "alone"
