"""The code of a step: what its function, its arguments' classes and its values' classes reach.

Kept as an artifact by name, so that two runs of a step can be compared (`memo explain`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.digest import digest_of_value
from tidemill.core.text import folded
from tidemill.practices.pipelines.identity.effects import Slicer
from tidemill.practices.pipelines.identity.loaded import replaced_parts
from tidemill.practices.pipelines.identity.packages import Packages, python_files
from tidemill.practices.pipelines.identity.project_modules import ProjectModules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tidemill.ports.executor import SourcePiece
    from tidemill.ports.workspace import EnvironmentCapture, Package
    from tidemill.practices.pipelines.identity.module_index import ModuleIndex

MAIN = "__main__"
RELEASED = "tidemill_release_"
_OBJECT = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)")
_IN_VALUE = re.compile(rb'"\$(?:struct|enum|function)":\[?"([\w.]+):([\w.]+)"')
_LIBRARIES = {"table": "polars", "array": "numpy", "model": "numpy"}
"""What loads a value of a codec."""


class StepCode(msgspec.Struct, frozen=True, kw_only=True):
    """What besides arguments decides a step's result, by name."""

    code: Mapping[str, str]
    """Digest of each statement that it reaches, as `module:name`."""
    order: tuple[str, ...]
    """Statements whose order counts."""
    packages: Mapping[str, str]
    """Version and digest of each distribution."""
    python: str
    tidemill: str
    """Digest of our own code."""
    modules: tuple[str, ...] = ()
    """Modules of the project that are imported for it."""
    outside: tuple[str, ...] = ()
    """Top-level names of other modules that it names."""
    executing: tuple[str, ...] = ()
    """Modules of the project of which it reaches more than definitions."""
    step: str = ""
    """Its function, as `module:qualname`; empty: it lies in a session."""
    roots: tuple[str, ...] = ()
    """Classes and functions that its arguments name, as `module:qualname`."""
    libraries: tuple[str, ...] = ()
    """What loads its inputs."""
    options: Mapping[str, str] = {}
    """Its version, seed, threads, and how values are handed to it."""

    def __str__(self) -> str:
        by_module: dict[str, list[str]] = {}
        for key in self.code:
            module, _, name = key.partition(":")
            by_module.setdefault(module, []).append(name)
        versions = [f"{name} {told.partition(' ')[0]}" for name, told in self.packages.items()]
        lines = [f"step {self.step or 'of a session'}"]
        lines += [f"  {module}: {', '.join(names)}" for module, names in sorted(by_module.items())]
        lines += [f"  packages: {', '.join(versions) or 'none'}", f"  Python {self.python}"]
        return folded("\n".join(lines))

    __repr__ = __str__


class KnownCode(msgspec.Struct, frozen=True, kw_only=True):
    """What a step reaches, with the identities of it."""

    found: StepCode
    code: str
    environment: str


def known_code(found: StepCode) -> KnownCode:
    """Return what a step reaches with its identities: a set of statements, and the order of some.

    Names of statements do not count by themselves, so that a line that moves changes nothing.
    """
    pairs = sorted(f"{key.partition(':')[0]} {digest}" for key, digest in found.code.items())
    packages = [found.python, sorted(found.packages.items())]
    return KnownCode(
        found=found,
        code=digest_of_value(["code 3", pairs, found.order, found.tidemill]),
        environment=digest_of_value(["environment 2", *packages]),
    )


class StepCodes:
    """Finds the code of the steps of one project, as it lies in its folder now.

    Args:
        folders: where modules are searched: the code folder, then the project's.
        sources: its Python files.
        index: takes them apart.
        installed: what is installed, and what of it is imported.
        own: digest of our own code.
        is_here: whether steps run in this process, with what it has put in place of files.
    """

    def __init__(
        self, folders: Sequence[Path], sources: Sequence[Path], index: ModuleIndex,
        installed: tuple[EnvironmentCapture, Sequence[Package]], own: str,
        *, is_here: bool = False,
    ) -> None:  # fmt: skip
        self.packages = Packages(*installed)
        self._index, self._own, self._is_here = index, own, is_here
        roots = self.packages.editable_roots()
        self._folders = (*folders, *roots)
        self.sources = (*sources, *(path for root in roots for path in python_files(root)))
        self._slicer = self._slicer_over({})  # keeps what it found out for all steps
        self._known: dict[object, KnownCode] = {}

    def of_step(
        self, module: str, qualname: str, *, source: Sequence[SourcePiece] = (),
        arguments: object = None, codecs: Iterable[str] = (), held: Iterable[bytes] = (),
    ) -> KnownCode:  # fmt: skip
        """Return what a step reaches.

        Args:
            module: that of its function.
            qualname: the function's place in it.
            source: the statements that define it, where it lies in no module.
            arguments: spelled: the classes and functions that they name count too.
            codecs: those of the values that are handed to it.
            held: bytes of values in plain spelling: their classes count too.
        """
        codecs = tuple(codecs)
        named = {*named_objects(arguments), *(pair for data in held for pair in _held(data))}
        named |= {_class_of(codec) for codec in codecs if codec.startswith("struct ")}
        own = frozenset(
            pair for pair in named if self._modules.has(pair[0]) or pair[0].startswith(RELEASED)
        )
        kinds = {codec.partition(" ")[0] for codec in codecs}
        tops = {name.partition(".")[0] for name, _ in named - own}
        libraries = frozenset(
            {top for top in tops if self.packages.is_installed(top)}
            | {_LIBRARIES[kind] for kind in kinds & _LIBRARIES.keys()}
        )
        key = (module, qualname, tuple(piece.text for piece in source), own, libraries)
        if key not in self._known:
            self._known[key] = known_code(self._found(module, qualname, source, own, libraries))
        return self._known[key]

    def again(self, before: StepCode) -> StepCode:
        """Return what a step reaches now of which is kept what it reached; its module is there."""
        module, _, qualname = before.step.partition(":")
        named = frozenset((one, name) for one, _, name in (r.partition(":") for r in before.roots))
        return self._found(module, qualname, (), named, frozenset(before.libraries))

    def has(self, module: str) -> bool:
        """Return whether a module is one of the project, or ours."""
        return self._modules.has(module) or module.startswith("tidemill.")

    def module_digest(self, name: str) -> str:
        """Return the digest of a whole module of the project; "": there is none of this name."""
        path = self._modules.files.get(name)
        return self._index.digest(path) if path is not None and path.is_file() else ""

    def keep(self) -> None:
        """Keep what was found out about files for the next process."""
        self._index.keep(self.sources)

    @property
    def _modules(self) -> ProjectModules:
        return self._slicer.modules

    def _slicer_over(self, extra: dict[str, bytes]) -> Slicer:
        modules = ProjectModules(self._folders, self.sources, self._index, extra)
        return Slicer(modules, self.packages.is_installed)

    def _found(
        self, module: str, qualname: str, source: Sequence[SourcePiece],
        named: frozenset[tuple[str, str]], libraries: frozenset[str],
    ) -> StepCode:  # fmt: skip
        roots = [(one, name.partition(".")[0]) for one, name in sorted(named)]
        slicer = self._slicer
        if source:
            text = "\n".join(piece.text for piece in source)
            slicer = self._slicer_over({MAIN: text.encode("utf-8", "surrogatepass")})
            roots = [(MAIN, ""), *roots]
        elif slicer.modules.has(module):
            roots = [(module, qualname.partition(".")[0]), *roots]
        found = slicer.slice(roots)
        released = {
            top: top[len(RELEASED) :][:32]
            for one in (module, *(one for one, _ in named))
            if (top := one.partition(".")[0]).startswith(RELEASED)
        }
        code = {**found.parts, **{f"{top}:release": digest for top, digest in released.items()}}
        if self._is_here:
            code |= replaced_parts(slicer.modules, found.parts)
        outside = {*found.outside, *libraries}
        if module.startswith("tidemill."):
            outside |= {"polars", "numpy"}
        return StepCode(
            code=code,
            order=found.sequence, packages=self._reached(outside, is_released=bool(released)),
            python=self.packages.python, tidemill=self._own, modules=found.modules,
            outside=tuple(sorted(outside)), executing=found.executing,
            step="" if source else f"{module}:{qualname}", libraries=tuple(sorted(libraries)),
            roots=tuple(sorted(f"{one}:{name}" for one, name in named)),
        )  # fmt: skip

    def _reached(self, outside: set[str], *, is_released: bool) -> dict[str, str]:
        """Return the distributions that are reached; of a release all, its imports are not seen."""
        if is_released:
            return self.packages.all()
        return self.packages.reached(sorted(outside))


def named_objects(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - spelled data
    """Yield what spelled arguments name as `module:qualname`."""
    if isinstance(value, str):
        match = _OBJECT.fullmatch(value) if ":" in value else None
        if match:
            yield match[1], match[2]
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from named_objects(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from named_objects(item)


def _class_of(codec: str) -> tuple[str, str]:
    module, _, name = codec.removeprefix("struct ").partition(":")
    return module, name


def _held(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the classes and functions in the bytes of a value in plain spelling."""
    for match in _IN_VALUE.finditer(data):
        yield match[1].decode(), match[2].decode()
