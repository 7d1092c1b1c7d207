"""Source loading: the modules of a project are compiled from their source, never from bytecode.

Python takes a `.pyc` for its source where size and modification time (whole seconds) are equal, so
an edit within a second of the first import would run the old code under the identity of the new.
Installed packages keep their bytecode, also those of an environment inside the project's folder.
"""

from __future__ import annotations

import importlib
import marshal
import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from importlib.abc import PathEntryFinder
    from types import ModuleType

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_folders: list[str] = []


class SourceLoader(SourceFileLoader):
    """Loads a module from its source; neither reads nor writes bytecode."""

    def path_stats(self, path: str) -> NoReturn:  # noqa: ARG002 - as its base has it
        """Raise OSError, by which Python knows that there can be no bytecode."""
        raise OSError("modules of a project are loaded from their source")


_find = FileFinder.path_hook(
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


def load_from_source(*folders: Path) -> None:
    """Let this process load the modules below these folders from their source from now on."""
    fresh = {os.path.realpath(folder) for folder in folders} - set(_folders)
    if not fresh:
        return
    _folders.extend(sorted(fresh))
    if _hook not in sys.path_hooks:
        sys.path_hooks.insert(0, _hook)
    for place in list(sys.path_importer_cache):
        if _is_own(place):
            del sys.path_importer_cache[place]
    importlib.invalidate_caches()


def is_stale(module: ModuleType) -> bool:
    """Return whether Python loaded a module from bytecode that is not what its source says.

    For what a script or notebook imported before anything here could see to it.
    """
    loader = getattr(module.__spec__, "loader", None)
    if type(loader) is not SourceFileLoader or not getattr(module.__spec__, "cached", None):
        return False
    try:
        kept = Path(str(module.__spec__ and module.__spec__.cached)).read_bytes()
        source, told = loader.get_data(loader.path), loader.path_stats(loader.path)
        head = [int(told["mtime"]) & 0xFFFFFFFF, int(told["size"] or 0) & 0xFFFFFFFF]
        if kept[:16] != b"".join([MAGIC_NUMBER, *(n.to_bytes(4, "little") for n in (0, *head))]):
            return False  # Python did not take it either
        return bool(marshal.loads(kept[16:]) != loader.source_to_code(source, loader.path))  # noqa: S302 - as Python has just done
    except (OSError, SyntaxError, EOFError, ValueError, TypeError):
        return False


def _hook(place: str) -> PathEntryFinder:
    """Return what finds modules in a folder of a project; see `sys.path_hooks`."""
    if not _is_own(place):
        raise ImportError(f"{place} is no folder of a project", path=place)
    return _find(place)


def _is_own(place: str) -> bool:
    real = os.path.realpath(place)
    return any(_is_below(real, folder) and not _is_installed(real, folder) for folder in _folders)


def _is_installed(place: str, folder: str) -> bool:
    """Return whether a place in a project's folder is that of an environment, or of Python."""
    if not _INSTALLED.isdisjoint(Path(place[len(folder) :]).parts):
        return True
    pythons = {os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)}
    return any(_is_below(one, folder) and _is_below(place, one) for one in pythons)


def _is_below(place: str, folder: str) -> bool:
    return place == folder or place.startswith(os.path.join(folder, ""))  # noqa: PTH118 - as text
