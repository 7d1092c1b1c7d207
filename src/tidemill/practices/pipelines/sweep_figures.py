"""The figure that a sweep goes by: of the pipeline's run, of its model's report, or of a step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import UsageError
from tidemill.core.query import Figure, Order, Query, Where
from tidemill.core.task import LOWER_IS_BETTER, METRICS
from tidemill.lineage.artifacts import find_artifact, read_value
from tidemill.lineage.refs import resolve
from tidemill.lineage.suggestions import closest

if TYPE_CHECKING:
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record
    from tidemill.practices.pipelines.results import PipelineRun
    from tidemill.practices.pipelines.sweep_results import Direction

_OURS = ("time.", "memory.")
"""Beginnings of figures that every step has."""
_LOWER = ("loss", "error")


class ToldFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of a report, as far as a sweep reads it; the report is monitoring's."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    direction: str = ""


class ToldTask(msgspec.Struct, frozen=True, kw_only=True):
    """The task of a report: which figure decides."""

    metric: str = ""


class ToldReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report, as far as a sweep reads it."""

    task: ToldTask = ToldTask()
    figures: tuple[ToldFigure, ...] = ()
    business: tuple[ToldFigure, ...] = ()


class Told:
    """Everything that one run of a pipeline told: its own figures, its report's, its steps'."""

    def __init__(self, record: Record, result: PipelineRun) -> None:
        self._record = record
        self.report = _report(record, result)
        own = _figures(record, [result.run] if result.run else [])
        self._own = {key: value for figures in own.values() for key, value in figures.items()}
        steps = {line.run: line.name for line in result.steps if line.run is not None}
        found = _figures(record, list(steps))
        self._of_steps = [(steps[run], found[run]) for run in found]

    def metric(self) -> str:
        """Return the figure that decides the task of its report; "" where there is none."""
        return self.report.task.metric

    def find(self, name: str) -> ToldFigure | None:
        """Return a figure by its name, or by STEP.NAME; None: it was not told.

        Raises:
            UsageError: several steps told it, and nothing says which is meant.
        """
        if name in self._own:
            return ToldFigure(name=name, value=self._own[name])
        for one in (*self.report.figures, *self.report.business):
            if one.name == name:
                return one
        told = [(step, figures[name]) for step, figures in self._of_steps if name in figures]
        told += [
            (step, value)
            for step, figures in self._of_steps
            for key, value in figures.items()
            if f"{step}.{key}" == name
        ]
        if len({value for _, value in told}) > 1:
            steps = ", ".join(step for step, _ in told)
            raise UsageError(
                f"{name} was told by several steps: {steps}",
                fix=f"say which: --by {told[0][0]}.{name}, or give it a name of its own with"
                " tm.figure in the pipeline",
            )
        return ToldFigure(name=name, value=told[0][1]) if told else None

    def names(self) -> list[str]:
        """Return every figure that was told, without those of time and memory."""
        of_steps = [name for _, figures in self._of_steps for name in figures]
        of_report = [one.name for one in (*self.report.figures, *self.report.business)]
        return [
            name
            for name in dict.fromkeys([*self._own, *of_report, *of_steps])
            if not name.startswith(_OURS)
        ]


def better(by: str, told: ToldFigure | None, *, maximize: bool, minimize: bool) -> Direction:
    """Return which way a figure is better: as asked, as its report says, as metrics are known.

    Raises:
        UsageError: nobody says, or both were asked for.
    """
    if maximize and minimize:
        raise UsageError("a sweep cannot maximize and minimize", fix="leave out one of them")
    if maximize or minimize:
        return "higher" if maximize else "lower"
    if told is not None and told.direction:
        return "lower" if told.direction == "lower" else "higher"
    name = by.rpartition(".")[2]
    if name in LOWER_IS_BETTER or name.endswith(_LOWER):
        return "lower"
    if any(name in metrics for metrics in METRICS.values()):
        return "higher"
    raise UsageError(
        f"nothing says whether a higher or a lower {by} is better",
        fix="add --maximize or --minimize; what was computed is kept",
    )


def missing(by: str, names: list[str]) -> str:
    """Return why a point has no figure: it was not told; what was."""
    near = closest(by, names)
    hint = f"did you mean {near}?" if near else f"told were {', '.join(names) or 'none'}"
    return f"it told no {by}; {hint}"


def finite(value: float | None) -> float | None:
    """Return a figure that can be ranked; None: it cannot."""
    return value if value is not None and math.isfinite(value) else None


def _figures(record: Record, runs: list[RunId]) -> dict[RunId, dict[str, float]]:
    """Return the newest figure of each key, by run, in the order of the runs."""
    if not runs:
        return {}
    found: dict[RunId, dict[str, float]] = {run: {} for run in runs}
    query = Query(
        Figure,
        where=(Where("run", "in", tuple(runs)),),
        order=(Order("run"), Order("key"), Order("step"), Order("at")),
        limit=100_000,
    )
    for figure in record.ports.ledger.find(query):
        found[figure.run][figure.key] = figure.value
    return found


def _report(record: Record, result: PipelineRun) -> ToldReport:
    """Return the report of the last model that a run registered; an empty one: there is none."""
    for pointer in reversed(result.versions):
        identity = resolve(record, pointer).summary.get("report")
        if identity:
            return read_value(record, find_artifact(record, str(identity)), ToldReport)
    return ToldReport()
