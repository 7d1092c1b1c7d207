"""Captured code: the source of a model's own class beside its files, so that it loads anywhere.

The class's module and the modules of the same project that it imports are kept as files. They are
loaded under a name of their own, so that two versions of one class live in one process, and the
project's present code is neither used nor shadowed.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import importlib
import linecache
import site
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tidemill.core.errors import CorruptError, InvalidInputError
from tidemill.practices.versioning.formats.cell_code import cell_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_OWN = Path(__file__).parents[3]
_CELL = "model_code"
_PREFIX = "tidemill_model_"


class CapturedCode:
    """Python files by their path, loaded apart from everything else that is imported."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Take sources by path: `steps/models.py`."""
        self.files = dict(sorted(files.items()))
        digest = hashlib.sha256()
        for path, source in self.files.items():
            digest.update(f"{path}\0{len(source)}\0".encode() + source)
        self._root = _PREFIX + digest.hexdigest()[:16]
        self._modules = {_module_name(path): path for path in self.files}

    @property
    def modules(self) -> tuple[str, ...]:
        """The names under which the project knows these modules."""
        return tuple(self._modules)

    def find(self, class_path: str) -> Any:  # noqa: ANN401 - a class
        """Return a class `MODULE:NAME`: of these files, else of what is installed.

        Raises:
            CorruptError: there is no such class.
        """
        module_name, _, name = class_path.partition(":")
        if self._is_captured(module_name):
            module = self.module(module_name)
        else:
            module = importlib.import_module(module_name)
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:
            raise CorruptError(f"the model's code has no {class_path}", fix="store the model again")
        return found

    def module(self, name: str) -> ModuleType:
        """Return a captured module, executed once in a process."""
        private = f"{self._root}.{name}" if name else self._root
        if private in sys.modules:
            return sys.modules[private]
        parent = self.module(name.rpartition(".")[0]) if name else None
        module = ModuleType(private)
        path = self._modules.get(name, "")
        is_package = not path or path.endswith("__init__.py")
        module.__package__ = private if is_package else private.rpartition(".")[0]
        if is_package:
            module.__path__ = []
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        sys.modules[private] = module
        if path:
            self._execute(module, path)
        if parent is not None:
            setattr(parent, name.rpartition(".")[2], module)
        return module

    def write(self, folder: Path) -> None:
        """Write the files below a folder."""
        for path, source in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source)

    @classmethod
    def read(cls, folder: Path) -> CapturedCode:
        """Read what `write` wrote; no folder: no code."""
        found = sorted(path for path in folder.rglob("*.py") if path.is_file())
        return cls({path.relative_to(folder).as_posix(): path.read_bytes() for path in found})

    def _execute(self, module: ModuleType, path: str) -> None:
        source = self.files[path].decode("utf-8")
        shown = f"<{self._root}>/{path}"
        module.__file__ = shown
        linecache.cache[shown] = (len(source), None, source.splitlines(keepends=True), shown)
        try:
            exec(compile(source, shown, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        except BaseException:  # as the import system does: no half-made module stays
            del sys.modules[module.__name__]
            raise

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - as Python calls it
        locals: Mapping[str, object] | None = None,  # noqa: A002 - as Python calls it
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        """Import for captured code: its own modules first, then everything as usual."""
        wanted = self._absolute(name, globals, level)
        if not self._is_captured(wanted):
            return builtins.__import__(name, globals, locals, fromlist, level)
        found = self.module(wanted)
        for part in fromlist or ():
            if not hasattr(found, part) and self._is_captured(f"{wanted}.{part}"):
                self.module(f"{wanted}.{part}")
        return found if fromlist else self.module(wanted.partition(".")[0])

    def _absolute(self, name: str, globals_: Mapping[str, object] | None, level: int) -> str:
        if not level:
            return name
        package = str((globals_ or {}).get("__package__", "")).removeprefix(self._root)
        parts = package.strip(".").split(".")
        above = ".".join(parts[: len(parts) - level + 1])
        return f"{above}.{name}".strip(".")

    def _is_captured(self, name: str) -> bool:
        return name in self._modules or any(one.startswith(f"{name}.") for one in self._modules)


def capture(kept: type) -> tuple[str, CapturedCode]:
    """Return the path `MODULE:NAME` of a class, and the code that defines it.

    What is installed is not captured: the environment of the run names it.

    Raises:
        InvalidInputError: the class is made inside a function, or its source cannot be found.
    """
    if kept.__module__.startswith(_PREFIX):
        return _captured_before(kept)
    if "<locals>" in kept.__qualname__:
        raise InvalidInputError(
            f"the class {kept.__qualname__} is made inside a function, so no file can name it",
            fix="define it at the top of a module or of a cell",
        )
    path = getattr(sys.modules.get(kept.__module__), "__file__", None)
    if kept.__module__ == "__main__" or path is None:
        files = {f"{_CELL}.py": cell_source(kept)}
        root = Path.cwd()
        files |= dict(_imported(root, f"{_CELL}.py", files[f"{_CELL}.py"], set(files)))
        return f"{_CELL}:{kept.__qualname__}", CapturedCode(files)
    file = Path(path).resolve()
    class_path = f"{kept.__module__}:{kept.__qualname__}"
    if _is_installed(file):
        return class_path, CapturedCode({})
    root = _root_of(file, kept.__module__)
    return class_path, CapturedCode(_closure(root, file.relative_to(root).as_posix()))


def _captured_before(kept: type) -> tuple[str, CapturedCode]:
    """Return the code of a class that was loaded from a model: the same again."""
    name = kept.__module__.partition(".")[2]
    importer = sys.modules[kept.__module__].__dict__["__builtins__"]["__import__"]
    return f"{name}:{kept.__qualname__}", importer.__self__


def _closure(root: Path, path: str) -> dict[str, bytes]:
    """Return a file, the packages around it, and what of the same folder it imports."""
    source = (root / path).read_bytes()
    files = {path: source, **_packages(root, path)}
    for around, text in list(files.items()):
        files |= dict(_imported(root, around, text, set(files)))
    return files


def _imported(root: Path, path: str, source: bytes, known: set[str]) -> Iterator[tuple[str, bytes]]:
    package = _module_name(path)
    if not path.endswith("__init__.py"):
        package = package.rpartition(".")[0]
    for name in _imports(source, package):
        base = root / name.replace(".", "/")
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            relative = file.relative_to(root).as_posix()
            if relative in known or not file.is_file() or _is_installed(file.resolve()):
                continue
            known.add(relative)
            text = file.read_bytes()
            yield relative, text
            for around, init in _packages(root, relative).items():
                if around not in known:
                    known.add(around)
                    yield around, init
            yield from _imported(root, relative, text, known)


def _imports(source: bytes, package: str) -> Iterator[str]:
    """Yield every module that a source may import, and every name that may be one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".") if package else []
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ([base] if base else [])
            yield from (f"{base}.{alias.name}".strip(".") for alias in node.names)


def _packages(root: Path, path: str) -> dict[str, bytes]:
    inits = [parent / "__init__.py" for parent in (root / path).parents if parent != root]
    return {
        init.relative_to(root).as_posix(): init.read_bytes()
        for init in inits
        if init.is_relative_to(root) and init.is_file()
    }


def _root_of(file: Path, module: str) -> Path:
    depth = module.count(".") + (file.name == "__init__.py")
    return file.parents[depth]


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _is_installed(file: Path) -> bool:
    places: list[str | Path] = [
        *site.getsitepackages(),
        *(sysconfig.get_path(k) for k in ("stdlib", "purelib")),
    ]
    places.append(_OWN)
    return any(file.is_relative_to(Path(place).resolve()) for place in places)
