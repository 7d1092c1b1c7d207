"""Session code: a step that was defined in a notebook's cell or a script, as source to execute.

A worker imports modules of the project by name; what `__main__` defines has none. So it gets the
statements: the step's own, and whatever they name of the session, transitively: functions, classes,
imports, and constants by their value. A name that is none of these (a frame, a fitted model) is
refused, because a result would silently depend on it. Never a pickle.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import dis
import importlib
import inspect
import linecache
import sys
import textwrap
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import InvalidInputError
from tidemill.ports.executor import SourcePiece
from tidemill.practices.infrastructure.session import notebook_shell
from tidemill.practices.pipelines.session_bound import with_bound_values
from tidemill.practices.pipelines.session_refusals import (
    refuse_changed_class,
    refuse_closure,
    refuse_hidden_reads,
)
from tidemill.practices.pipelines.spelling import Speller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

MAIN = "__main__"
LARGEST_CONSTANT_BYTES = 64 * 1024
_GLOBAL_READS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_FUTURE = "from __future__ import annotations"
_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def session_source(
    function: Callable[..., Any], also: Iterable[str] = ()
) -> tuple[SourcePiece, ...]:
    """Return the statements that define a function of `__main__`, in the order to execute them.

    `also` are names of the session that its arguments need: functions and classes.

    Raises:
        InvalidInputError: its source is not kept, or it reads a global that is no function, class,
            module or constant; names it.
    """
    collected = _Collected(function.__name__)
    collected.add(function.__name__, getattr(sys.modules[MAIN], function.__name__, function))
    for name in also:
        collected.add(name, getattr(sys.modules[MAIN], name))
    return tuple(collected.pieces.values())


class _Collected:
    """The statements so far, by the name that each binds; what one needs stands before it."""

    def __init__(self, step: str) -> None:
        self._step, self._session = step, vars(sys.modules[MAIN])
        self._met: set[str] = set()
        self.pieces: dict[str, SourcePiece] = {}

    def add(self, name: str, value: object) -> None:
        """Add what binds a name, and first what that needs itself."""
        if name in self._met:
            return
        self._met.add(name)
        defined = _defined(value)
        if isinstance(value, ModuleType):
            piece = _written("\n".join(_imports_of(name, value)))
        elif defined is not None:
            piece = self._definition(name, defined)
        elif (place := _importable(value)) is not None:
            piece = _written(f"from {place[0]} import {place[1]} as {name}")
        else:
            piece = self._constant(name, value)
        self.pieces[name] = piece

    def _definition(self, name: str, defined: type | FunctionType) -> SourcePiece:
        refuse_closure(self._step, name, defined)
        found = _statement(defined)
        if found is None:
            raise InvalidInputError(
                f"step {self._step} needs {name}, whose source this session does not keep",
                fix="define it in a cell or a module, not at a prompt or with exec",
            )
        piece, flags = found
        code = compile(piece.text, piece.label, "exec", flags, dont_inherit=True)
        refuse_hidden_reads(self._step, name, code, frozenset(self._session))
        if isinstance(defined, type):
            refuse_changed_class(self._step, defined, piece)
        piece = with_bound_values(self._step, defined, piece, self._session, _is_constant)
        for used in _globals_of(piece, flags):
            if used in self._session:
                self.add(used, self._session[used])
        return msgspec.structs.replace(piece, text=f"{_FUTURE}; " * bool(flags) + piece.text)

    def _constant(self, name: str, value: object) -> SourcePiece:
        for kind in type(value).__mro__[:-1]:
            if kind.__module__ == MAIN:
                self.add(kind.__name__, kind)
        try:
            data = canonical_json(Speller(name).spell(value))
        except InvalidInputError:
            data = None
        if data is None or len(data) > LARGEST_CONSTANT_BYTES:
            kind = type(value)
            raise InvalidInputError(
                f"step {self._step} reads the global {name}, a {kind.__module__}."
                f"{kind.__qualname__} of this session; a change of it would not be noticed",
                fix=f"give the step a parameter {name}, and pass it: {self._step}({name}=...)",
            )
        return _written(
            "import msgspec as _msgspec, tidemill.practices.pipelines.spelling as _spelling\n"
            f"{name} = _spelling.read(_msgspec.json.decode({data!r}))"
        )


def _written(text: str) -> SourcePiece:
    return SourcePiece(label="<session>", line=1, text=text)


def _defined(value: object) -> type | FunctionType | None:
    """Return the class or function of `__main__` that a value is, or that it wraps."""
    if isinstance(value, type):
        return value if value.__module__ == MAIN else None
    if getattr(value, "__module__", None) != MAIN or not callable(value):
        return None
    function = inspect.unwrap(value)
    is_own = isinstance(function, FunctionType) and function.__module__ == MAIN
    return function if is_own else None


def _is_constant(value: object) -> bool:
    """Whether a value of the session is neither module, function nor class."""
    is_found = isinstance(value, ModuleType | type) or _defined(value) is not None
    return not (is_found or _importable(value))


def _imports_of(name: str, module: ModuleType) -> Iterator[str]:
    """Yield imports of a module, with those submodules that the session has imported by name."""
    yield f"import {module.__name__} as {name}"
    for _, tree in _sources():
        for node in ast.walk(tree):
            for alias in node.names if isinstance(node, ast.Import) else ():
                if alias.asname is None and alias.name.startswith(f"{name}."):
                    yield f"import {alias.name}"


def _importable(value: object) -> tuple[str, str] | None:
    """Return module and name by which anybody can import a function or class."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    name = name or getattr(value, "__name__", None)
    for place in (module, type(value).__module__):
        if not isinstance(place, str) or not isinstance(name, str) or place == MAIN:
            continue
        try:
            if getattr(importlib.import_module(place), name, None) is value:
                return place, name
        except ImportError:
            continue
    return None


def _statement(defined: type | FunctionType) -> tuple[SourcePiece, int] | None:
    """Return the statement that made a function or class, and its `__future__` flags."""
    if isinstance(defined, FunctionType):
        code = defined.__code__
        flags = code.co_flags & __future__.annotations.compiler_flag
        lines = linecache.getlines(code.co_filename)
        tree = _parsed("".join(lines)) if lines else None
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.stmt) and _is_made_at(node, code.co_firstlineno):
                return _piece(node, lines, code.co_filename), flags
        return None
    for file, tree in _sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == defined.__name__:
                is_future = any(
                    isinstance(one, ast.ImportFrom) and one.module == "__future__"
                    for one in tree.body
                )
                flags = __future__.annotations.compiler_flag if is_future else 0
                return _piece(node, linecache.getlines(file), file), flags
    return None


def _is_made_at(node: ast.stmt, line: int) -> bool:
    """Return whether a function that begins in a line was made by this statement."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _first_line(node) == line
    is_bound = isinstance(node, ast.Assign | ast.AnnAssign)
    return is_bound and node.lineno <= line <= (node.end_lineno or node.lineno)


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _piece(node: ast.stmt, lines: Sequence[str], file: str) -> SourcePiece:
    first = _first_line(node)
    text = textwrap.dedent("".join(lines[first - 1 : node.end_lineno]))
    return SourcePiece(label=_label(file), line=first, text=text)


def _label(file: str) -> str:
    """Return where a statement stands as people say it: `cell [3]`, else the file."""
    shell = notebook_shell()
    numbers: Mapping[str, int] = getattr(getattr(shell, "compile", None), "_filename_map", {})
    return f"cell [{numbers[file]}]" if file in numbers else file


def _sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield the session's sources, the newest cell first, with the names of their files."""
    shell = notebook_shell()
    numbers: Mapping[str, int] = getattr(getattr(shell, "compile", None), "_filename_map", {})
    files = sorted(numbers, key=lambda file: numbers[file], reverse=True)
    script = getattr(sys.modules[MAIN], "__file__", None)
    for file in files or ([script] if isinstance(script, str) else []):
        tree = _parsed("".join(linecache.getlines(file)))
        if tree is not None:
            yield file, tree


def _parsed(source: str) -> ast.Module | None:
    try:
        tree = compile(source, "<session>", "exec", _AWAIT | ast.PyCF_ONLY_AST, dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return tree if isinstance(tree, ast.Module) else None


def _globals_of(piece: SourcePiece, flags: int) -> Iterator[str]:
    """Yield the global names that a statement reads, now or when what it defines is called."""
    waiting = [compile(piece.text, piece.label, "exec", flags, dont_inherit=True)]
    while waiting:
        code = waiting.pop()
        waiting += [one for one in code.co_consts if isinstance(one, CodeType)]
        for instruction in dis.get_instructions(code):
            name = instruction.argval
            if instruction.opname in _GLOBAL_READS and not hasattr(builtins, str(name)):
                yield str(name)
