"""One project's folder: its code as it lies there, what is installed, and the machine it is on."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
from blake3 import blake3

from tidemill.adapters import git_tree, installed, this_machine
from tidemill.adapters.data_files import data_among
from tidemill.adapters.ignore_rules import NEVER, plain_files
from tidemill.adapters.imported_modules import imported_ones
from tidemill.adapters.packages import packages
from tidemill.adapters.python_sources import python_files
from tidemill.adapters.secrets_found import secret_in
from tidemill.core.digest import Digest, TreeEntry
from tidemill.core.errors import InvalidInputError
from tidemill.ports.workspace import CodeCapture, EnvironmentCapture, MachineCapture, Package

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

LARGEST_BYTES = 10 << 20
LARGEST_LOOSE_BYTES = 1 << 20
CODE_ENDINGS = frozenset(
    {".py", ".pyi", ".ipynb", ".toml", ".yaml", ".yml", ".cfg", ".ini", ".sql", ".sh", ".lock"}
)
CODE_NAMES = frozenset({"requirements.txt", "Makefile", "Dockerfile", "README.md"})
"""What counts as code in a folder without a `tidemill.toml`."""


class LocalWorkspace:
    """A project in a folder, in Git or not, also when it is a part of a larger repository.

    Args:
        root: the project's folder (where `tidemill.toml` lies).
        code_root: folder of its own Python modules (`project.code`); default: `root`.
        allow: patterns of files that may be large or look like a secret (`tests/keys/*`).
        cache: file of what is remembered of the installation; default: in `.tidemill`.
        lock: the lock, where it does not lie in the project.
        holds: what the folder is: a project; loose, which nobody made a project (it has no
            `tidemill.toml`); or a release, whose files are code one and all.
    """

    def __init__(
        self,
        root: Path,
        code_root: Path | None = None,
        *,
        allow: Sequence[str] = (),
        cache: Path | None = None,
        lock: bytes | None = None,
        holds: Literal["project", "loose", "release"] = "project",
    ) -> None:
        self._root = root.resolve()
        self._code_root = (code_root or root).resolve()
        self._allow = tuple(allow)
        self._cache = cache or self._root / ".tidemill" / "cache" / "installed.json"
        self._own_lock, self._holds = lock, holds

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self._root

    @property
    def cache(self) -> Path:
        """The folder of caches."""
        return self._cache.parent

    def code(self, data: Collection[str] = ()) -> CodeCapture:
        """Capture the code: every file that is not ignored, committed or not. Changes nothing.

        Ignored modules that a captured one imports are captured too: without them the code does not
        run again. The same limits hold for them.

        What is `data` and tracked by no repository is `skipped`, also where no `.gitignore` names
        it; modules of it that a captured one imports are captured all the same.

        A loose folder holds data as well: of it only files with the ending of code and settings
        count, up to 1 MiB.

        `git_tree` is what Git would call this folder's tree if everything were committed now, and
        `is_dirty` whether that is not the tree of HEAD. `.tidemill/`, `.venv/` and `__pycache__/`
        are never in it; links to a folder or out of the project are `skipped`.

        Raises:
            InvalidInputError: a file over 10 MiB, or one that looks like a secret; names it.
        """
        repository, listing = self._listing()
        left_out = self._data(listing.names, data, is_tracked=repository is not None)
        kept = [name for name in listing.names if name not in left_out]
        ignored = self._ignored_modules(kept)
        names = sorted({*kept, *ignored})
        left_out -= ignored
        if self._holds == "loose":
            names = [name for name in names if self._is_code(name)]
        self._refuse_large(names, ignored)
        if repository is None:
            found = self._capture(names, ignored, git_tree.Tree)
        else:
            own = tuple(name for name in listing.own if name not in left_out)
            with git_tree.tree(repository, self._root, own) as finish:
                found = self._capture(names, ignored, finish)
        skipped = tuple(sorted({*found.skipped, *left_out}))
        return msgspec.structs.replace(found, skipped=skipped)

    def environment(self) -> EnvironmentCapture:
        """Capture what is installed; it holds no path, and is equal after an equal rebuild."""
        return installed.environment(cache=self._cache, lock=self._lock())

    def packages(self) -> Sequence[Package]:
        """Return what is installed; `requires` and `modules` are read once a distribution."""
        return packages(cache=self.cache / "packages.json")

    def machine(self) -> MachineCapture:
        """Capture the machine."""
        return this_machine.machine()

    def sources(self) -> Sequence[Path]:
        """Return the Python files of the project and of its code folder, sorted; see the port."""
        folders = dict.fromkeys([self._root, self._code_root])
        return sorted({path for folder in folders for path in python_files(folder)})

    def _listing(self) -> tuple[git_tree.Repository | None, git_tree.Listing]:
        """Return the project's files, sorted, and the repository that has them, if one has.

        A project that its repository ignores (a scratch folder) is a plain folder.
        """
        repository = git_tree.enclosing(self._root)
        found = git_tree.listing(self._root) if repository else None
        if found is None or not _project(found.names):
            names = git_tree.plain_listing(self._root) or plain_files(self._root)
            return None, git_tree.Listing(names=_project(names), own=())
        return repository, git_tree.Listing(names=_project(found.names), own=_project(found.own))

    def _data(
        self, names: Sequence[str], places: Collection[str], *, is_tracked: bool
    ) -> frozenset[str]:
        """Return the files that are known as data, and that no repository tracks."""
        if self._holds == "release":
            return frozenset()
        found = data_among(names, places, self._root, self._code_root)
        return found - git_tree.tracked(self._root) if found and is_tracked else found

    def _ignored_modules(self, names: Sequence[str]) -> frozenset[str]:
        """Return the ignored modules of the project that those listed import."""
        listed = {self._root / name for name in names}
        ignored = [path for path in python_files(self._root) if path not in listed]
        if not ignored:
            return frozenset()
        folders = list(dict.fromkeys([self._code_root, self._root]))
        found = imported_ones(sorted(listed), ignored, folders)
        return frozenset(path.relative_to(self._root).as_posix() for path in found)

    def _capture(
        self,
        names: Sequence[str],
        ignored: frozenset[str],
        finish: Callable[[], git_tree.Tree],
    ) -> CodeCapture:
        files, skipped = [], []
        for name in names:
            path = self._root / name
            found = None
            with contextlib.suppress(FileNotFoundError):
                found = self._entry(name, path, is_ignored=name in ignored)
            if found is None:
                skipped.append(name)
            else:
                files.append((found, path))
        made = finish()
        return CodeCapture(
            files=tuple(files), commit=made.commit, git_tree=made.tree, is_dirty=made.is_dirty,
            skipped=tuple(skipped),
        )  # fmt: skip

    def _is_code(self, name: str) -> bool:
        path = self._root / name
        if path.suffix not in CODE_ENDINGS and path.name not in CODE_NAMES:
            return False
        return path.is_file() and path.stat().st_size <= LARGEST_LOOSE_BYTES

    def _refuse_large(self, names: Sequence[str], ignored: frozenset[str]) -> None:
        for name in names:
            size_bytes = 0
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                size_bytes = os.lstat(f"{self._root}/{name}").st_size
            if size_bytes > LARGEST_BYTES and not self._is_allowed(name):
                raise InvalidInputError(
                    f"{name} has {size_bytes / (1 << 20):,.1f} MiB; code has 10 MiB a file at most",
                    fix=(
                        f"import it no more (a captured module does), or {self._allowing(name)}"
                        if name in ignored
                        else f"version it as data (tidemill data add NAME {name}) and put it into"
                        f" .gitignore, or {self._allowing(name)}"
                    ),
                )

    @staticmethod
    def _allowing(name: str) -> str:
        return f"allow it: `[project] allow = {name!r}` in tidemill.toml"

    def _is_allowed(self, name: str) -> bool:
        return any(Path(name).match(pattern) for pattern in self._allow)

    def _entry(self, name: str, path: Path, *, is_ignored: bool) -> TreeEntry | None:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            aim = path.resolve()
            if not aim.is_file() or not aim.is_relative_to(self._root):
                return None
            mode = aim.stat().st_mode
        elif not stat.S_ISREG(mode):
            return None
        data = path.read_bytes()
        if (why := secret_in(name, data)) and not self._is_allowed(name):
            raise InvalidInputError(
                f"{name} looks like a secret: {why}"
                + (" (.gitignore names it, but a captured module imports it)" * is_ignored),
                fix=("" if is_ignored else "put it into .gitignore and ")
                + f"read it from the environment, or, if it is none, {self._allowing(name)}",
            )
        return TreeEntry(
            path=name, digest=Digest(f"b3:{blake3(data).hexdigest()}"), size_bytes=len(data),
            is_executable=bool(mode & stat.S_IXUSR),
        )  # fmt: skip

    def _lock(self) -> bytes:
        """Return the nearest `uv.lock` from the project's folder up to its repository's."""
        if self._own_lock is not None:
            return self._own_lock
        repository = git_tree.enclosing(self._root)
        last = repository.top if repository else self._root
        for folder in (self._root, *self._root.parents):
            if (folder / "uv.lock").is_file():
                return (folder / "uv.lock").read_bytes()
            if folder == last:
                break
        return b""


def _project(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if NEVER.isdisjoint(name.split("/"))))
