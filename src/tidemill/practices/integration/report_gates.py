"""Gates on an evaluation report: quality by its worse bound, slices, calibration. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.check import Finding, State
from tidemill.core.task import IN_UNITS_OF_THE_LABEL
from tidemill.kernels.intervals import normal_quantile
from tidemill.practices.monitoring.report import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.practices.integration.bounds import Bounds
    from tidemill.practices.monitoring.report import Report, ReportFigure, SliceReport

_REPORTED_Z = 1.959964
"""Half-width of a reported interval (95 %) in standard errors."""
RETRAIN = "train on more or better data, or change the bound in [gates] of tidemill.toml"


def report_findings(report: Report, bounds: Bounds) -> tuple[Finding, ...]:
    """Return a finding for each bounded metric, the slices, and the calibration.

    Where the report is weighted, each says by what.
    """
    found = (*_quality(report, bounds), *_slices(report, bounds), *_calibration(report, bounds))
    if not report.weight:
        return found
    return tuple(
        msgspec.structs.replace(one, what=f"{one.what}; weighted by {report.weight}")
        if one.measured is not None
        else one
        for one in found
    )


def _quality(report: Report, bounds: Bounds) -> Iterator[Finding]:
    kind, asked = report.task.kind, bounds.of_kind(report.task.kind)
    if bounds.metrics and not asked.keys() & bounds.metrics.keys():
        usual = ", ".join(asked)
        yield Finding(
            rule="bounds", state="warn", bound="of this kind of task",
            what=f"{', '.join(bounds.metrics)} ask nothing of a {kind} model; {usual} does instead",
            fix=f"add a bound of its own to [gates], like {usual}",
        )  # fmt: skip
    for name, bound in asked.items():
        side, _, metric = name.partition("_")
        figure = report.figure(metric)
        if figure is None or figure.value is None:
            known = ", ".join(one.name for one in report.figures)
            why = figure.why if figure else f"the report has {known or 'no figures'}"
            yield Finding(
                rule=name, state="not_run", what=f"no {metric} was measured: {why}",
                bound=_bound(side, bound), fix=f"correct {name} in [gates], or the evaluation",
            )  # fmt: skip
        else:
            yield _bounded(name, figure, side, bound)


def _bounded(name: str, figure: ReportFigure, side: str, bound: float) -> Finding:
    """A bound holds when the whole 95 % interval keeps it, not only the estimate."""
    value = figure.value or 0.0
    low, high = _interval(figure)
    worse_end = low if side == "min" else high
    has_passed = worse_end >= bound if side == "min" else worse_end <= bound
    is_close = value >= bound if side == "min" else value <= bound
    what = f"{figure.name} is {value:.4g}, with 95 % confidence {low:.4g} to {high:.4g}"
    if not has_passed and is_close:
        what += "; the estimate would do, but so few rows do not show it"
    return Finding(
        rule=name, state="pass" if has_passed else "fail", what=what, measured=value,
        interval=(low, high), bound=_bound(side, bound), rows_checked=figure.rows,
        fix="" if has_passed else RETRAIN,
    )  # fmt: skip


def _slices(report: Report, bounds: Bounds) -> Iterator[Finding]:
    """The worst slice decides; each interval is widened so that all hold at 95 % together.

    `(other)`, small levels that have nothing in common, is none.
    """
    whole = report.primary
    judged = [
        (part, part.figures[0])
        for part in report.slices
        if part.level != OTHER and part.rows >= bounds.min_slice_rows and part.figures
    ]
    told = [(part, figure) for part, figure in judged if figure.value is not None]
    if whole is None or whole.value is None or not told:
        if report.slices:
            yield _no_slice(report, bounds)
        elif bounds.asks_for_slices:
            yield Finding(
                rule="slices", state="not_run", bound=f"gap <= {bounds.max_slice_gap:g}",
                what="the report has no slices, but [gates] says max_slice_gap",
                fix='evaluate(..., slices=("COLUMN",)), or leave max_slice_gap out of [gates]',
            )  # fmt: skip
        return
    sign = -1.0 if whole.is_lower_better else 1.0
    z = normal_quantile(1.0 - 0.05 / len(told))

    unit = abs(whole.value) or 1.0 if report.task.metric in IN_UNITS_OF_THE_LABEL else 1.0

    def best_gap(pair: tuple[SliceReport, ReportFigure]) -> float:
        """The smallest gap to the whole that the slice's rows still allow."""
        figure = pair[1]
        value, (low, high) = figure.value or 0.0, _interval(figure)
        half = (high - low) / 2.0 / _REPORTED_Z * z
        return (sign * ((whole.value or 0.0) - value) - half) / unit

    part, figure = max(told, key=best_gap)
    gap = sign * (whole.value - (figure.value or 0.0)) / unit
    state: State = "warn" if gap > bounds.max_slice_gap else "pass"
    if best_gap((part, figure)) > bounds.max_slice_gap:
        state = "fail"
    yield Finding(
        rule="slices", state=state,
        what=f"{_worst(part, len(told))} has {report.task.metric} {figure.value:.4g} where all "
        f"rows have {whole.value:.4g}{_hidden(report, bounds)}",
        measured=gap, interval=_interval(figure), rows_checked=part.rows,
        bound=f"gap <= {bounds.max_slice_gap:g}"
        + (" of the whole" if report.task.metric in IN_UNITS_OF_THE_LABEL else ""),
        fix="" if state == "pass" else f"look at the rows with {part.column} = {part.level}",
    )  # fmt: skip


def _no_slice(report: Report, bounds: Bounds) -> Finding:
    columns = ", ".join(dict.fromkeys(part.column for part in report.slices))
    named = [part for part in report.slices if part.level != OTHER]
    what = f"no slice of {columns} is large enough to be judged"
    if named:
        most = max(part.rows for part in named)
        what += f": the largest has {most:,} {'row' if most == 1 else 'rows'}"
    if len(named) < len(report.slices):
        what += (
            f"; {OTHER} holds its small levels, under {report.min_slice_rows} rows, together, and "
            "is no slice of its own"
        )
    lower = "lower min_slice_rows in [gates]"
    if not named:
        lower = f"evaluate(..., min_slice_rows={bounds.min_slice_rows}) tells smaller levels apart"
        if bounds.min_slice_rows >= report.min_slice_rows:
            lower = "lower min_slice_rows in evaluate(...) and in [gates]"
    return Finding(
        rule="slices", state="warn", bound=f"{bounds.min_slice_rows} rows a slice", what=what,
        fix=f"{lower}, or evaluate on more rows",
    )  # fmt: skip


def _hidden(report: Report, bounds: Bounds) -> str:
    """Tell where the report put levels together that the gates ask for one by one."""
    is_put = any(part.level == OTHER for part in report.slices)
    if not is_put or bounds.min_slice_rows >= report.min_slice_rows:
        return ""
    return (
        f"; levels under {report.min_slice_rows} rows are in {OTHER} and not judged: "
        f"evaluate(..., min_slice_rows={bounds.min_slice_rows})"
    )


def _worst(part: SliceReport, slices: int) -> str:
    if slices == 1:
        return f"{part.column} = {part.level}, the only slice that is large enough,"
    return f"the worst of {slices} slices, {part.column} = {part.level},"


def _calibration(report: Report, bounds: Bounds) -> Iterator[Finding]:
    if not report.task.has_probabilities:
        return
    figure = report.figure("calibration_error")
    bound = f"<= {bounds.max_calibration_error:g}"
    if figure is None or figure.value is None:
        yield Finding(
            rule="calibration", state="not_run", bound=bound,
            what="the report has no calibration error", fix="evaluate on rows with labels",
        )  # fmt: skip
        return
    has_passed = figure.value <= bounds.max_calibration_error
    yield Finding(
        rule="calibration", state="pass" if has_passed else "fail", measured=figure.value,
        what=f"told and came probabilities differ by {figure.value:.4g} on average", bound=bound,
        rows_checked=figure.rows,
        fix="" if has_passed else "recalibrate, or train on rows as they come in use",
    )  # fmt: skip


def _interval(figure: ReportFigure) -> tuple[float, float]:
    value = figure.value or 0.0
    low = figure.low if figure.low is not None else value
    high = figure.high if figure.high is not None else value
    return low, high


def _bound(side: str, bound: float) -> str:
    return f"{'>=' if side == 'min' else '<='} {bound:g}"
