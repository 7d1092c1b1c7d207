"""Statements: a Python module taken apart into what its top level binds, reads, imports and does.

Static: from the source alone, which is never executed.
Source: program slices (Weiser, Program Slicing, ICSE 1981).
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from tidemill.kernels.python_effects import Effects
from tidemill.kernels.python_literals import literal
from tidemill.kernels.python_names import Reads, captured, chain_of, imported
from tidemill.kernels.python_normal import (
    docs_digest_of,
    normal_digest_of,
    notes_digest_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOOKS = frozenset({"__doc__", "getdoc", "get_type_hints", "__annotations__", "get_annotations"})
_MARKS = frozenset({"__subclasses__", "__init_subclass__", "__set_name__", "metaclass"})
_DYNAMIC_NAMES = frozenset({"eval", "exec", "__import__", "globals", "import_module"})
_DYNAMIC_ATTRIBUTES = frozenset(
    {"import_module", "__import__", "run_module", "run_path", "iter_modules", "walk_packages"}
)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_FOR_OTHERS = frozenset(
    {"TYPE_CHECKING", "typing.TYPE_CHECKING", "t.TYPE_CHECKING", "__name__ == '__main__'"}
)
_SIGNATURE = ("inspect", ["signature"])


class Imported(msgspec.Struct, frozen=True, array_like=True):
    """One imported module: dots before it, its name, and names that may be modules of it."""

    level: int
    module: str
    names: tuple[str, ...] = ()


class Statement(msgspec.Struct, frozen=True, array_like=True):
    """One statement at the top level of a module.

    Reads are dotted names of the module, or imports as `python_names.import_path` spells them.
    """

    name: str
    """For people: the first name that it binds, else its line."""
    kind: str
    """`def`, `class`, `import` or `data`."""
    digest: str
    notes: str
    """Digest of annotations."""
    docs: str
    """Digest of docstrings."""
    binds: tuple[str, ...]
    reads: tuple[str, ...]
    imports: tuple[Imported, ...] = ()
    """All that it imports when it or what it defines is executed."""
    aliases: tuple[tuple[str, str], ...] = ()
    """Names that it binds by imports, and the paths that they stand for."""
    stars: tuple[Imported, ...] = ()
    touches: tuple[str, ...] = ()
    """What it may change while the module is executed: methods called; `=` before one stored to."""
    calls: tuple[str, ...] = ()
    """What it calls while the module is executed."""
    passes: tuple[str, ...] = ()
    """What it gives to those."""
    bases: tuple[str, ...] = ()
    discards: bool = False
    """It throws a result away, so that it calls something for its effect."""
    is_unknown: bool = False
    """It changes something that nobody can tell."""
    runs: bool = False
    """It calls something while the module is executed."""
    value: str | None = None
    """The one plain value that it binds to its one name, where the source says it."""
    marks: tuple[str, ...] = ()
    """What it mentions that matters elsewhere: docstrings and annotations read, subclasses."""
    words: tuple[str, ...] | None = None
    """Texts in it, where it finds modules or names by a text (eval, import_module); else None."""

    @property
    def may_act(self) -> bool:
        """Whether it may change anything but its names while the module is executed."""
        return bool(self.is_unknown or self.touches or self.calls or self.bases)

    @property
    def looks(self) -> bool:
        """Whether it may look at docstrings or annotations of others."""
        return not _LOOKS.isdisjoint(self.marks)


class Module(msgspec.Struct, frozen=True, array_like=True):
    """A module taken apart. `digest` is over all of it, without comments and layout."""

    digest: str
    statements: tuple[Statement, ...]
    is_sound: bool = True
    """It could be parsed."""


def take_apart(source: bytes) -> Module:
    r"""Return the statements of a module; of one that does not parse only the digest of its bytes.

    What is only for type checkers, and what only a script does, is no part of it.

    >>> [one.name for one in take_apart(b"import os\nN = 1\ndef f(): return N").statements]
    ['os', 'N', 'f']
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        digest = blake3(source).hexdigest()[:32]
        return Module(digest=digest, statements=(), is_sound=False)
    walked = [(node, list(ast.walk(node))) for node in _counted(tree)]
    binds = [tuple(dict.fromkeys(_bound_by(node, nodes))) for node, nodes in walked]
    bound = frozenset(name for names in binds for name in names)
    parts = tuple(
        _statement(node, nodes, names, bound)
        for (node, nodes), names in zip(walked, binds, strict=True)
    )
    counted = [part for part in parts if part.binds != ("__doc__",)]
    whole = [f"{part.digest}{part.notes}" for part in counted]
    whole += [normal_digest_of(node) for node in tree.body if _is_for_others(node)]
    digest = blake3("".join(whole).encode()).hexdigest()[:32]
    return Module(digest=digest, statements=parts)


def _counted(tree: ast.Module) -> Iterator[ast.stmt]:
    for place, node in enumerate(tree.body):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if place == 0:
                target = ast.Name("__doc__", ast.Store())
                yield ast.Assign(targets=[target], value=node.value, lineno=node.lineno)
        elif not _is_for_others(node):
            yield node


def _is_for_others(node: ast.stmt) -> bool:
    """Return whether a statement does nothing for whoever imports the module."""
    if not isinstance(node, ast.If) or node.orelse:
        return False
    return ast.unparse(node.test) in _FOR_OTHERS


def _statement(
    node: ast.stmt, nodes: Sequence[ast.AST], binds: tuple[str, ...], bound: frozenset[str]
) -> Statement:
    """Return a statement; `nodes` are all in it, `bound` the names that its module binds."""
    reads, effects = Reads().read([node]), Effects().read(node)
    kept = {path: None for path in reads.maybe if path.partition(".")[0] in bound}
    marks, is_dynamic = _marks(node, nodes)
    return Statement(
        name=binds[0] if binds else _shown(node), kind=_kind(node),
        digest=normal_digest_of(node, nodes), notes=notes_digest_of(nodes),
        docs=docs_digest_of(nodes),
        binds=binds, reads=tuple(sorted(reads.found | kept)), imports=tuple(_imports(nodes)),
        aliases=tuple(_aliases(node)), stars=tuple(_stars(node)),
        touches=tuple(sorted(effects.touched)), calls=tuple(sorted(effects.called)),
        passes=tuple(sorted(effects.passed)), bases=tuple(sorted(effects.bases)),
        discards=effects.discards, is_unknown=effects.is_unknown, runs=effects.runs,
        value=_value(node), marks=marks,
        words=tuple(sorted(_words(nodes))) if is_dynamic else None,
    )  # fmt: skip


def _shown(node: ast.stmt) -> str:
    """Return the beginning of a statement that has no name; lines would change with the file."""
    text = ast.unparse(node).partition("\n")[0]
    return text if len(text) <= 40 else f"{text[:39]}…"


def _marks(node: ast.stmt, nodes: Sequence[ast.AST]) -> tuple[tuple[str, ...], bool]:
    """Return what a statement mentions that matters elsewhere, and whether it is dynamic."""
    if isinstance(node, ast.Assign) and node.targets[0].__dict__.get("id") == "__doc__":
        return (), False
    found: set[str] = set()
    is_dynamic = False
    for part in nodes:
        if isinstance(part, ast.Name):
            is_dynamic = is_dynamic or part.id in _DYNAMIC_NAMES
            found.add(part.id)
        elif isinstance(part, ast.Attribute):
            chain = chain_of(part)
            is_dynamic = is_dynamic or part.attr in _DYNAMIC_ATTRIBUTES
            is_dynamic = is_dynamic or chain == ("sys", ["modules"])
            found |= {part.attr, *({"get_annotations"} if chain == _SIGNATURE else ())}
        elif isinstance(part, ast.FunctionDef):
            found.add(part.name)
        elif isinstance(part, ast.keyword) and part.arg:
            found.add(part.arg)
    return tuple(sorted(found & (_LOOKS | _MARKS))), is_dynamic


def _kind(node: ast.stmt) -> str:
    if isinstance(node, ast.ClassDef):
        return "class"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return "def"
    return "import" if isinstance(node, ast.Import | ast.ImportFrom) else "data"


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement and the nodes in it that belong to the scope of the module."""
    yield node
    if isinstance(node, _DEFINITIONS):
        return
    for part in ast.iter_child_nodes(node):
        yield from _executed(part)


def _bound_by(node: ast.stmt, nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Yield names of the module that a statement binds, or that its functions do (`global`)."""
    for part in _executed(node):
        if isinstance(part, _DEFINITIONS):
            yield part.name
        elif isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            yield part.id
        elif isinstance(part, ast.Import | ast.ImportFrom):
            yield from (name for name, _ in imported(part))
        else:
            yield from captured(part)
    for part in nodes:
        if isinstance(part, ast.Global):
            yield from part.names


def _aliases(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """Yield what an import binds, also in the branches of an `if` or `try`."""
    for part in _executed(node):
        if isinstance(part, ast.Import | ast.ImportFrom):
            yield from imported(part)


def _imports(nodes: Sequence[ast.AST]) -> Iterator[Imported]:
    for part in nodes:
        if isinstance(part, ast.Import):
            yield from (Imported(0, alias.name) for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            names = tuple(alias.name for alias in part.names if alias.name != "*")
            yield Imported(part.level, part.module or "", names)


def _stars(node: ast.stmt) -> Iterator[Imported]:
    for part in _executed(node):
        if isinstance(part, ast.ImportFrom) and part.names[0].name == "*":
            yield Imported(part.level, part.module or "")


def _value(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target, value = node.target, node.value
    else:
        return None
    return literal(value) if isinstance(target, ast.Name) else None


def _words(nodes: Sequence[ast.AST]) -> Iterator[str]:
    for part in nodes:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value[:2000]
