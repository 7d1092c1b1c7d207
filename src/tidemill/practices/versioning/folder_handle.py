"""Folder: what a step gets for a folder of files, and what it returns as one."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tidemill.core.errors import NotFoundError
from tidemill.lineage.suggestions import closest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidemill.core.digest import TreeEntry
    from tidemill.ports.object_store import ObjectStore


class Folder:
    """A folder of files to read. Return `Folder(path)` from a step to have its files stored.

        @tm.step
        def heaviest(pictures: tm.Folder) -> int:
            return max(file.stat().st_size for file in pictures.files("*.png"))

    Names are known at once; the files are there, and verified, when `path`, `files` or `open` is
    first used. Nothing may be written into it.
    """

    def __init__(self, path: str | Path) -> None:
        self._path: Path | None = Path(path)
        self._entries: Sequence[TreeEntry] | None = None
        self._objects: ObjectStore | None = None
        self._identity = ""

    @classmethod
    def stored(cls, objects: ObjectStore, identity: str, entries: Sequence[TreeEntry]) -> Folder:
        """Return a stored folder; nothing is read yet."""
        folder = cls("")
        folder._path = None
        folder._objects, folder._identity, folder._entries = objects, identity, entries
        return folder

    @property
    def path(self) -> Path:
        """The folder itself, to be read only: all its files are there and verified."""
        if self._path is None:
            if self._objects is None or self._entries is None:
                raise AssertionError
            name = self._identity.replace(":", "-")
            self._path = self._objects.folder(name, self._entries)
        return self._path

    @property
    def names(self) -> tuple[str, ...]:
        """The paths of its files inside it, in order; of a stored folder no file is read."""
        if self._entries is not None:
            return tuple(entry.path for entry in self._entries)
        root = self.path
        found = (file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())
        return tuple(sorted(found))

    def files(self, pattern: str = "*") -> tuple[Path, ...]:
        """Return its files, in order, those whose path inside it fits a pattern.

        Args:
            pattern: such as `*.png` or `cats/*`; `*` stands for any text, `/` too.
        """
        root = self.path
        return tuple(root / name for name in self.names if fnmatchcase(name, pattern))

    def open(self, name: str) -> IO[bytes]:
        """Return one file to be read, verified; others are not touched.

        Raises:
            NotFoundError: no file is called so; names the closest.
        """
        if self._path is not None or self._entries is None or self._objects is None:
            return (self.path / name).open("rb")
        for entry in self._entries:
            if entry.path == name:
                return self._objects.path(entry.digest).open("rb")
        near = closest(name, list(self.names))
        raise NotFoundError(
            f"the folder has no file {name!r}",
            fix=f"did you mean {near!r}?" if near else "see its .names",
        )

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def __fspath__(self) -> str:
        return str(self.path)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Path]:
        return iter(self.files())

    def __repr__(self) -> str:
        told = self._identity[:18] or str(self._path)
        return f"<Folder {told}, {len(self)} files>"
