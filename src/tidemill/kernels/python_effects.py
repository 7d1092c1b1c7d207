"""Effects: what a statement at the top level of a module may change while it is executed.

Bodies of functions are not executed then; those of classes are.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tidemill.kernels.python_names import Reads, chain_of, is_harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

_STORES = frozenset({"setattr", "delattr", "next"})
_UNKNOWN = frozenset({"eval", "exec", "globals", "locals", "vars", "__import__"})
_PATH = frozenset({"sys.path", "=sys.path", "sys.meta_path", "sys.path_hooks"})
_QUIET = frozenset(
    [
        "get",
        "keys",
        "values",
        "items",
        "copy",
        "index",
        "count",
        "split",
        "strip",
        "lower",
        "upper",
        "format",
        "join",
        "startswith",
        "endswith",
        "replace",
        "encode",
        "decode",
        "title",
        "rsplit",
        "splitlines",
        "union",
        "intersection",
        "difference",
    ]
)
"""Methods of built-in types that change nothing."""


class Effects:
    """Collects of one statement what it touches, calls, passes on, and is a subclass of."""

    def __init__(self) -> None:
        self.touched: set[str] = set()
        self.called: set[str] = set()
        self.bases: set[str] = set()
        self.passed: set[str] = set()
        self.is_unknown = False
        self.discards = False
        self.runs = False
        self._harmless: set[ast.expr] = set()

    def read(self, node: ast.stmt) -> Effects:
        """Collect of a statement; returns itself."""
        for part in _executed(node):
            self._part(part)
        if not self.touched.isdisjoint(_PATH):
            self.is_unknown = True  # which modules are found changes
        return self

    def _part(self, part: ast.AST) -> None:
        if isinstance(part, ast.Call):
            if part not in self._harmless:
                self._call(part)
        elif isinstance(part, ast.Expr):
            self.discards = self.discards or isinstance(part.value, ast.Call | ast.Await)
        elif isinstance(part, ast.Attribute | ast.Subscript):
            if not isinstance(part.ctx, ast.Load):
                self._store(part)
        elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._definition(part)
        elif isinstance(part, ast.With | ast.AsyncWith):
            self.runs = True
            self.discards = True

    def _definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            before = self.runs
            self._callee(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if is_harmless(decorator):
                self.runs = before
                self._harmless.add(decorator)
        if isinstance(node, ast.ClassDef):
            self.bases |= set(Reads().read(node.bases).found)
            for keyword in node.keywords:
                for path in Reads().read([keyword.value]).found:
                    self.called.add(path)  # a metaclass

    def _call(self, node: ast.Call) -> None:
        self.runs = True
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _UNKNOWN:
            self.is_unknown = True
        is_quiet = isinstance(node.func, ast.Attribute) and node.func.attr in _QUIET
        if not is_quiet:
            self._callee(node.func)
        for given in (*node.args, *(keyword.value for keyword in node.keywords)):
            root = _root(given)
            if root and name in _STORES:
                self.touched.add(_stored(root, node))
            elif root and not is_quiet:
                self.passed.add(root)

    def _callee(self, function: ast.expr) -> None:
        """Take what is called, and what its method belongs to."""
        self.runs = True
        root = _root(function)
        if root is None:
            return
        self.called.add(root)
        chain = chain_of(function)
        if isinstance(function, ast.Attribute) and chain is None:
            self.touched.add(root)
        elif chain is not None and chain[1]:
            self.touched.add(".".join([chain[0], *chain[1][:-1]]))

    def _store(self, node: ast.Attribute | ast.Subscript) -> None:
        chain = chain_of(node)
        root = ".".join([chain[0], *chain[1]]) if chain else _root(node)
        if root is None or root == "sys.modules":
            self.is_unknown = True
        else:
            self.touched.add(f"={root}")


def _stored(root: str, node: ast.Call) -> str:
    """Return what `setattr(root, "name", ...)` stores to; all of it, where the name is unknown."""
    name = node.args[1] if len(node.args) > 1 else None
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        return f"={root}.{name.value}"
    return f"={root}.*"


def _root(node: ast.expr) -> str | None:
    """Return the dotted name that an expression starts from: `a.b` of `a.b[0].c().d`."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Await | ast.Call):
        chain = chain_of(node)
        if chain is not None:
            return ".".join([chain[0], *chain[1]])
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is executed with a statement: all but the bodies of functions."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for default in (*node.args.defaults, *(one for one in node.args.kw_defaults if one)):
            yield from _executed(default)
        for decorator in getattr(node, "decorator_list", ()):
            yield from _executed(decorator)
        return
    for part in ast.iter_child_nodes(node):
        yield from _executed(part)
