"""The normal form of Python statements: equal where they do the same for certain.

Left out are positions, comments, docstrings, the spelling of literals, annotations (not those in
the body of a class, of functions whose decorators may read them, or that hold more than names), and
what local variables are called. An own dump, because `ast.dump` differs between Pythons.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from tidemill.kernels.python_names import (
    Scope,
    captured,
    is_plain_note,
    keeps_notes,
    notes_of,
    scope_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores", "lineno", "col_offset"})
_WORD = re.compile(r"\w+")
_BY_NAME = frozenset(
    {"locals", "vars", "dir", "eval", "exec", "_getframe", "currentframe", "stack", "globals"}
)
"""Whoever uses one of these may look at what locals are called."""
_SCOPES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp,
    ast.DictComp, ast.GeneratorExp,
)  # fmt: skip
_WITH_DOCSTRINGS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FIELDS_OUTSIDE = ("decorator_list", "bases", "keywords")


def normal_digest_of(node: ast.AST, nodes: Sequence[ast.AST] | None = None) -> str:
    r"""Return 32 hex digits of the normal form of a statement.

    >>> one, other = ast.parse("def f(a):\n  b = a\n  return b").body, ast.parse(
    ...     "def f(a):\n  'it'\n  c = (a)  # same\n  return c").body
    >>> normal_digest_of(one[0]) == normal_digest_of(other[0])
    True
    """
    dump = _Dump(ast.walk(node) if nodes is None else nodes)
    dump.put(node)
    return _digest(dump.parts)


def notes_digest_of(nodes: Iterable[ast.AST]) -> str:
    """Return the digest of annotations, for code that reads them; "" where there are none."""
    parts: list[str] = []
    for part in nodes:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            parts += [ast.unparse(note) for note in notes_of(part)]
        elif isinstance(part, ast.AnnAssign):
            parts.append(ast.unparse(part.annotation))
    return _digest(parts) if parts else ""


def docs_digest_of(nodes: Iterable[ast.AST]) -> str:
    """Return the digest of docstrings, for code that reads them; "" where there are none."""
    parts = [
        text
        for part in nodes
        if isinstance(part, _WITH_DOCSTRINGS)
        and (text := ast.get_docstring(part, clean=False)) is not None
    ]
    return _digest(parts) if parts else ""


def _digest(parts: Iterable[str]) -> str:
    return blake3("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


class _Dump:
    """Writes a tree as texts, with locals numbered in the order in which they are bound."""

    def __init__(self, whole: Iterable[ast.AST]) -> None:
        self.parts: list[str] = []
        self._scope: Scope | None = None
        self._numbers: dict[int, dict[str, str]] = {}
        self._kept = _kept_names(whole)
        self._scopes: list[Scope] = []  # keeps them alive, so that their ids stay theirs
        self._notes_count = False
        self._first: ast.AST | None = None

    def put(self, value: Any) -> None:  # noqa: ANN401 - a node, a list or a plain value
        """Write a part of a tree."""
        if isinstance(value, list):
            self.parts.append("[")
            for item in value:
                self.put(item)
            self.parts.append("]")
        elif isinstance(value, ast.AST):
            self._node(value)
        else:
            text = hex(value) if type(value) is int else repr(value)  # long ones have no repr
            self.parts.append(f"{type(value).__name__}={text}")

    def _node(self, node: ast.AST) -> None:
        before, decides = self._scope, self._notes_count
        if isinstance(node, _SCOPES):
            self._outside(node)
            self._scope = scope_of(node, before)
            self._scopes.append(self._scope)
            self._number(self._scope)
            self._first = getattr(node, "generators", [None])[0]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._notes_count = keeps_notes(node)
        self.parts.append(type(node).__name__)
        if isinstance(node, ast.Name):
            self.parts.append(self._called(node.id))
        else:
            self._fields(node)
        self.parts.append(";")
        self._scope, self._notes_count = before, decides

    def _is_written(self, node: ast.AST, field: str) -> bool:
        """Return whether a field was written before, in the scope outside."""
        if isinstance(node, ast.arguments):
            return field in {"defaults", "kw_defaults"}
        if node is self._first:
            return field == "iter"
        return isinstance(node, _SCOPES) and field in _FIELDS_OUTSIDE

    def _fields(self, node: ast.AST) -> None:
        renamed = set(captured(node))
        for name, value in ast.iter_fields(node):
            if name in _SKIPPED or value is None or value == []:
                continue
            if self._is_written(node, name):
                continue
            given: object = value
            if name == "body" and isinstance(node, _WITH_DOCSTRINGS):
                given = _without_docstring(value)
            elif name in {"annotation", "returns"} and not self._is_counted(node, value):
                continue
            self.parts.append(name)
            if isinstance(value, str) and value in renamed:
                self.parts.append(self._called(value))
            else:
                self.put(given)

    def _outside(self, node: ast.AST) -> None:
        """Write what belongs to a definition and is evaluated in the scope around it."""
        for field in _FIELDS_OUTSIDE:
            for part in getattr(node, field, ()):
                self.parts.append(field)
                self.put(part)
        given = getattr(node, "args", None)
        if isinstance(given, ast.arguments):
            self.parts.append("defaults")
            self.put([*given.defaults, None, *given.kw_defaults])
        for generator in getattr(node, "generators", [])[:1]:
            self.put(generator.iter)

    def _is_counted(self, node: ast.AST, note: ast.expr) -> bool:
        """Return whether an annotation may decide something."""
        if not is_plain_note(note):
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return self._notes_count
        if isinstance(node, ast.AnnAssign):
            return self._scope is not None and self._scope.kind == "class"
        return self._notes_count

    def _number(self, scope: Scope) -> None:
        if scope.kind == "class":
            return
        depth = sum(1 for _ in _outer(scope))
        kept = self._kept
        self._numbers[id(scope)] = {
            name: f"v{depth}.{place}"
            for place, name in enumerate(scope.stored)
            if kept is not None and name not in kept and scope.binds(name)
        }

    def _called(self, name: str) -> str:
        owner = self._scope.owner(name) if self._scope is not None else None
        return self._numbers.get(id(owner), {}).get(name, name) if owner is not None else name


def _outer(scope: Scope | None) -> Iterable[Scope]:
    while scope is not None:
        yield scope
        scope = scope.parent


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        return body[1:]
    return body


def _kept_names(whole: Iterable[ast.AST]) -> frozenset[str] | None:
    """Return names of locals that may be seen, as words of texts; None: all of them may be."""
    words: set[str] = set()
    for part in whole:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            words.update(_WORD.findall(part.value))
        elif (isinstance(part, ast.Name) and part.id in _BY_NAME) or (
            isinstance(part, ast.Attribute) and part.attr in _BY_NAME
        ):
            return None
    return frozenset(words)
