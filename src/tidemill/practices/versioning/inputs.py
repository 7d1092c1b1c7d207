"""Inputs: checked rows on their way into a model, in the form that its format wants."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from tidemill.core.errors import InvalidInputError, MissingExtraError
from tidemill.core.extras import installing
from tidemill.practices.versioning.columns import checked, columns_of, matrix_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from tidemill.core.signature import Signature


class Inputs:
    """The input columns of some rows, as the signature wants them; nothing else is in them."""

    def __init__(self, signature: Signature, rows: object) -> None:
        """Take a frame or a mapping of columns.

        Raises:
            InvalidInputError: a column is missing, of another shape or length; names it.
        """
        self.signature = signature
        self.columns: Mapping[str, NDArray[Any]] = checked(signature, columns_of(rows))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values()), ()))

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """Numbers, shape (rows, inputs): categories as their place, missing values as NaN.

        Raises:
            InvalidInputError: an input is an array a row, or holds what is no number; names it.
        """
        return matrix_of(self.signature, self.columns)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A pandas frame: text and categories as text, missing values as None or NaN.

        Raises:
            InvalidInputError: an input is an array a row; names it.
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - heavy, and an extra
        except ImportError:
            raise MissingExtraError(
                "this model takes pandas frames, and pandas is not installed",
                fix=installing("pandas"),
            ) from None
        for field in self.signature.inputs:
            if not field.is_single:
                raise InvalidInputError(
                    f"input {field.name!r} is {field.kind} a row, which no frame holds",
                    fix="take `inputs.columns` in the model's predict",
                )
        return pd.DataFrame(dict(self.columns))
