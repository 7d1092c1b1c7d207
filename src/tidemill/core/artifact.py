"""Artifact: an immutable thing, named by a digest of what it means (PROV entity)."""

from collections.abc import Mapping

import msgspec

from tidemill.core.digest import ArtifactId, Digest
from tidemill.core.run import Scalar

INLINE_LIMIT_BYTES = 16 * 1024
"""Bytes up to this size lie in the ledger; larger ones are objects."""


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """What the record knows of an artifact. Bytes are in `inline` or behind `manifest`, never both.

    `manifest` is the object that names or is the bytes; it may be replaced by another placement of
    the same artifact (compaction, another store). `summary` holds a few facts for lists.
    """

    id: ArtifactId
    kind: str
    size_bytes: int
    manifest: Digest | None = None
    inline: bytes | None = None
    summary: Mapping[str, Scalar] = {}

    def __str__(self) -> str:
        scheme, _, digits = self.id.partition(":")
        return f"{self.kind} {scheme}:{digits[:12]}"
