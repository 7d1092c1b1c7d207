"""Contest: challenger against champion on the same rows, with the error that it promises. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidemill.core.check import Finding, State
from tidemill.core.errors import InvalidInputError
from tidemill.kernels.comparison import (
    COMPARABLE_METRICS,
    ComparisonPlan,
    PairedComparison,
    PairedRows,
    paired_comparison,
    rows_needed,
)
from tidemill.kernels.crossed_blocks import blockings
from tidemill.kernels.task_metrics import task_loss, task_row_losses
from tidemill.practices.monitoring.judged_rows import answered_frame
from tidemill.practices.monitoring.judging import Judging
from tidemill.practices.training.own_comparison import own_comparison

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidemill.core.task import Task

ALPHA = 0.05
"""How often, at most, an equal challenger is called better on rows looked at once."""
MIN_SLICE_ROWS = 200
MOST_LEVELS = 30
EQUAL_SCORES = 1e-9


class ContestRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a window with both models' answers.

    `labels` as codes (rows,), outputs (rows,) or (rows, classes), `days` what moves together,
    `groups` what does besides, `weights` for how much each counts, `slices` levels as text by
    column, `logged` what the champion answered when it was asked, of the outputs' shape, NaN where
    another model did; None: nothing was served. `frame` is what functions of one's own get beside
    the answers, `judging` which these are; `basis` says how rows count.
    """

    labels: NDArray[np.float64]
    champion: NDArray[np.float64]
    challenger: NDArray[np.float64]
    days: NDArray[np.int64]
    logged: NDArray[np.float64] | None = None
    groups: NDArray[np.int64] | None = None
    weights: NDArray[np.float64] | None = None
    frame: pl.DataFrame | None = None
    judging: Judging = Judging()
    basis: str = ""
    slices: Mapping[str, NDArray[np.str_]] = {}
    window: str = "this window"


class Contest(msgspec.Struct, frozen=True, kw_only=True):
    """What the contest found: the paired comparison and every finding of the verdict."""

    comparison: PairedComparison
    findings: tuple[Finding, ...]


def spent_alpha(look: int, alpha: float = ALPHA) -> float:
    """Return the alpha of the n-th look (from 1) at one window: halved each time.

    All looks together stay below 2 x alpha, however many there are.

    >>> [spent_alpha(look) for look in (1, 2, 3)]
    [0.05, 0.025, 0.0125]
    """
    return alpha / 2.0 ** (look - 1)


def hold_contest(task: Task, rows: ContestRows, *, look: int = 1) -> Contest:
    """Return whether the challenger is better on these rows, at the alpha of this look.

    The task's metric decides: one of one's own is drawn itself; else a loss of one's own, where
    there is one; else our metric, where rows can be paired on it; else the loss of the task. Slices
    must not be worse beyond doubt (alpha shared among them).

    Raises:
        TooFewRowsError, OneClassError, NotFiniteError: the rows do not tell.
        InvalidInputError: a function of one's own fails.
    """
    plan = plan_of(task, spent_alpha(look))
    found = compared_rows(task, rows, plan)
    findings = (
        _decides(found, look, rows.basis),
        *_stands_in(task, found),
        *_logged(rows),
        *_slices(task, rows, plan),
    )
    return Contest(comparison=found, findings=findings)


def _stands_in(task: Task, found: PairedComparison) -> Iterator[Finding]:
    """Say so where the metric that the task names could not decide."""
    if found.metric == task.metric or task.metric in COMPARABLE_METRICS:
        return
    yield Finding(
        rule="metric", state="warn", bound=task.metric,
        what=f"nothing here tells {task.metric}, so {found.metric} decides",
        fix=f"declare {task.metric} with @tm.metric, and evaluate(metrics={task.metric})",
    )  # fmt: skip


def plan_of(task: Task, alpha: float) -> ComparisonPlan:
    """Return what is fixed before the rows are seen."""
    metric = task.metric if task.metric in COMPARABLE_METRICS else "mean_loss"
    return ComparisonPlan(metric=metric, alpha=alpha, threshold=task.threshold)


def compared_rows(task: Task, rows: ContestRows, plan: ComparisonPlan) -> PairedComparison:
    """Return the paired comparison of both models' answers. Raises as `hold_contest`."""
    champion, challenger, judging = rows.champion, rows.challenger, rows.judging
    own = next((one for one in judging.metrics if one.name == task.metric), None)
    if own is not None:
        answers = _answered(task, rows, champion), _answered(task, rows, challenger)
        return own_comparison(own, answers, blockings(rows.days, rows.groups), plan)
    loss = judging.loss
    if loss is not None:
        plan = msgspec.structs.replace(plan, metric="mean_loss")
        champion, challenger = (
            loss.row_values(_answered(task, rows, outputs)) for outputs in (champion, challenger)
        )
    elif plan.metric == "mean_loss" or task.loss:
        plan = msgspec.structs.replace(plan, metric="mean_loss")
        champion = task_row_losses(task, rows.labels, champion, window=rows.window)
        challenger = task_row_losses(task, rows.labels, challenger, window=rows.window)
    paired = PairedRows(
        labels=rows.labels, champion=champion, challenger=challenger, blocks=rows.days,
        groups=rows.groups, weights=rows.weights, window=rows.window,
    )  # fmt: skip
    found = paired_comparison(paired, plan)
    if plan.metric == "mean_loss":
        return msgspec.structs.replace(found, metric=loss.name if loss else task_loss(task))
    return found


def _answered(task: Task, rows: ContestRows, outputs: NDArray[np.float64]) -> pl.DataFrame:
    frame = pl.DataFrame() if rows.frame is None else rows.frame
    return answered_frame(task, frame, rows.labels, outputs, rows.weights)


def _decides(found: PairedComparison, look: int, basis: str) -> Finding:
    states: Mapping[str, State] = {"better": "pass", "too_few_blocks": "not_run"}
    told = f"{found.metric} {found.challenger:z.4g} against {found.champion:z.4g}: {found.why}"
    if basis:
        told += f"; {basis}"
    if look > 1:
        told += f"; look {look} at this window, so alpha is {found.alpha:.3g}"
    fix = ""
    if found.state == "undecided" and found.gain > 0.0:
        needed = rows_needed(found, found.gain)
        fix = f"a gain of {found.gain:.3g} needs about {needed:,} rows: compare on a longer window"
    elif found.state != "better":
        fix = "keep the champion"
    return Finding(
        rule="better", state=states.get(found.state, "fail"), what=told, measured=found.gain,
        interval=(found.low, found.high) if math.isfinite(found.low) else None,
        bound=f"gain > 0 with {1.0 - found.alpha:.4g} confidence", rows_checked=found.rows, fix=fix,
    )  # fmt: skip


def _logged(rows: ContestRows) -> Iterator[Finding]:
    """The champion, asked again, must answer as it did: else features or files have changed."""
    if rows.logged is None:
        return
    logged = rows.logged.reshape(len(rows.labels), -1)
    own = np.isfinite(logged).all(axis=1)
    if not own.any():
        yield Finding(
            rule="logged", state="warn", rows_checked=0,
            what="none of these rows was answered by the champion: its scores are computed again",
        )  # fmt: skip
        return
    champion = rows.champion.reshape(logged.shape)
    apart = np.abs(champion[own] - logged[own]).max(axis=1)
    wrong = int((apart > EQUAL_SCORES).sum())
    yield Finding(
        rule="logged", state="pass" if wrong == 0 else "fail", measured=float(apart.max()),
        what=f"the champion answers {int(own.sum()):,} rows as it did when it served"
        if wrong == 0
        else f"the champion answers {wrong:,} of {int(own.sum()):,} rows otherwise than it did",
        rows_checked=int(own.sum()), rows_failed=wrong, bound=f"<= {EQUAL_SCORES:g}",
        fix="" if wrong == 0 else "tidemill why prediction:ID of one of them",
    )  # fmt: skip


def _slices(task: Task, rows: ContestRows, plan: ComparisonPlan) -> Iterator[Finding]:
    """No slice may be worse beyond doubt; alpha is shared, so all guards together keep it."""
    parts = [
        (column, level, mask)
        for column, levels in rows.slices.items()
        for level, mask in _levels(levels)
    ]
    if not parts:
        if rows.slices:
            yield _no_slice(rows)
        return
    shared = msgspec.structs.replace(plan, alpha=ALPHA / len(parts))
    worse: list[str] = []
    judged = 0
    for column, level, mask in parts:
        try:
            found = compared_rows(task, _part(rows, mask), shared)
        except InvalidInputError:  # one class only, too few rows: this slice does not tell
            continue
        judged += found.state != "too_few_blocks"
        if found.state == "worse":
            worse.append(f"{column} = {level} loses {-found.gain:.3g} {found.metric}")
    yield Finding(
        rule="slices", state="fail" if worse else "pass", rows_checked=judged,
        rows_failed=len(worse), bound="none worse beyond doubt",
        what="; ".join(worse) or _none_worse(judged, len(parts)),
        fix="look at these slices before promoting" if worse else "",
    )  # fmt: skip


def _none_worse(judged: int, slices: int) -> str:
    if judged == 0:
        named = "the one slice has" if slices == 1 else f"none of {slices} slices has"
        negated = " not" if slices == 1 else ""
        return f"{named}{negated} the days and labels to be judged"
    if judged == 1:
        return "the one slice that can be judged is not worse beyond doubt"
    return f"none of {judged} slices is worse beyond doubt"


def _no_slice(rows: ContestRows) -> Finding:
    return Finding(
        rule="slices", state="warn", rows_checked=0, bound=f"{MIN_SLICE_ROWS} rows a slice",
        what=f"no slice of {', '.join(rows.slices)} is large enough to be judged",
        fix="compare on a longer window",
    )  # fmt: skip


def _levels(column: NDArray[np.str_]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    levels, counts = np.unique(column, return_counts=True)
    order: Sequence[int] = np.argsort(-counts, kind="stable")[:MOST_LEVELS].tolist()
    for place in order:
        if counts[place] >= MIN_SLICE_ROWS:
            yield str(levels[place]), column == levels[place]


def _part(rows: ContestRows, mask: NDArray[np.bool_]) -> ContestRows:
    picked = {
        name: None if column is None else column[mask]
        for name, column in (
            ("logged", rows.logged), ("groups", rows.groups), ("weights", rows.weights),
        )
    }  # fmt: skip
    return msgspec.structs.replace(
        rows, labels=rows.labels[mask], champion=rows.champion[mask], days=rows.days[mask],
        challenger=rows.challenger[mask], slices={},
        frame=None if rows.frame is None else rows.frame.filter(pl.Series(mask)), **picked,
    )  # fmt: skip
