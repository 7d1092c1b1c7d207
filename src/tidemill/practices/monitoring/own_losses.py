"""Losses of one's own: what a row lost, by which days are judged and models are compared.

    @tm.loss
    def cost(rows: pl.DataFrame) -> pl.Series: ...

The function gets what a metric of one's own gets, and gives one number a row; lower is better. The
task names it (`Task(loss="cost")`), or the evaluation does (`evaluate(loss=cost)`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from tidemill.practices.monitoring.own_functions import OwnFunction

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl


class Loss(OwnFunction):
    """A declared loss: `row_values` are what the rows lost."""

    noun = "loss"

    def __repr__(self) -> str:
        return f"loss {self.name} (lower is better)"


@overload
def loss(function: Callable[[pl.DataFrame], Any], /) -> Loss: ...
@overload
def loss(*, name: str = "") -> Callable[[Callable[[pl.DataFrame], Any]], Loss]: ...
def loss(
    function: Callable[[pl.DataFrame], Any] | None = None, /, *, name: str = ""
) -> Loss | Callable[[Callable[[pl.DataFrame], Any]], Loss]:
    """Declare a loss over a function of rows that gives one number a row; lower is better.

    Args:
        function: as a plain decorator.
        name: of the loss; default: the function's.
    """
    if function is not None:
        return Loss(function)
    return lambda given: Loss(given, name)
