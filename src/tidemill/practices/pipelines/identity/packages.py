"""Packages that code reaches: the distributions that it imports, with all that those need."""

from __future__ import annotations

import importlib.machinery
import os
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tidemill.ports.workspace import EnvironmentCapture, Package

OWN = "tidemill"


class Packages:
    """What is installed, by what is imported of it."""

    def __init__(self, environment: EnvironmentCapture, packages: Sequence[Package]) -> None:
        self.environment = environment
        self._digests = {name: digest for name, _, digest in environment.distributions}
        self._packages = {one.name: one for one in packages}
        self._unowned: dict[str, str] = {}

    @cached_property
    def _owners(self) -> dict[str, list[str]]:
        """The distributions of each top-level name; a namespace has several."""
        found: dict[str, list[str]] = {}
        for package in self._packages.values():
            for module in package.modules:
                found.setdefault(module, []).append(package.name)
        return found

    @property
    def python(self) -> str:
        """The Python, its kind and its platform; a newer patch of it changes no result."""
        found = self.environment
        minor = ".".join(found.python.split(".")[:2])
        return f"{minor} {found.implementation} {found.platform}"

    def is_installed(self, module: str) -> bool:
        """Return whether a top-level name is that of something installed, ours left out."""
        return module != OWN and module in self._owners

    def editable_roots(self) -> list[Path]:
        """Return the folders of sources of what is installed editable, ours left out."""
        return [root for one in self._packages.values() if one.name != OWN for root in one.roots]

    def reached(self, modules: Iterable[str]) -> dict[str, str]:
        """Return version and digest of the distributions of top-level names, and of their needs."""
        found: dict[str, str] = {}
        waiting = [owner for module in modules for owner in self._owners.get(module, ())]
        while waiting:
            name = waiting.pop()
            package = self._packages.get(name)
            if name in found or name == OWN or package is None:
                continue
            if not package.roots:  # else its sources count one by one
                found[name] = f"{package.version} {self._digests.get(name, '')}"
            waiting += package.requires
        for module in modules:
            if digest := self._of_no_distribution(module):
                found[f"{module} (in no distribution)"] = digest
        return dict(sorted(found.items()))

    def all(self) -> dict[str, str]:
        """Return version and digest of everything that is installed, ours left out."""
        rows = self.environment.distributions
        return {name: f"{version} {digest}" for name, version, digest in rows if name != OWN}

    def _of_no_distribution(self, module: str) -> str:
        """Return the digest of a module that lies beside what is installed; "": it does not."""
        known = module in self._owners or module == OWN or module in sys.stdlib_module_names
        if known or not module.isidentifier():
            return ""
        if module not in self._unowned:
            self._unowned[module] = _content(module)
        return self._unowned[module]


def _content(module: str) -> str:
    try:
        spec = importlib.machinery.PathFinder.find_spec(module)
    except (ImportError, ValueError):
        return ""
    if spec is None:
        return ""
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    files = [path for folder in folders for path in _files(folder)]
    if not folders and spec.origin is not None:
        files = [Path(spec.origin)]
    whole = blake3()
    for path in sorted(files):
        whole.update(f"{path.name}\0".encode())
        whole.update(blake3(path.read_bytes()).digest())
    return whole.hexdigest()[:32]


def _files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if name.endswith((".py", ".so", ".pyd")))


def python_files(folder: Path) -> list[Path]:
    """Return the Python files below a folder of sources."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and name != "__pycache__"]
        found += [Path(place, name) for name in names if name.endswith(".py")]
    return sorted(found)
