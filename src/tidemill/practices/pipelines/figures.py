"""Figures from inside a step, a pipeline or a run by hand: losses, scores, anything drawn later."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, SupportsFloat

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from tidemill.core.run import RunId

active_figures: ContextVar[list[tuple[str, float, int]] | None] = ContextVar(
    "active_figures", default=None
)
"""Where figures of the step or pipeline that is running go; None: nowhere."""


class OpenRun(Protocol):
    """A run by hand that is open."""

    id: RunId

    def figure(self, name: str, value: SupportsFloat, step: int = 0) -> None:
        """Take a figure."""
        ...


open_runs: list[OpenRun] = []
"""Runs by hand that are open in this process, the innermost last."""


def figure(name: str, value: SupportsFloat, *, step: int = 0) -> None:
    """Record a figure on the run of the step, pipeline or `tm.run` block that calls this.

    Outside any run, in a unit test say, it does nothing.

    Args:
        name: such as `train_loss`.
        value: a number.
        step: the iteration that it belongs to.

    Raises:
        InvalidInputError: the value is a text or something else that is no number.
    """
    figures = active_figures.get()
    if figures is not None:
        require_number(name, value)
        figures.append((name, float(value), step))
    elif open_runs:
        open_runs[-1].figure(name, value, step)


def require_number(name: str, value: object) -> None:
    """Refuse what is no number as a figure, texts of digits too; nan and inf are numbers.

    Raises:
        InvalidInputError: names the figure.
    """
    kind = type(value)
    if kind is float or hasattr(kind, "__float__") or hasattr(kind, "__index__"):
        return
    raise InvalidInputError(
        f"figure {name!r} is {str(value)[:40]!r}, a {kind.__name__}, and no number",
        fix=f"give it a number, float(...), or keep a text as a tag: run.tag({name}=...)",
    )
