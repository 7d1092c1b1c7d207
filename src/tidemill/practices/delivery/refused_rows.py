"""Which rows of a batch are not given to the model, and why, in words that are kept with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tidemill.kernels.row_rules_numpy import failed_numpy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.signature import Signature
    from tidemill.kernels.row_rules import RowRule
    from tidemill.wire.prediction_block import LoggedColumn

MAX_RULES = 64


class Judged(msgspec.Struct, frozen=True):
    """What is known of rows before the model is asked, one entry a row.

    `bits` tell the rules of the contract that are broken; `because` is a text where the row is
    refused, and None where the model is to answer.
    """

    bits: NDArray[np.uint64]
    because: NDArray[Any]

    @property
    def is_refused(self) -> NDArray[np.bool_]:
        """Which rows are refused, shape (rows,)."""
        return np.array([one is not None for one in self.because], dtype=np.bool_)


def judged_inputs(
    rules: Sequence[RowRule], signature: Signature, columns: Sequence[LoggedColumn], rows: int
) -> Judged:
    """Hold rows to the contract's rules, and to what the signature needs.

    Args:
        rules: of the contract.
        signature: of the model; an input that is not optional must be there.
        columns: the rows as they are logged.
        rows: how many there are.
    """
    bits, because = np.zeros(rows, dtype=np.uint64), np.full(rows, None, dtype=object)
    singles = [column for column in columns if column.values.ndim == 1]
    values = {column.name: column.values for column in singles}
    valid = {
        column.name: np.ones(rows, dtype=np.bool_) if column.valid is None else column.valid
        for column in singles
    }
    needed = {field.name for field in signature.inputs if not field.is_optional}
    for column in columns:
        if column.role == "input" and column.name in needed and column.valid is not None:
            because[~column.valid] = f"input {column.name!r} is missing"
    for number, rule in enumerate(rules):
        failed = failed_numpy(rule, values, valid)
        if number < MAX_RULES:
            bits |= failed.astype(np.uint64) << np.uint64(number)
        if rule.is_refusing:
            told = f"it breaks the rule {rule.name}"
            because[failed] = [before or told for before in because[failed]]
    return Judged(bits, because)
