"""The project's own code: its modules are imported once, its declarations found by their type."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast, overload

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.extras import EXTRAS, installing
from tidemill.lineage.suggestions import closest
from tidemill.practices.infrastructure.session import session_module, session_script
from tidemill.practices.infrastructure.source_loading import load_from_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tidemill.lineage.record import Record

T = TypeVar("T")

_LOOKS_LIKE_OURS = re.compile(rb"^\s*(?:import|from)\s+tidemill\b", re.MULTILINE)
"""What is asked of a module that cannot be parsed, so that importing it tells what is wrong."""
_RUNS_US = re.compile(
    rb"^(?:with\s+)?(?:\w+\s*=\s*)?(?:tm|tidemill)\."
    rb"(?:run|autolog|open|run_pipeline|add_data|add_model|deploy|promote)\(",
    re.MULTILINE,
)
"""The top level of a script: it does something, so importing it for what it declares would too."""
_LOADED: dict[Path, tuple[ModuleType, ...]] = {}
_FIRST: set[Path] = set()
"""The folder that was last put first on the path: modules of it may be loaded, also where one of
them failed."""


def project_root(record: Record) -> Path:
    """Return the project's folder."""
    return record.ports.workspace.root


def code_folder(record: Record) -> Path:
    """Return the folder of the project's own modules (setting `project.code`)."""
    return (project_root(record) / record.settings.text("project.code")).resolve()


@overload
def declared(
    record: Record, type_: type[T], *, class_objects: Literal[False] = False
) -> dict[str, T]: ...
@overload
def declared(
    record: Record, type_: type[T], *, class_objects: Literal[True]
) -> dict[str, type[T]]: ...
def declared(
    record: Record, type_: type[T], *, class_objects: bool = False
) -> dict[str, T] | dict[str, type[T]]:
    """Return what the project's modules declare of a type, by name.

    With `class_objects` that is its subclasses, else its instances. The name is the object's
    `name` attribute, else that of its variable.

    Raises:
        InvalidInputError: a module cannot be imported (names file and line), or two declarations
            have one name.
    """
    found: dict[str, object] = {}
    session = session_module()
    for module in (*project_modules(record), *([session] if session else [])):
        private = "_" if module is session else "__"  # a notebook keeps what it showed as _3
        for variable, value in vars(module).items():
            is_declared = _is_declared(value, type_, of_class=class_objects)
            if variable.startswith(private) or not is_declared:
                continue
            name = _name_of(value, variable)
            if found.setdefault(name, value) is not value:
                raise InvalidInputError(
                    f"two declarations are called {name!r}; one is in {module.__name__}.py",
                    fix="rename one of them",
                )
    return cast("dict[str, T]", found)


def project_modules(record: Record) -> tuple[ModuleType, ...]:
    """Return the project's modules, imported once a process.

    They are the `*.py` files of the code folder that import tidemill, without tests and without
    scripts, whose top level runs something of tidemill; the setting `project.modules` names them
    instead. Raises as `declared`.
    """
    folder = code_folder(record)
    if folder not in _LOADED:
        named = record.settings.text("project.modules")
        names = [name.strip() for name in named.split(",") if name.strip()]
        _LOADED[folder] = import_modules(folder, names or list(own_modules(folder)))
    return _LOADED[folder]


def import_modules(folder: Path, names: list[str]) -> tuple[ModuleType, ...]:
    """Import modules of a folder, which comes first on the path. Raises as `declared`."""
    _make_first(folder)
    return tuple(_imported(folder, name) for name in names)


def object_path(value: object) -> str:
    """Return where an object of a module can be found again, `module:qualname`.

    >>> object_path(object_path)
    'tidemill.practices.infrastructure.project:object_path'
    """
    return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', '')}"


def declared_at(path: str, type_: type[T]) -> T:
    """Return what is declared at `module:qualname`, where the code folder is on the path already.

    For steps: a worker has the project's code folder on its path.

    Raises:
        InvalidInputError: there is nothing of this type.
    """
    module, _, qualname = path.partition(":")
    found: object = importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type_):
        raise InvalidInputError(
            f"{path} is no {type_.__name__}", fix=f"declare it at the top of {module}.py"
        )
    return found


def load_object(path: str, folder: Path) -> object:
    """Return the object at `module:qualname`, with a project's code folder first on the path.

    Raises:
        InvalidInputError: the module cannot be imported.
        NotFoundError: the module has no such object; names the closest.
    """
    module_name, _, qualname = path.partition(":")
    _make_first(folder.resolve())
    found: object = _imported(folder.resolve(), module_name)
    for part in qualname.split("."):
        if not hasattr(found, part):
            near = closest(part, [name for name in dir(found) if name[0] != "_"])
            raise NotFoundError(
                f"{module_name} has no {qualname!r}",
                fix=f"did you mean {near}?" if near else f"define it in {module_name}.py",
            )
        found = getattr(found, part)
    return found


def own_modules(folder: Path) -> Iterator[str]:
    """Yield the names of a folder's modules that import tidemill, without tests."""
    running = session_script()
    for path in sorted(folder.glob("*.py")):
        is_test = path.name.startswith("test_") or path.name == "conftest.py"
        if is_test or not path.stem.isidentifier() or path.resolve() == running:
            continue
        source = path.read_bytes()
        if _imports_us(source) and not _RUNS_US.search(source):
            yield path.stem


def _imports_us(source: bytes) -> bool:
    """Return whether a module imports tidemill, in whatever way Python allows it to be written."""
    if b"tidemill" not in source:
        return False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return _LOOKS_LIKE_OURS.search(source) is not None
    return any(name.partition(".")[0] == "tidemill" for name in _imported_names(tree))


def _imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def _is_declared(value: object, type_: type, *, of_class: bool) -> bool:
    if of_class:
        return isinstance(value, type) and issubclass(value, type_) and value is not type_
    return isinstance(value, type_)


def _name_of(value: object, variable: str) -> str:
    name = getattr(value, "name", None)
    return name if isinstance(name, str) and name else variable


def _make_first(folder: Path) -> None:
    """Put a code folder first on the path, and forget modules of the one before."""
    load_from_source(folder)
    text = str(folder)
    if sys.path[:1] != [text]:
        sys.path[:] = [text, *(entry for entry in sys.path if entry != text)]
        importlib.invalidate_caches()
    others = _FIRST - {folder}
    _FIRST.clear()
    _FIRST.add(folder)
    for other in others:
        _LOADED.pop(other, None)
        for name, module in list(sys.modules.items()):
            if _is_below(module, other) and not _is_below(module, folder):
                del sys.modules[name]


def _is_below(module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return False
    path = Path(file)
    return path.is_relative_to(folder) and "site-packages" not in path.parts


def _imported(folder: Path, name: str) -> ModuleType:
    known = sys.modules.get(name)
    own_file = folder / f"{name.replace('.', '/')}.py"
    if known is not None and own_file.exists() and not _is_below(known, folder):
        raise InvalidInputError(
            f"{own_file.name} has the name of a module that Python has loaded from elsewhere",
            fix=f"rename {own_file.name}",
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            raise NotFoundError(
                f"there is no module {name} in {folder.name}/",
                fix="check [project] code and modules in tidemill.toml",
            ) from error
        raise _import_failed(folder, name, error) from error
    except (Exception, SystemExit) as error:  # user code runs here: anything may come out
        raise _import_failed(folder, name, error) from error


def _import_failed(folder: Path, name: str, error: BaseException) -> InvalidInputError:
    where = f"{name}.py"
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{Path(error.filename).name}:{error.lineno}"
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            path = Path(frame.filename)
            if path.is_relative_to(folder):
                where = f"{path.relative_to(folder)}:{frame.lineno}"
    message = error.msg if isinstance(error, SyntaxError) else str(error).partition("\n  fix:")[0]
    return InvalidInputError(
        f"{where} cannot be imported: {type(error).__name__}: {message}",
        fix=getattr(error, "fix", "")
        or _installing(error)
        or f"correct {where}; `python -c 'import {name}'` shows all"
        f"{_left_out(folder, name, error)}",
    )


def _left_out(folder: Path, name: str, error: BaseException) -> str:
    """Return how a script is no module of the project, where a module fails while it runs."""
    if isinstance(error, SyntaxError):
        return ""
    others = ", ".join(one for one in own_modules(folder) if one != name) or "NAME, NAME"
    return (
        f'. If {name}.py is a script, put what it runs below `if __name__ == "__main__":`, or'
        f' leave it out in tidemill.toml: [project] modules = "{others}"'
    )


def _installing(error: BaseException) -> str:
    """Return the command that installs a library that is missing, where an extra brings it."""
    missing = (getattr(error, "name", None) or "").partition(".")[0]
    is_missing = isinstance(error, ModuleNotFoundError) and missing in EXTRAS
    return installing(missing) if is_missing else ""
