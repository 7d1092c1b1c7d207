"""Functions of one's own over rows: what metrics, losses and business figures have in common.

Each gets the columns `label`, `prediction`, `decision`, the outputs, the label by its own name, and
every context and input column: the same in `evaluate` as in windows of predictions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from numpy.typing import NDArray


class OwnFunction:
    """A declared function. Calling it calls the function, so that it can be tested."""

    noun: ClassVar[str]

    def __init__(self, function: Callable[[pl.DataFrame], Any], name: str = "") -> None:
        self.function, self.name = function, name or function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__qualname__ = getattr(function, "__qualname__", self.name)

    def __call__(self, rows: pl.DataFrame) -> Any:  # noqa: ANN401 - what the function gives
        """Return what the function gives."""
        return self.function(rows)

    @property
    def told(self) -> str:
        """What it is and where it stands, for errors."""
        return f"the {self.noun} {self.name} ({self.__module__}.{self.__qualname__})"

    def answer(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """Return what the function gives as numbers.

        Raises:
            InvalidInputError: it fails, or gives something else.
        """
        try:
            return np.asarray(self(rows), dtype=np.float64)
        except Exception as error:  # it is the user's code: it may raise anything
            raise InvalidInputError(
                f"{self.told} failed: {type(error).__name__}: {error}",
                fix=f"it gets the columns {', '.join(rows.columns)}",
            ) from error

    def row_values(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """Return one number a row, shape (rows,).

        Raises:
            InvalidInputError: it fails, or does not give one finite number a row.
        """
        found = self.answer(rows)
        if found.shape != (rows.height,) or not np.isfinite(found).all():
            raise InvalidInputError(
                f"{self.told} gave values of shape {found.shape} for {rows.height} rows, or NaN",
                fix="return one finite number a row, such as a Polars Series",
            )
        return found
