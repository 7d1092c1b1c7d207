"""Which views were joined onto rows, from which versions: kept with what was made of the rows."""

from __future__ import annotations

import msgspec

from tidemill.core.digest import ArtifactId


class JoinedView(msgspec.Struct, frozen=True, kw_only=True):
    """One view. `source` is the version that it was evaluated on, "" of an on-demand view."""

    name: str
    digest: str
    """The identity of the view's definition, its function's code included."""
    features: tuple[str, ...]
    """What was taken of it."""
    source: str = ""
    source_artifact: ArtifactId | None = None

    def __str__(self) -> str:
        return f"{self.name} of {self.source}" if self.source else self.name

    __repr__ = __str__
