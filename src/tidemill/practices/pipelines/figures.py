"""Figures from inside a step or a pipeline: losses, scores, anything to be drawn later."""

from __future__ import annotations

from contextvars import ContextVar

active_figures: ContextVar[list[tuple[str, float, int]] | None] = ContextVar(
    "active_figures", default=None
)
"""Where figures of the step or pipeline that is running go; None: nowhere."""


def figure(name: str, value: float, *, step: int = 0) -> None:
    """Record a figure on the run of the step (or pipeline) that calls this.

    Outside any run, in a unit test say, it does nothing.

    Args:
        name: such as `train_loss`.
        value: a number.
        step: the iteration that it belongs to.
    """
    figures = active_figures.get()
    if figures is not None:
        figures.append((name, float(value), step))
