"""Released modules: the code of a release imported under a name of its own, beside other code.

`tidemill_release_HEX.flow` is `flow.py` of the restored tree HEX. What its modules import of their
own project (`import labels`) is found in the same tree, never in the folder that runs; so two
projects may each have a module of one name. The digest in the name is part of a step's identity.
"""

from __future__ import annotations

import builtins
import importlib
import re
import sys
import tomllib
from functools import lru_cache, partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.practices.infrastructure.source_loading import SourceLoader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

_PREFIX = "tidemill_release_"
_NAMED = re.compile(rf"{_PREFIX}([0-9a-f]{{64}})")
_FILE = "tidemill.toml"


def namespace_of(tree: Path) -> str:
    """Return the name under which the modules of a restored tree are imported."""
    return f"{_PREFIX}{tree.name}"


def releases_folder(project: Path) -> Path:
    """Return the folder of restored trees, for a project's folder or one of those trees."""
    if project.parent.name == "releases" and re.fullmatch(r"[0-9a-f]{64}", project.name):
        return project.parent
    return project / ".tidemill" / "cache" / "releases"


def code_of(tree: Path) -> Path:
    """Return the folder of a tree's own modules (its setting `project.code`)."""
    try:
        tables = tomllib.loads((tree / _FILE).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return tree
    project = tables.get("project")
    return tree / str(project.get("code", ".") if isinstance(project, dict) else ".")


def allow_releases(releases: Path) -> None:
    """Let this process import the modules of restored trees in a folder."""
    for finder in sys.meta_path:
        if isinstance(finder, ReleaseFinder) and finder.releases == releases:
            return
    sys.meta_path.insert(0, ReleaseFinder(releases))


class ReleaseFinder(MetaPathFinder):
    """Finds `tidemill_release_HEX` and what is below it."""

    def __init__(self, releases: Path) -> None:
        self.releases = releases

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a module is loaded; None: it is none of a release."""
        top = fullname.partition(".")[0]
        named = _NAMED.fullmatch(top)
        tree = self.releases / named[1] if named else None
        if tree is None or not tree.is_dir():
            return None
        if fullname == top:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(code_of(tree))]
            return spec
        found = PathFinder.find_spec(fullname, path, target)
        if found is not None and isinstance(found.loader, SourceFileLoader):
            found.loader = _Loader(fullname, str(found.origin))
            found.cached = None
        return found


class _Loader(SourceLoader):
    """Loads a module whose absolute imports look into its own tree first."""

    def exec_module(self, module: ModuleType) -> None:
        top = module.__name__.partition(".")[0]
        own = {**vars(builtins), "__import__": partial(_import, top)}
        module.__dict__["__builtins__"] = own
        super().exec_module(module)


def _import(
    top: str,
    name: str,
    globals_: Mapping[str, object] | None = None,
    locals_: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    first = name.partition(".")[0]
    if level or not _has(sys.modules[top].__path__[0], first):
        return builtins.__import__(name, globals_, locals_, fromlist or (), level)
    module = importlib.import_module(f"{top}.{name}")
    if not fromlist:
        return importlib.import_module(f"{top}.{first}")
    for one in fromlist:
        if hasattr(module, "__path__") and not hasattr(module, one) and one != "*":
            importlib.import_module(f"{top}.{name}.{one}")
    return module


@lru_cache(maxsize=4096)
def _has(folder: str, name: str) -> bool:
    place = Path(folder)
    return (place / f"{name}.py").is_file() or any((place / name).glob("*.py"))
