"""Backtest: what another version would have said where something else served, and the difference.

It decides nothing and writes nothing, so it is no look at the window; `model compare` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.core.task import LOWER_IS_BETTER
from tidemill.core.text import table
from tidemill.core.times import parse_window
from tidemill.kernels.comparison import ComparisonPlan, PairedRows, paired_comparison
from tidemill.kernels.task_metrics import label_codes
from tidemill.lineage.refs import resolve
from tidemill.practices.monitoring.judged_rows import day_codes
from tidemill.practices.monitoring.outputs import output_array, output_names
from tidemill.practices.training.compared_rows import answers_of, window_rows
from tidemill.practices.training.comparison import learned_until
from tidemill.practices.versioning.registry import load_model

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from tidemill.core.ref import Version
    from tidemill.core.task import Task
    from tidemill.core.times import Window
    from tidemill.lineage.record import Record


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
    note: str = ""
    """Whether the version may have learned from these rows: then its figure is flattered."""

    def __str__(self) -> str:
        is_less_better = self.metric in LOWER_IS_BETTER
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
    frame = window_rows(record, name, span, other.signature.row_key, at).frame
    plan = ComparisonPlan(
        metric=other.task.metric, alpha=0.05, threshold=other.task.threshold
    )  # fmt: skip
    found = paired_comparison(
        PairedRows(
            labels=label_codes(other.task, frame["label"].to_list(), window=str(span)),
            champion=answers_of(other, frame, str(version)),
            challenger=_served(other.task, frame, [f.name for f in other.signature.outputs]),
            blocks=day_codes(frame, "at"), window=str(span),
        ),
        plan,
    )  # fmt: skip
    return Backtest(
        model=str(version), window=str(span), metric=found.metric, served=found.challenger,
        other=found.champion, gain=found.gain, low=found.low, high=found.high, rows=found.rows,
        days=found.blocks, note=_in_sample(record, version, span),
    )  # fmt: skip


def _in_sample(record: Record, version: Version, window: Window) -> str:
    until = learned_until(record, version)
    if until is None or until <= window.start:
        return ""
    return f"{version} may have learned from these rows: its data go on until {until:%Y-%m-%d}"


def _served(task: Task, frame: pl.DataFrame, outputs: list[str]) -> NDArray[np.float64]:
    names = output_names(task, [name for name in outputs if name in frame.columns])
    logged = {name: frame[name].cast(pl.Float64).to_numpy() for name in names}
    return output_array(task, logged)
