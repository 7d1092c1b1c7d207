"""Cell code: the source of a class that was written in a notebook or in the script that runs.

Such a module cannot be executed again for the class alone (it trains, it draws), so only the class
and what it names are kept: imports, functions, classes and plain constants.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from tidemill.core.errors import InvalidInputError

_Definition = (ast.ClassDef, ast.FunctionDef)

if TYPE_CHECKING:
    from collections.abc import Iterator


def cell_source(kept: type) -> bytes:
    """Return a module that defines a class of `__main__`, and nothing that it does not need.

    Raises:
        InvalidInputError: its source cannot be found, or it uses a variable that is no constant.
    """
    found: dict[str, str] = {}
    _add(kept.__name__, kept, vars(sys.modules[kept.__module__]), found)
    imports = sorted(text for text in found.values() if text.startswith(("import ", "from ")))
    rest = [text for text in found.values() if not text.startswith(("import ", "from "))]
    return "\n\n".join(["from __future__ import annotations", *imports, *rest, ""]).encode()


def _add(name: str, value: object, names: dict[str, Any], found: dict[str, str]) -> None:
    """Add what defines a name, after everything that it names itself."""
    if name in found:
        return
    home = getattr(value, "__module__", None)
    if isinstance(value, ModuleType):
        found[name] = f"import {value.__name__} as {name}"
    elif isinstance(value, type | FunctionType) and home == names.get("__name__"):
        node, source = _node(value)
        found[name] = ""  # it may name itself
        for used in sorted(_names(node)):
            if used in names and used not in vars(builtins):
                _add(used, names[used], names, found)
        del found[name]
        found[name] = source
    elif home and hasattr(value, "__qualname__"):
        found[name] = f"from {home} import {value.__qualname__} as {name}"
    else:
        found[name] = f"{name} = {_constant(name, value)}"


def _node(value: type | FunctionType) -> tuple[ast.AST, str]:
    """Return a definition's syntax and text, from the file or cell that made it."""
    functions = [value] if isinstance(value, FunctionType) else _functions(value)
    for function in functions:
        lines = linecache.getlines(function.__code__.co_filename)
        for node in ast.parse("".join(lines)).body if lines else ():
            if isinstance(node, _Definition) and node.name == value.__name__:
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                return node, "".join(lines[first - 1 : node.end_lineno])
    raise InvalidInputError(
        f"the source of {value.__qualname__} cannot be found, so it cannot be kept with the model",
        fix="define it in a module of the project, and import it",
    )


def _functions(kept: type) -> Iterator[FunctionType]:
    for member in vars(kept).values():
        function = getattr(member, "__func__", getattr(member, "fget", member))
        if isinstance(function, FunctionType):
            yield function


def _names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _constant(name: str, value: object) -> str:
    text = repr(value)
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise InvalidInputError(
            f"the model's class uses {name}, which is a {type(value).__name__} of this session",
            fix=f"give {name} to the class as configuration, or keep it in one of its files",
        ) from None
    return text
