"""Import edges: which module imports which while this process runs, so that a step's are known.

What a step's packages import late (an engine, a plug-in) is told for that step, also where another
step's had imported it before. Every import goes through `__import__` or `importlib.import_module`.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from typing import TYPE_CHECKING, Any

from tidemill.ports.executor import Observed
from tidemill.runtime.module_state import ModuleState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType, ModuleType

    from tidemill.ports.executor import StepOrder

_FORMATS = "tidemill.practices.versioning.formats"
_STDLIB = sys.stdlib_module_names


class ImportEdges:
    """Collects who imports whom.

    Args:
        is_own_file: whether a file is one of the project's modules.
    """

    def __init__(self, is_own_file: Callable[[str], bool]) -> None:
        self._is_own_file = is_own_file
        self._edges: dict[str, set[str]] = {}
        self._stated: dict[str, set[str]] = {}
        """Imports that modules of the project state: of those that a step names they are known."""
        self._missing: set[str] = set()
        self._met: set[tuple[str, str]] = set()
        self._import, self._import_module = builtins.__import__, importlib.import_module
        self._is_installed = False
        self.state = ModuleState(self._is_own)

    def install(self) -> None:
        """See all imports from now on."""
        if not self._is_installed:
            self._is_installed = True
            builtins.__import__ = self._imported  # type: ignore[assignment]
            importlib.import_module = self._imported_by_name

    def remove(self) -> None:
        """See no more."""
        if self._is_installed:
            self._is_installed = False
            builtins.__import__ = self._import
            importlib.import_module = self._import_module

    def found(self, order: StepOrder, codecs: Sequence[str]) -> list[Observed]:
        """Return what a step's modules have imported besides what its code says."""
        known = {*order.modules, *order.outside}
        waiting = [*known, "__main__"]
        if any(codec == "model" for codec in codecs):
            waiting.append(_FORMATS)
        met = set(waiting)
        while waiting:
            at = waiting.pop()
            stated = self._stated.get(at, set()) if at not in known else set()
            for name in self._edges.get(at, set()) | stated:
                node = self._node(name)
                if node not in met:
                    met.add(node)
                    waiting.append(node)
        return [
            Observed(kind="module" if self._is_own(name) else "package", name=name, digest="")
            for name in sorted(met - known - {"__main__", _FORMATS})
        ]

    def _imported(
        self, name: str, globals_: Any = None, locals_: Any = None, fromlist: Any = (),  # noqa: ANN401
        level: int = 0,
    ) -> ModuleType:  # fmt: skip
        is_new = False
        if level == 0:
            importer = str(globals_.get("__name__", "")) if globals_ is not None else ""
            if (importer, name) not in self._met:
                is_stated = self._is_own(importer)
                is_new = self._note(importer, name, fromlist or (), is_stated=is_stated)
        found = self._import(name, globals_, locals_, fromlist, level)
        if is_new:
            self.state.keep_new(name)
        return found

    def _imported_by_name(self, name: str, package: str | None = None) -> ModuleType:
        frame = sys._getframe(1)  # noqa: SLF001 - who imports is asked
        if not name.startswith("."):
            self._note(str(frame.f_globals.get("__name__", "")), name, ())
        found = self._import_module(name, package)
        self.state.keep_new(name)
        return found

    def _note(
        self, importer: str, name: str, fromlist: Sequence[str], *, is_stated: bool = False
    ) -> bool:
        """Keep who imports whom; returns whether that is new and no part of Python or of us."""
        if (importer, name) in self._met:
            return False
        self._met.add((importer, name))
        top = name.partition(".")[0]
        if top in _STDLIB or top == "tidemill":
            return False
        who = self._who(importer)
        names = {name, *(f"{name}.{one}" for one in fromlist)}
        edges = self._stated if is_stated else self._edges
        edges.setdefault(who, set()).update(names)
        return True

    def _who(self, importer: str) -> str:
        """Return who imports: a module of the project, a package, or the formats of models."""
        if importer.partition(".")[0] in {*_STDLIB, ""} and importer != "__main__":
            frame: FrameType | None = sys._getframe(3)  # noqa: SLF001 - on whose behalf is asked
            while frame is not None and _top_of(frame) in {*_STDLIB, ""}:
                frame = frame.f_back
            importer = str(frame.f_globals.get("__name__", "")) if frame is not None else "__main__"
        if importer.startswith(_FORMATS) or importer == "__main__":
            return _FORMATS if importer != "__main__" else importer
        return self._node(importer)

    def _node(self, name: str) -> str:
        """Return what a name counts as: a module of the project by itself, else its package."""
        return name if self._is_own(name) else name.partition(".")[0]

    def _is_own(self, name: str) -> bool:
        file = getattr(sys.modules.get(name), "__file__", None)
        return isinstance(file, str) and self._is_own_file(file)


def _top_of(frame: FrameType) -> str:
    name = str(frame.f_globals.get("__name__", ""))
    return name if name == "__main__" else name.partition(".")[0]
