"""Losses of one's own: what a row lost, by which days are judged and models are compared.

    @tm.loss
    def cost(rows: pl.DataFrame) -> pl.Series: ...

The function gets what a metric of one's own gets, and gives one number a row; lower is better. The
task names it (`Task(loss="cost")`), or the evaluation does (`evaluate(loss=cost)`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from numpy.typing import NDArray


class Loss:
    """A declared loss. Calling it calls the function, so that it can be tested."""

    def __init__(self, function: Callable[[pl.DataFrame], Any], *, name: str = "") -> None:
        self.function, self.name = function, name or function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__qualname__ = getattr(function, "__qualname__", self.name)

    def __call__(self, rows: pl.DataFrame) -> Any:  # noqa: ANN401 - what the function gives
        """Return what the function gives."""
        return self.function(rows)

    def __repr__(self) -> str:
        return f"loss {self.name} (lower is better)"

    def values(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """Return the loss of each row, shape (rows,).

        Raises:
            InvalidInputError: the function fails, or does not give one finite number a row.
        """
        try:
            found = np.asarray(self(rows), dtype=np.float64)
        except Exception as error:  # it is the user's code: it may raise anything
            raise InvalidInputError(
                f"the loss {self.name} failed: {type(error).__name__}: {error}",
                fix=f"it gets the columns {', '.join(rows.columns)}",
            ) from error
        if found.shape != (rows.height,) or not np.isfinite(found).all():
            raise InvalidInputError(
                f"the loss {self.name} gave values of shape {found.shape} for {rows.height} rows, "
                "or NaN",
                fix="return one finite number a row, such as a Polars Series",
            )
        return found


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
    return lambda given: Loss(given, name=name)
