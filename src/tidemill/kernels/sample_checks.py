"""What a metric needs of its rows, and the errors that name the window when it is not there.

InvalidInputError    TM400
├── TooFewRowsError  TM430  the window has fewer rows than the figure needs
├── OneClassError    TM431  every label is the same, so there is nothing to rank
├── NotFiniteError   TM432  NaN or infinite where a number is needed
└── MisalignedError  TM433  columns of one window have different lengths, or a wrong value
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class TooFewRowsError(InvalidInputError):
    """The window has fewer rows than the figure needs."""

    code = "TM430"


class OneClassError(InvalidInputError):
    """Every label of the window is the same."""

    code = "TM431"


class NotFiniteError(InvalidInputError):
    """A value is NaN or infinite where a number is needed."""

    code = "TM432"


class MisalignedError(InvalidInputError):
    """Columns of one window do not fit together."""

    code = "TM433"


def finite_column(
    values: ArrayLike, name: str, *, window: str, rows: int = 1
) -> NDArray[np.float64]:
    """Return `values` as float64, shape (rows,) or (rows, columns).

    Raises:
        TooFewRowsError: there are fewer than `rows` rows.
        NotFiniteError: a value is NaN or infinite; names the column and the first row.
    """
    column = np.asarray(values, dtype=np.float64)
    if len(column) < rows:
        raise TooFewRowsError(
            f"{window} has {len(column)} rows with {name}; {rows} are needed",
            fix="widen the window (--window 30d) or wait for more labels",
        )
    bad = ~np.isfinite(column)
    if bad.any():
        first = int(np.flatnonzero(bad.reshape(len(column), -1).any(axis=1))[0])
        raise NotFiniteError(
            f"{name} of {window} is NaN or infinite {int(bad.sum())} times, first in row"
            f" {first + 1}",
            fix=f"drop the rows without {name} before, or repair the step that made it",
        )
    return column


def binary_labels(labels: ArrayLike, *, window: str, rows: int = 1) -> NDArray[np.float64]:
    """Return labels as 0.0 and 1.0, shape (rows,).

    Raises:
        MisalignedError: a label is neither 0 nor 1.
    """
    column = finite_column(labels, "label", window=window, rows=rows)
    wrong = (column != 0) & (column != 1)
    if wrong.any():
        raise MisalignedError(
            f"{window} has the label {column[wrong][0]:g}; a binary task knows 0 and 1 only",
            fix='encode the label as 0 and 1, or declare the task as "multiclass" or "regression"',
        )
    return column


def both_classes(labels: NDArray[np.float64], *, window: str) -> None:
    """Check that 0 and 1 both occur.

    Raises:
        OneClassError: all labels are equal.
    """
    positives = int(labels.sum())
    if positives in {0, len(labels)}:
        raise OneClassError(
            f"all {len(labels)} labels of {window} are {labels[0]:g}; ranking needs both classes",
            fix="widen the window (--window 30d), or use a metric such as brier or log_loss",
        )


def probabilities(values: ArrayLike, *, window: str, rows: int = 1) -> NDArray[np.float64]:
    """Return values in [0, 1], shape (rows,) or (rows, classes).

    Raises:
        MisalignedError: a value lies outside [0, 1].
    """
    column = finite_column(values, "probability", window=window, rows=rows)
    if column.size and (column.min() < 0 or column.max() > 1):
        raise MisalignedError(
            f"{window} has probabilities from {column.min():g} to {column.max():g}",
            fix="return probabilities in [0, 1] (predict_proba), not scores or log-odds",
        )
    return column


def same_length(*columns: NDArray[np.generic], window: str) -> None:
    """Check that all columns have as many rows.

    Raises:
        MisalignedError: they have not.
    """
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise MisalignedError(
            f"columns of {window} have different lengths: {', '.join(map(str, lengths))}",
            fix="join labels and predictions by prediction id first, so that each row has both",
        )
