"""Report: what is known of a model on a set of rows, every figure with its interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from tidemill.core.task import LOWER_IS_BETTER, SHARES, Task
from tidemill.core.text import counted, table
from tidemill.kernels.crossed_blocks import crossed_bounds
from tidemill.lineage.artifacts import find_artifact, read_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.artifact import Artifact
    from tidemill.kernels.intervals import Estimate
    from tidemill.lineage.record import Record

OTHER = "(other)"
"""The level under which a report puts small levels of a slice together."""
MIN_SLICE_ROWS = 50
"""Levels with fewer labelled rows are small, where nobody says otherwise."""


class ReportFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `value` None: these rows do not tell it, `why` says for which reason."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    unit: str = ""
    method: str = ""
    why: str = ""
    direction: str = ""
    """Which way is better, of a metric of one's own: `higher` or `lower`."""

    @property
    def is_lower_better(self) -> bool:
        """Whether a smaller value is the better one."""
        return self.direction == "lower" or self.name in LOWER_IS_BETTER


class SliceReport(msgspec.Struct, frozen=True, kw_only=True):
    """One level of a column: the primary metric of its rows, and the mean label (base rate).

    Of classes there is no mean label.
    """

    column: str
    level: str
    rows: int
    figures: tuple[ReportFigure, ...]


class ReportBin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of neighbouring probabilities: what was told, what came, with Wilson's 95 %."""

    rows: int
    told: float
    came: float
    low: float
    high: float


class DayLoss(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day of effective time: mean loss, and mean label (or the share of each class)."""

    day: str
    rows: int
    loss: float
    labels: tuple[float, ...]


class ServedPart(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one model of the window, where several answered."""

    model: str
    rows: int
    labelled: int
    figures: tuple[ReportFigure, ...]


class OwnFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A metric or loss of one's own that a report was made with, and where it is declared."""

    what: Literal["metric", "loss"]
    name: str
    path: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one model on one set of rows: an evaluation, or a window of predictions.

    `loss` names the loss of `days`; `time` the column of the effective time, where rows had one;
    `weight` that of the weights by which everything is weighted; `group` that of the entity whose
    rows hang together. Comparisons and windows follow them. Levels of slices with fewer rows than
    `min_slice_rows` are put together.
    """

    artifact_kind: ClassVar[str] = "report"

    task: Task
    window: str
    rows: int
    labelled: int
    loss: str
    time: str = ""
    weight: str = ""
    group: str = ""
    own: tuple[OwnFunction, ...] = ()
    figures: tuple[ReportFigure, ...] = ()
    slices: tuple[SliceReport, ...] = ()
    min_slice_rows: int = MIN_SLICE_ROWS
    calibration: tuple[ReportBin, ...] = ()
    business: tuple[ReportFigure, ...] = ()
    operational: tuple[ReportFigure, ...] = ()
    days: tuple[DayLoss, ...] = ()
    parts: tuple[ServedPart, ...] = ()
    notes: tuple[str, ...] = ()

    def figure(self, name: str) -> ReportFigure | None:
        """Return a figure by its name: of the model, of the business or operational."""
        for one in (*self.figures, *self.business, *self.operational):
            if one.name == name:
                return one
        return None

    @property
    def primary(self) -> ReportFigure | None:
        """The figure that decides."""
        return self.figure(self.task.metric)

    @property
    def basis(self) -> str:
        """How rows count: by which weight, and which of them hang together."""
        together = [f"one {self.group}"] if self.group else []
        if together and self.time:
            together.insert(0, "one day")
        told = [f"weighted by {self.weight}"] if self.weight else []
        if together:
            told.append(f"intervals let rows of {' and of '.join(together)} hang together")
        return ", ".join(told)

    def __str__(self) -> str:
        head = f"{self.window}: {counted(self.rows, 'row')}, {self.labelled:,} with a label"
        blocks = [", ".join(part for part in (head, self.basis) if part)]
        blocks += [
            _drawn(title, figures)
            for title, figures in (
                ("model", self.figures),
                ("business", self.business),
                ("operation", self.operational),
            )
            if figures
        ]
        if self.slices:
            blocks.append(_slices(self.slices))
        if len(self.parts) > 1:
            rows = [
                [p.model, p.rows, p.labelled, *(_short(p.figures[:1]) or [None])]
                for p in self.parts
            ]
            blocks.append(table(["answered by", "rows", "labelled", self.task.metric], rows))
        return "\n\n".join([*blocks, *(f"note: {note}" for note in self.notes)])

    __repr__ = __str__


def figure_of(estimate: Estimate, unit: str = "") -> ReportFigure:
    """Return an estimate as a figure of a report; NaN becomes None, which JSON can spell."""
    value = _finite(estimate.value)
    why = "" if value is not None else f"these rows do not tell it ({estimate.method})"
    return ReportFigure(
        name=estimate.metric, value=value, low=_finite(estimate.low), high=_finite(estimate.high),
        rows=estimate.rows, unit=unit, method=estimate.method, why=why,
    )  # fmt: skip


def crossed_figure(figures: Sequence[ReportFigure]) -> ReportFigure:
    """Return one figure from that of one kind of blocks, or of two kinds and of their cells."""
    first = figures[0]
    if len(figures) == 1 or first.value is None:
        return first
    bounds = [(f.low, f.high) for f in figures if f.low is not None and f.high is not None]
    if len(bounds) < len(figures):  # too few blocks of one kind to know: no interval at all
        return msgspec.structs.replace(first, low=None, high=None)
    low, high = crossed_bounds(first.value, [(float(a), float(b)) for a, b in bounds])
    if first.name in SHARES:
        low, high = max(low, 0.0), min(high, 1.0)
    return msgspec.structs.replace(first, low=low, high=high, method="crossed blocks")


def read_report(record: Record, artifact: Artifact | str) -> Report:
    """Return the report that an artifact holds, made by a step or by a window.

    Raises:
        NotFoundError: the record does not know it, or its bytes are gone.
    """
    found = find_artifact(record, artifact) if isinstance(artifact, str) else artifact
    return read_value(record, found, Report)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _drawn(title: str, figures: tuple[ReportFigure, ...]) -> str:
    rows = [
        [
            f.name,
            f.why if f.value is None else _plain(f),
            "" if f.low is None or f.high is None else f"{f.low:z.4g} to {f.high:z.4g}",
            f.rows,
            f.unit,
        ]
        for f in figures
    ]
    return table([title, "value", "95 % interval", "rows", "unit"], rows)


def _plain(figure: ReportFigure) -> float | int | None:
    """Counts as whole numbers."""
    value = figure.value
    if value is not None and figure.low is None and value.is_integer():
        return int(value)
    return value


def _slices(slices: tuple[SliceReport, ...]) -> str:
    names = [figure.name for figure in slices[0].figures]
    rows = [[s.column, s.level, s.rows, *_short(s.figures)] for s in slices]
    return table(["slice", "level", "rows", *names], rows)


def _short(figures: tuple[ReportFigure, ...]) -> list[object]:
    return [f.value for f in figures]
