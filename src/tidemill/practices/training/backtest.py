"""Backtest: what another version would have said where something else served, and the difference.

It decides nothing and writes nothing, so it is no look at the window; `model compare` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.core.task import LOSSES, LOWER_IS_BETTER
from tidemill.core.text import table
from tidemill.core.times import parse_window
from tidemill.lineage.refs import resolve
from tidemill.practices.monitoring.judged_rows import day_codes
from tidemill.practices.monitoring.outputs import output_array, output_names
from tidemill.practices.training.compared_rows import answered_rows, contested, window_rows
from tidemill.practices.training.comparison import learned_until
from tidemill.practices.training.contest import compared_rows, plan_of
from tidemill.practices.versioning.registry import load_model

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from tidemill.core.ref import Version
    from tidemill.core.task import Task
    from tidemill.core.times import Window
    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.judging import Judging


_LOSSES = frozenset[str]().union(*LOSSES.values())


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """What served and another version, on the same rows.

    `gain` is positive where what served was better: served minus other, or other minus served where
    a smaller figure is the better one. (`low`, `high`) is its 95 % interval from whole days.
    """

    model: str
    window: str
    metric: str
    served: float
    other: float
    gain: float
    low: float
    high: float
    rows: int
    days: int
    is_lower_better: bool = False
    note: str = ""
    """How rows count, where not alike, and whether the version may have learned from these rows:
    then its figure is flattered."""

    def __str__(self) -> str:
        is_less_better = self.is_lower_better or self.metric in LOWER_IS_BETTER
        minus = "other minus served" if is_less_better else "served minus other"
        drawn = table(
            ["window", "what served", f"other: {self.model}", minus, "95 % interval"],
            [[self.window, f"{self.served:.4f}", f"{self.other:.4f}", f"{self.gain:+z.4f}",
              f"{self.low:+z.4f} to {self.high:+z.4f}"]],
        )  # fmt: skip
        told = (
            f"{drawn}\n{self.metric} on {self.rows:,} labelled rows of {self.days} days; "
            "above 0 what served was better"
        )
        return f"{told}\nnote: {self.note}" if self.note else told

    __repr__ = __str__


def backtest(record: Record, model: str, *, window: str, deployment: str, at: datetime) -> Backtest:
    """Return how a version would have done on the labelled rows of a window.

    Raises:
        NotFoundError: nothing is sealed in the window, or no row has a label by then.
        InvalidInputError: the version needs an input that was not logged.
    """
    version = resolve(record, model, kind="model")
    other = load_model(record, str(version.ref) + f"@{version.number}")
    span = parse_window(window)
    name = deployment or version.ref.name
    frame = window_rows(record, name, span, other, at).frame
    pair = contested(record, version, version)
    rows = answered_rows(pair, frame, window=str(span), days=day_codes(frame, "at"))
    outputs = [field.name for field in other.signature.outputs]
    rows = msgspec.structs.replace(rows, challenger=_served(other.task, frame, outputs))
    found = compared_rows(other.task, rows, plan_of(other.task, 0.05))
    return Backtest(
        model=str(version), window=str(span), metric=found.metric, served=found.challenger,
        other=found.champion, gain=found.gain, low=found.low, high=found.high, rows=found.rows,
        days=found.blocks, is_lower_better=_is_lower_better(found.metric, pair.judging),
        note="; ".join(part for part in (rows.basis, _in_sample(record, version, span)) if part),
    )  # fmt: skip


def _is_lower_better(metric: str, judging: Judging) -> bool:
    own = next((one for one in judging.metrics if one.name == metric), None)
    if own is not None:
        return not own.higher_is_better
    is_loss = judging.loss is not None and judging.loss.name == metric
    return is_loss or metric in _LOSSES


def _in_sample(record: Record, version: Version, window: Window) -> str:
    until = learned_until(record, version)
    if until is None or until <= window.start:
        return ""
    return f"{version} may have learned from these rows: its data go on until {until:%Y-%m-%d}"


def _served(task: Task, frame: pl.DataFrame, outputs: list[str]) -> NDArray[np.float64]:
    names = output_names(task, [name for name in outputs if name in frame.columns])
    logged = {name: frame[name].cast(pl.Float64).to_numpy() for name in names}
    return output_array(task, logged)
