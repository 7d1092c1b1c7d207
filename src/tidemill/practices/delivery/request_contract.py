"""The request contract of a deployment: the row rules of the data that its model was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill.core.digest import ArtifactId
    from tidemill.core.ref import Version
    from tidemill.core.signature import Signature
    from tidemill.lineage.record import Record


def request_contract(
    record: Record, model: Version, signature: Signature
) -> tuple[tuple[ArtifactId, ...], str]:
    """Return the contracts upstream of a model, and their rules that a request can be held to."""
    return (), ""
