"""The object store port: immutable bytes by digest.

Rules: bytes are hashed while they are written and published all at once, durably; writing the same
bytes twice is a no-op; many writers may write the same at the same time; a read is verified, and
what does not match its digest is never handed out (`CorruptError` names it).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from tidemill.core.digest import Digest, TreeEntry


class ObjectStore(Protocol):
    """Immutable bytes by digest."""

    def put_many(self, streams: Iterable[Iterable[bytes]]) -> list[Digest]:
        """Store and publish together; returns when all are durable. A value may be streamed.

        Raises:
            UnavailableError: no room left, or the place does not answer; nothing was published.
        """
        ...

    def put_files(self, paths: Iterable[Path]) -> list[Digest]:
        """Store whole files and publish them together; each file is moved in where it can be."""
        ...

    def get(self, digest: Digest) -> Iterator[bytes]:
        """Yield the bytes, verified: the last piece comes only if the whole was right.

        Raises:
            NotFoundError: no such object.
            CorruptError: the bytes are not what the digest says.
        """
        ...

    def path(self, digest: Digest) -> Path:
        """Return a read-only local file with the bytes, verified before this process first uses it.

        A remote place keeps a local copy for it. Raises as `get`.
        """
        ...

    def folder(self, name: str, entries: Iterable[TreeEntry]) -> Path:
        """Return a read-only local folder with these files, each verified, as `path` does.

        It is a cache: whoever asks for the same name again may get the same folder. Raises as
        `get`.
        """
        ...

    def fault(self, digest: Digest) -> str:
        """Return what is wrong with an object's bytes, "" where nothing is; changes nothing.

        Unlike `get`, which may put a damaged object aside. Raises NotFoundError.
        """
        ...

    def has(self, digests: Iterable[Digest]) -> set[Digest]:
        """Return those that are stored."""
        ...

    def all(self) -> Iterator[tuple[Digest, int]]:
        """Yield every stored digest with its size in bytes."""
        ...

    def delete(self, digests: Iterable[Digest]) -> int:
        """Delete objects, absent ones too; returns the bytes freed. Only a collection calls it."""
        ...
