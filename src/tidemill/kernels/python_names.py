"""Names that a piece of Python reads from its module, and those that are its own locals.

By the scope rules of Python, from the syntax alone; nothing is compiled or executed.
Source: The Python Language Reference, 4.2 (naming and binding).
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
PLAIN_NOTES = (
    ast.Name, ast.Attribute, ast.Subscript, ast.BinOp, ast.BitOr, ast.Constant, ast.Tuple,
    ast.List, ast.Load, ast.Starred,
)  # fmt: skip
HARMLESS_DECORATORS = frozenset(
    [
        "staticmethod",
        "classmethod",
        "property",
        "override",
        "final",
        "cache",
        "lru_cache",
        "cached_property",
        "wraps",
        "contextmanager",
        "step",
        "pipeline",
        "abstractmethod",
        "setter",
        "getter",
        "deleter",
    ]
)
"""Those that read no annotation of what they decorate."""
_QUERIES = frozenset({"query", "eval", "sql", "evaluate"})
"""Methods that look up names in a text: of pandas, Polars, DuckDB, numexpr."""
_LOOKED_UP = re.compile(r"@(\w+)")
_WORD = re.compile(r"[A-Za-z_]\w*")


def import_path(level: int, module: str, attribute: str, rest: str = "") -> str:
    """Return how a read of an import is spelled: `>LEVEL:MODULE:ATTRIBUTES`.

    >>> import_path(0, "numpy", "", "mean"), import_path(1, "shapes", "area")
    ('>0:numpy:mean', '>1:shapes:area')
    """
    return f">{level}:{module}:{'.'.join(part for part in (attribute, rest) if part)}"


class Scope:
    """One scope: what it binds, and how."""

    def __init__(self, kind: str, parent: Scope | None) -> None:
        self.kind, self.parent = kind, parent
        self.stored: dict[str, None] = {}
        """Bound by assignment, in order: these may be called anything."""
        self.fixed: set[str] = set()
        """Parameters, and definitions, whose names can be seen."""
        self.imports: dict[str, list[str]] = {}
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()

    def binds(self, name: str) -> bool:
        """Return whether a name is one of this scope."""
        if name in self.globals or name in self.nonlocals:
            return False
        return name in self.stored or name in self.fixed or name in self.imports

    def owner(self, name: str) -> Scope | None:
        """Return the scope that a name belongs to; None: the module, or a builtin."""
        scope: Scope | None = self
        is_first = True
        while scope is not None:
            if name in scope.globals:
                return None
            if scope.binds(name) and (scope.kind != "class" or is_first):
                return scope
            is_first = is_first and scope.kind == "comprehension"
            scope = scope.parent
        return None


def scope_of(node: ast.AST, parent: Scope | None) -> Scope:
    """Return the scope that a function, class or comprehension opens."""
    if isinstance(node, _COMPREHENSIONS):
        scope = Scope("comprehension", parent)
        for generator in node.generators:
            for part in ast.walk(generator.target):
                if isinstance(part, ast.Name):
                    scope.stored.setdefault(part.id)
        return scope
    scope = Scope("class" if isinstance(node, ast.ClassDef) else "function", parent)
    if isinstance(node, FunctionNode):
        scope.fixed |= {argument.arg for argument in arguments_of(node.args)}
    for part in own_parts(node):
        _bind(scope, part)
    for name in scope.fixed | set(scope.imports):
        scope.stored.pop(name, None)
    return scope


def arguments_of(given: ast.arguments) -> Iterator[ast.arg]:
    """Yield all parameters of a function."""
    yield from (*given.posonlyargs, *given.args, *given.kwonlyargs)
    yield from (one for one in (given.vararg, given.kwarg) if one is not None)


def own_parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that are executed in the scope of a function or class body, itself left out.

    Bodies of nested definitions and targets of comprehensions are not among them.
    """
    body = node.body if isinstance(node, (*_DEFINITIONS, ast.Lambda)) else [node]
    waiting: list[ast.AST] = list(reversed(body)) if isinstance(body, list) else [body]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(list(_inner(part))))


def _inner(part: ast.AST) -> Iterator[ast.AST]:
    if isinstance(part, _DEFINITIONS):
        yield from part.decorator_list
        if isinstance(part, ast.ClassDef):
            yield from (*part.bases, *part.keywords)
        else:
            yield from _defaults(part.args)
    elif isinstance(part, ast.Lambda):
        yield from _defaults(part.args)
    elif isinstance(part, _COMPREHENSIONS):
        yield from (walrus for walrus in ast.walk(part) if isinstance(walrus, ast.NamedExpr))
        yield part.generators[0].iter
    else:
        yield from ast.iter_child_nodes(part)


def _defaults(given: ast.arguments) -> Iterator[ast.expr]:
    yield from (one for one in (*given.defaults, *given.kw_defaults) if one is not None)


def _bind(scope: Scope, part: ast.AST) -> None:
    if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
        scope.stored.setdefault(part.id)
    elif isinstance(part, _DEFINITIONS):
        scope.fixed.add(part.name)
    elif isinstance(part, ast.Import | ast.ImportFrom):
        for bound, path in imported(part):
            scope.imports.setdefault(bound, []).append(path)
    elif isinstance(part, ast.Global):
        scope.globals |= set(part.names)
    elif isinstance(part, ast.Nonlocal):
        scope.nonlocals |= set(part.names)
    else:
        for name in captured(part):
            scope.stored.setdefault(name)


def comprehension_parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a comprehension that belong to its own scope."""
    generators: list[ast.comprehension] = getattr(node, "generators", [])
    for place, generator in enumerate(generators):
        yield from (generator.target, *generator.ifs, *([generator.iter] if place else []))
    yield from (part for part in ast.iter_child_nodes(node) if part not in generators)


def captured(part: ast.AST) -> Iterator[str]:
    """Yield names that a node binds as a text: of `except ... as`, of patterns."""
    if isinstance(part, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and part.name:
        yield part.name
    elif isinstance(part, ast.MatchMapping) and part.rest:
        yield part.rest


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield what an import binds, and the path of what it binds it to; not of `*`."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            top = alias.name.partition(".")[0]
            yield alias.asname or top, import_path(0, alias.name if alias.asname else top, "")
        elif alias.name != "*":
            path = import_path(node.level, node.module or "", alias.name)
            yield alias.asname or alias.name, path


def chain_of(node: ast.AST) -> tuple[str, list[str]] | None:
    """Return the name and attributes of `name.attribute.attribute`; None: it is no such thing."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, attributes[::-1]) if isinstance(node, ast.Name) else None


def keeps_notes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether annotations of a function may decide: a decorator of others may read them."""
    return not all(is_harmless(one) for one in node.decorator_list)


def is_harmless(decorator: ast.expr) -> bool:
    """Return whether a decorator is one of those that look at nothing but the function's result."""
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    chain = chain_of(node)
    return chain is not None and [chain[0], *chain[1]][-1] in HARMLESS_DECORATORS


def is_plain_note(annotation: ast.expr) -> bool:
    """Return whether an annotation only names types, so that it decides nothing by itself."""
    return all(
        isinstance(part, PLAIN_NOTES)
        and not (isinstance(part, ast.Constant) and not isinstance(part.value, str | None))
        for part in ast.walk(annotation)
    )


class Reads(ast.NodeVisitor):
    """Collects what nodes read of their module; local imports are followed to what they name."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}
        self.maybe: dict[str, None] = {}
        """Read of the module only where that binds them: a class body may, or a text names it."""
        self._scope: Scope | None = None

    def read(self, nodes: Iterable[ast.AST]) -> Reads:
        """Collect of nodes; returns itself."""
        for node in nodes:
            self.visit(node)
        return self

    def visit_Name(self, node: ast.Name) -> None:
        """Take a name that is read."""
        if isinstance(node.ctx, ast.Load):
            self._take(node.id, [])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Take a dotted name."""
        chain = chain_of(node)
        if chain is None:
            self.visit(node.value)
        else:
            self._take(*chain)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Take names that a text tells pandas to look up: `@NAME`."""
        if isinstance(node.value, str) and "@" in node.value:
            self.maybe |= dict.fromkeys(_LOOKED_UP.findall(node.value))

    def visit_Call(self, node: ast.Call) -> None:
        """Take `getattr(NAME, "constant")` as the attribute that it is, and names in queries."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in _QUERIES:
            for part in node.args:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    self.maybe |= dict.fromkeys(_WORD.findall(part.value))
        is_getattr = isinstance(node.func, ast.Name) and node.func.id in {"getattr", "hasattr"}
        chain = chain_of(node.args[0]) if is_getattr and len(node.args) > 1 else None
        name = node.args[1].value if chain and isinstance(node.args[1], ast.Constant) else None
        if chain is None or not isinstance(name, str):
            self.generic_visit(node)
            return
        self._take(chain[0], [*chain[1], name])
        for part in node.args[2:]:
            self.visit(part)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Take what a function needs, now and when it is called; annotations do not count."""
        self._function(node)

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815 - as `ast` names them

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Take what a class needs."""
        self.read([*node.decorator_list, *node.bases, *node.keywords])
        self._within(node, node.body)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        """Take what a comprehension needs; what it goes over first is read outside of it."""
        first = node.generators[0].iter
        self.visit(first)
        self._within(node, comprehension_parts(node))

    visit_SetComp = visit_DictComp = visit_ListComp  # type: ignore[assignment]  # noqa: N815 - as above
    visit_GeneratorExp = visit_ListComp  # type: ignore[assignment]  # noqa: N815 - as above

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Take a value and its place; the annotation counts in the body of a class."""
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)
        in_class = self._scope is not None and self._scope.kind == "class"
        if in_class or not is_plain_note(node.annotation):
            self._note(node.annotation)

    def _note(self, annotation: ast.expr) -> None:
        """Take an annotation, also one that is written as a text."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except (SyntaxError, ValueError):
                return
        self.visit(annotation)

    def _function(self, node: FunctionNode) -> None:
        self.read(_defaults(node.args))
        if not isinstance(node, ast.Lambda):
            self.read(node.decorator_list)
            for note in notes_of(node):
                if keeps_notes(node) or not is_plain_note(note):
                    self._note(note)
        self._within(node, node.body if isinstance(node.body, list) else [node.body])

    def _within(self, node: ast.AST, parts: Iterable[ast.AST]) -> None:
        before, self._scope = self._scope, scope_of(node, self._scope)
        self.read(parts)
        self._scope = before

    def _take(self, name: str, attributes: list[str]) -> None:
        owner = self._scope.owner(name) if self._scope is not None else None
        if owner is None:
            self.found[".".join([name, *attributes])] = None
            return
        for path in owner.imports.get(name, ()):
            dot = "." if attributes and not path.endswith(":") else ""
            self.found[f"{path}{dot}{'.'.join(attributes)}"] = None
        if owner.kind == "class":
            self.maybe[".".join([name, *attributes])] = None


def notes_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """Yield the annotations of a function."""
    yield from (one.annotation for one in arguments_of(node.args) if one.annotation is not None)
    if node.returns is not None:
        yield node.returns
