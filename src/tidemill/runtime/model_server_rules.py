"""The row rules of a request contract, as a model server evaluates them."""

from __future__ import annotations

from functools import partial

from tidemill.kernels.row_rules import decode_request_rules
from tidemill.kernels.row_rules_numpy import failed_numpy
from tidemill.runtime.model_server_inference import ServedRule


def served_rules(contract: str) -> list[ServedRule]:
    """Return the rules of a contract in canonical JSON; empty: none.

    Raises:
        InvalidInputError: it is not a request contract.
    """
    return [
        ServedRule(
            name=rule.name, column=rule.column, refuses=rule.is_refusing,
            failed=partial(failed_numpy, rule),
        )
        for rule in decode_request_rules(contract)
    ]  # fmt: skip
