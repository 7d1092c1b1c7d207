"""Identity: `SCHEME:HEX`, a digest of what a thing means, never of where or when it is.

Schemes: `b3` for bytes (BLAKE3, O'Connor et al. 2020), `td1` for tables (logical), `tree1` for
directories. Git ids stand beside them and are never used as one of these.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NewType

import msgspec
from blake3 import blake3

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import InvalidInputError

Digest = NewType("Digest", str)
"""The digest of an object's bytes, `b3:` and 64 hex digits."""

ArtifactId = NewType("ArtifactId", str)
"""The identity of an artifact, `b3:`, `td1:` or `tree1:` and 64 hex digits."""

SCHEMES = ("b3", "td1", "tree1")
_PATTERN = re.compile(rf"(?:{'|'.join(SCHEMES)}):[0-9a-f]{{64}}")


def digest_of(data: bytes | bytearray | memoryview) -> Digest:
    """Return the digest of bytes.

    >>> digest_of(b"tide")[:11]
    'b3:a6fbdd21'
    """
    return Digest(f"b3:{blake3(data).hexdigest()}")


def digest_of_value(value: object) -> Digest:
    """Return the digest of a value's canonical JSON."""
    return digest_of(canonical_json(value))


def artifact_id(text: str) -> ArtifactId:
    """Return `text` as an artifact's id.

    Raises:
        InvalidInputError: it is not `SCHEME:` and 64 lower-case hex digits.
    """
    if not _PATTERN.fullmatch(text):
        raise InvalidInputError(
            f"{text!r} is not an artifact id",
            fix="use b3:, td1: or tree1: and 64 hex digits, as `tidemill show REF --json` prints",
        )
    return ArtifactId(text)


class TreeEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a directory: its place, its bytes, whether it may be executed."""

    path: str
    digest: Digest
    size_bytes: int
    is_executable: bool = False


def tree_id(entries: Iterable[TreeEntry]) -> ArtifactId:
    """Return the identity of a directory: its files by path, without times, owners or place."""
    rows: Sequence[tuple[str, str, int, bool]] = sorted(
        (entry.path, str(entry.digest), entry.size_bytes, entry.is_executable) for entry in entries
    )
    return ArtifactId(f"tree1:{blake3(canonical_json(rows)).hexdigest()}")
