"""The row rules of a request contract, as a model server evaluates them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill.runtime.model_server_inference import ServedRule


def served_rules(contract: str) -> list[ServedRule]:
    """Return the rules of a contract in canonical JSON; empty: none."""
    if not contract:
        return []
    raise NotImplementedError
