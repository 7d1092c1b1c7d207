"""Which views were joined onto rows, from which versions: kept with what was made of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import ArtifactId

if TYPE_CHECKING:
    from collections.abc import Sequence


class JoinedView(msgspec.Struct, frozen=True, kw_only=True):
    """One view. `source` is the version that it was evaluated on, "" of an on-demand view."""

    name: str
    digest: str
    """The identity of the view's definition, its function's code included."""
    features: tuple[str, ...]
    """What was taken of it."""
    source: str = ""
    source_artifact: ArtifactId | None = None


def joined_text(views: Sequence[JoinedView]) -> str:
    """Return which views of which versions, those of one version together."""
    of: dict[str, list[str]] = {}
    for view in views:
        of.setdefault(view.source, []).append(view.name)
    return "; ".join(
        f"{', '.join(names)} of {source}" if source else ", ".join(names)
        for source, names in of.items()
    )
