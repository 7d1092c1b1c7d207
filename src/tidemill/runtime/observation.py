"""Observation: what a step reads, imports and starts besides what it is given.

A net below the identity of code: files and variables that a step reads undeclared, modules that are
imported while it runs. Not seen: files that C or C++ opens, and what other processes read.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from tidemill.kernels.secret_text import is_secret_name
from tidemill.ports.executor import Observed
from tidemill.practices.pipelines.identity.observed import content
from tidemill.runtime.import_edges import ImportEdges

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import FrameType

    from tidemill.ports.executor import StepOrder

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NEVER = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib", "/run/", "/System/", "/Library/")
_READERS = frozenset({"importlib", "linecache", "tokenize", "inspect", "traceback", "zipimport"})
"""They read source to import or to show it."""
_REMOVES = "_rmtree"
"""Begins the functions of `shutil` that open folders to empty them, by names within an open one."""
_STARTS = frozenset({"subprocess.Popen", "os.system", "os.posix_spawn", "os.spawn", "os.exec"})
_PINNED = ("OMP_", "PYTHON", "TIDEMILL_")
_PINNED_ENDS = ("_NUM_THREADS", "_MAX_THREADS")
"""Variables that the worker sets itself, from what is part of the identity."""
_RUNNER = "tidemill.runtime.step_runner"
"""Whose frames begin what is done for a step."""
_MOST = 200
"""Files that are hashed for one step at most; with more the step is not memoized."""


class Observation:
    """Watches the steps of one process, one after the other.

    Args:
        folder: the project's; its files are known by their place in it.
        apart: folders whose files are none of the project's data: objects, environments, ours.
    """

    def __init__(self, folder: Path, apart: Iterable[Path]) -> None:
        self._root = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118 - as text
        own = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - as text
        places = [own, sys.prefix, sys.base_prefix, *map(str, apart), f"{self._root}.tidemill"]
        self._apart = tuple(os.path.join(os.path.realpath(place), "") for place in places)  # noqa: PTH118
        self.edges = ImportEdges(self._is_own_file)
        self._of_modules: dict[str, dict[tuple[str, str], str]] = {}
        self._of_step: dict[tuple[str, str], str] = {}
        self._written: set[str] = set()
        self._told: dict[str, None] = {}
        self._is_on = False
        _watch(self)

    def begin(self) -> None:
        """Begin to watch a step."""
        self._of_step, self._written, self._told = {}, set(), {}
        self.edges.install()
        self._is_on = True

    def pause(self) -> None:
        """Watch no more: what follows is not the step's doing."""
        self._is_on = False

    def found(self, order: StepOrder, codecs: Sequence[str]) -> tuple[Observed, ...]:
        """Return what was read and imported for a step since `begin`, and while it was imported."""
        reads = dict(self._of_step)
        for module in order.executing:
            reads |= self._of_modules.get(module, {})
        for name in self._of_modules.keys() & {"__main__"}:
            reads |= self._of_modules[name]
        kept = [
            Observed(kind=kind, name=name, digest=value or self._digest(kind, name))  # type: ignore[arg-type]
            for (kind, name), value in list(reads.items())[:_MOST]
        ]
        kept = [one for one in kept if one.digest or not self._is_passing(one)]
        kept += self.edges.found(order, codecs)
        return tuple(sorted(kept, key=lambda one: (one.kind, one.name)))

    @property
    def told(self) -> tuple[str, ...]:
        """What the step did that nobody can verify: connections, other programs."""
        return tuple(self._told)

    def event(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Take an event of Python's audit hook."""
        if not self._is_on:
            return
        if name == "open":
            self._opened(*arguments)
        elif name in {"os.listdir", "os.scandir"}:
            self._read("folder", arguments[0] if arguments[0] is not None else ".")
        elif name == "socket.connect" and isinstance(arguments[1], tuple):
            self._told[f"connects to {arguments[1][0]}:{arguments[1][1]}"] = None
        elif name in _STARTS:
            self._told[f"starts {_program(arguments)}"] = None

    def variable(self, name: str, value: str | None) -> None:
        """Take a read of a variable of the environment; None: it is not set."""
        if not self._is_on or name.startswith(_PINNED) or name.endswith(_PINNED_ENDS):
            return
        frame = _caller(3, {"os", "_collections_abc", "collections.abc", __name__})
        if frame is None or not self._is_own_code(frame) or is_secret_name(name):
            return
        self._note(("variable", name), "" if value is None else digest_text(value))

    def _opened(self, path: object, _mode: object, flags: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        if isinstance(flags, int) and flags & _WRITES:
            self._written.add(os.path.realpath(os.fsdecode(path)))
        else:
            self._read("file", path)

    def _read(self, kind: str, given: object) -> None:
        if not isinstance(given, str | bytes | os.PathLike):
            return
        path = os.path.realpath(os.fsdecode(given))
        if path.startswith(_NEVER) or path.startswith(self._apart) or path in self._written:
            return
        if "/site-packages/" in path or "/__pycache__" in path or "/." in path:
            return
        frame = _caller(3, {__name__})
        if frame is None or _top(frame) in _READERS or _top(frame) == "tidemill":
            return
        if frame.f_code.co_name.startswith(_REMOVES):
            return
        name = "." if f"{path}{os.sep}" == self._root else path.removeprefix(self._root)
        self._note((kind, name), "")

    def _note(self, key: tuple[str, str], value: str) -> None:
        module = self._importing()
        reads = self._of_step if module is None else self._of_modules.setdefault(module, {})
        reads.setdefault(key, value)

    def _importing(self) -> str | None:
        """Return the module of the project whose top level is executed; None: a function is."""
        frame: FrameType | None = sys._getframe(4)  # noqa: SLF001 - where it is read is asked
        while frame is not None and frame.f_globals.get("__name__") != _RUNNER:
            if frame.f_code.co_name == "<module>" and self._is_own_code(frame):
                return str(frame.f_globals.get("__name__"))
            frame = frame.f_back
        return None

    def _is_own_code(self, frame: FrameType) -> bool:
        name = str(frame.f_globals.get("__name__", ""))
        return name == "__main__" or self._is_own_file(frame.f_code.co_filename)

    def _is_own_file(self, file: str) -> bool:
        return file.startswith(self._root) and not file.startswith(self._apart)

    @staticmethod
    def _is_passing(one: Observed) -> bool:
        """Return whether something was made among temporary files and thrown away."""
        temporary = os.path.join(os.path.realpath(tempfile.gettempdir()), "")  # noqa: PTH118
        return one.kind != "variable" and one.name.startswith(temporary)

    def _digest(self, kind: str, name: str) -> str:
        return "" if kind == "variable" else content(os.path.join(self._root, name), kind)  # noqa: PTH118


class _Environ(os._Environ):  # type: ignore[type-arg]  # noqa: SLF001 - there is no other way to see reads
    """The environment, with its reads told."""

    def __getitem__(self, key: Any) -> Any:  # noqa: ANN401 - as its base
        try:
            value = super().__getitem__(key)
        except KeyError:
            _tell_variable(key, None)
            raise
        _tell_variable(key, value)
        return value


_watching: list[Observation] = []


def _watch(observation: Observation) -> None:
    """Let an observation get the events of this process; a hook can never be taken away."""
    if not _watching:
        sys.addaudithook(_hook)
        os.environ.__class__ = _Environ
    _watching[:] = [observation]


def _hook(name: str, arguments: tuple[Any, ...]) -> None:
    if _watching:
        _watching[0].event(name, arguments)


def _tell_variable(key: object, value: object) -> None:
    if _watching and isinstance(key, str):
        _watching[0].variable(key, value if isinstance(value, str) else None)


def _caller(depth: int, skipped: set[str]) -> FrameType | None:
    frame: FrameType | None = sys._getframe(depth)  # noqa: SLF001 - as above
    while frame is not None and frame.f_globals.get("__name__") in skipped:
        frame = frame.f_back
    return frame


def _top(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).lstrip("_").partition(".")[0]


def _program(arguments: tuple[Any, ...]) -> str:
    """Return the program that an event of starting one names."""
    given = arguments[0] if arguments[0] is not None else (arguments[1] or [""])[0]
    if not isinstance(given, str | bytes | os.PathLike):
        return "a program"
    return os.fsdecode(given).split(" ")[0][:80]


def digest_text(text: str) -> str:
    """Return 32 hex digits of a text."""
    return blake3(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
