"""Project modules: which file a name of a module means, by the folders that are searched."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING

from blake3 import blake3

from tidemill.kernels.python_statements import Module, take_apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tidemill.kernels.python_statements import Imported, Statement
    from tidemill.practices.pipelines.identity.module_index import ModuleIndex

_OPAQUE = ("*.so", "*.pyd", "*.pyx")


class Apart:
    """One module taken apart, with what binds its names."""

    def __init__(self, name: str, module: Module, *, is_package: bool) -> None:
        self.name, self.module, self.is_package = name, module, is_package
        self.statements: tuple[Statement, ...] = module.statements
        self.binders: dict[str, list[int]] = {}
        for place, statement in enumerate(module.statements):
            for bound in statement.binds:
                self.binders.setdefault(bound, []).append(place)
        self.stars: tuple[Imported, ...] = tuple(
            star for statement in module.statements for star in statement.stars
        )
        self.acting = [place for place, one in enumerate(module.statements) if one.may_act]
        """Statements that may change something while the module is executed."""
        again = {p for places in self.binders.values() if len(places) > 1 for p in places}
        self.ordered = sorted(
            place for place in {*again, *self.acting} if module.statements[place].kind != "import"
        )
        """Statements whose order may count: those, and those that bind names again."""
        self.again = again

    def absolute(self, level: int, module: str) -> str:
        """Return the full name of a module that an import here names."""
        if level == 0:
            return module
        parts = self.name.split(".")
        kept = len(parts) - level + (1 if self.is_package else 0)
        return ".".join([*parts[: max(kept, 0)], *([module] if module else [])])


class ProjectModules:
    """The modules of a project and of what is installed editable, by name.

    Args:
        folders: folders that are searched, the first one first.
        sources: their Python files.
        index: takes files apart.
        extra: modules that lie in no file, by name: the session's own.
    """

    def __init__(
        self, folders: Sequence[Path], sources: Iterable[Path], index: ModuleIndex,
        extra: dict[str, bytes] | None = None,
    ) -> None:  # fmt: skip
        self.index = index
        self.folders = tuple(dict.fromkeys(folder.resolve() for folder in folders))
        self.paths = tuple(sources)
        self._apart: dict[str, Apart | None] = {
            name: Apart(name, take_apart(source), is_package=False)
            for name, source in (extra or {}).items()
        }

    @cached_property
    def files(self) -> dict[str, Path]:
        """The file of each module; packages are named by their `__init__.py`."""
        found: dict[str, Path] = {}
        for folder in self.folders:
            head = f"{folder}/"
            for path in self.paths:
                text = str(path)
                if text.startswith(head):
                    parts = text[len(head) : -len(path.suffix)].split("/")
                    name = ".".join(parts[:-1] if parts[-1] == "__init__" and parts[:-1] else parts)
                    found.setdefault(name, path)
        return found

    @cached_property
    def _parents(self) -> frozenset[str]:
        """Folders that are packages without a file of their own."""
        parents: set[str] = set()
        for name in self.files:
            head = name.rpartition(".")[0]
            while head and head not in parents:
                parents.add(head)
                head = head.rpartition(".")[0]
        return frozenset(parents)

    @cached_property
    def _by_last(self) -> dict[str, list[str]]:
        """Modules by the last part of their names: what another folder on the path may mean."""
        found: dict[str, list[str]] = {}
        for name in self.files:
            found.setdefault(name.rpartition(".")[2], []).append(name)
        return found

    def has(self, name: str) -> bool:
        """Return whether a module, or a folder of modules, is one of the project."""
        return name in self._apart or name in self.files or name in self._parents

    def apart(self, name: str) -> Apart | None:
        """Return a module taken apart; None: it has no file here."""
        if name not in self._apart:
            path = self.files.get(name)
            found = None
            if path is not None:
                is_package = path.name == "__init__.py"
                found = Apart(name, self.index.module(path), is_package=is_package)
            self._apart[name] = found
        return self._apart[name]

    def parents(self, name: str) -> list[str]:
        """Return the packages that importing a module imports before it, the outermost first."""
        parts = name.split(".")
        heads = [".".join(parts[:place]) for place in range(1, len(parts))]
        return [head for head in heads if self.apart(head) is not None]

    def elsewhere(self, name: str) -> list[str]:
        """Return modules that a name may mean that no searched folder has: `sys.path` may change.

        None of Python itself.
        """
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top == "tidemill":
            return []
        return self._by_last.get(top, [])

    def opaque(self, name: str) -> str:
        """Return the digest of compiled files that a name may mean; "": there are none."""
        found: list[Path] = []
        for folder in self.folders:
            place = folder.joinpath(*name.split("."))
            if place.parent.is_dir():
                for pattern in _OPAQUE:
                    found += place.parent.glob(f"{place.name}{pattern}")
        whole = b"".join(blake3(path.read_bytes()).digest() for path in sorted(found))
        return blake3(whole).hexdigest()[:32] if found else ""
