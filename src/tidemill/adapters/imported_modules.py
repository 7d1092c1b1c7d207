"""Which modules of a folder its other modules import, as far as their source says it.

`import a.b`, `from a import b`, relative ones and those inside functions are seen; what a program
puts together while it runs (`importlib.import_module(name)`) is only where the name is a literal.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_BY_CALL = frozenset({"import_module", "__import__"})


def imported_ones(
    known: Iterable[Path], others: Sequence[Path], folders: Sequence[Path]
) -> list[Path]:
    """Return those of `others` that the modules in `known` import, directly or by one another.

    Args:
        known: where imports are looked for first.
        others: modules that may be imported.
        folders: where imports begin: the folders on the path.

    Linear in the sources read: those of `known`, and of what is returned.
    """
    places = {name: path for path in others for name in _names(path, folders)}
    found: dict[Path, None] = {}
    waiting = [path for path in known if path.suffix == ".py"]
    while waiting and places:
        path = waiting.pop()
        for module in _with_packages(_imports(path, folders)):
            other = places.get(module)
            if other is not None and other not in found:
                found[other] = None
                waiting += [other] if other.suffix == ".py" else []
    return sorted(found)


def _names(path: Path, folders: Sequence[Path]) -> Iterator[str]:
    """Yield the dotted names by which a file can be imported, by the folder on the path."""
    for folder in folders:
        if path.is_relative_to(folder):
            parts = [*path.relative_to(folder).parent.parts, path.name.partition(".")[0]]
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _with_packages(modules: Iterable[str]) -> Iterator[str]:
    """Yield each module and the packages above it, which are imported with it."""
    for module in modules:
        parts = module.split(".")
        yield from (".".join(parts[:end]) for end in range(len(parts), 0, -1))


def _imports(path: Path, folders: Sequence[Path]) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # importing it says what is wrong
        return
    own = list(_names(path, folders))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(node, own, is_package=path.name == "__init__.py")
        elif isinstance(node, ast.Call):
            yield from _called(node)


def _from(node: ast.ImportFrom, own: Sequence[str], *, is_package: bool) -> Iterator[str]:
    """Yield what `from X import a, b` may import: X, X.a, X.b."""
    bases = [node.module or ""]
    if node.level:
        up = node.level - is_package
        above = [name.split(".")[: len(name.split(".")) - up] for name in own]
        bases = [".".join([*parts, *filter(None, [node.module])]) for parts in above]
    for base in bases:
        yield base
        yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def _called(node: ast.Call) -> Iterator[str]:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    first = node.args[0] if node.args else None
    if name in _BY_CALL and isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield first.value
