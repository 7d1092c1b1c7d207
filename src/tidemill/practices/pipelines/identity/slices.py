"""Slices: the statements of a project that calling a function can reach.

From a function's own statement to all that it names, through imports, constants and classes, and to
the effects that may have changed any of it while modules were imported, until nothing is added.
Source: program slices (Weiser, Program Slicing, ICSE 1981).
"""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from tidemill.core.digest import digest_of_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidemill.kernels.python_statements import Statement
    from tidemill.practices.pipelines.identity.project_modules import Apart, ProjectModules

Name = tuple[str, str]
"""A module and a name in it."""

_BUILTINS = frozenset(dir(builtins))
_OF_MODULES = frozenset({"__name__", "__file__", "__spec__", "__path__", "__package__", "__dict__"})
_LONGEST_SHOWN = 80
"""Characters of a constant that is kept as it is, so that a difference can be told."""
_TOKEN = re.compile(r"[A-Za-z_][\w.]*")


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """What calling something can reach."""

    parts: dict[str, str]
    """Digest of each statement, by module and name."""
    sequence: tuple[str, ...]
    """Statements whose order counts, in their order."""
    modules: tuple[str, ...]
    """Modules of the project that are imported for it, in that order."""
    outside: tuple[str, ...]
    """Top-level names of modules that are none of the project."""
    executing: tuple[str, ...]
    """Modules of which more counts than definitions: what they read is read for it."""

    @property
    def digest(self) -> str:
        """The identity of the code: a set of statements, and the order of those with effects."""
        pairs = sorted(f"{name.partition(':')[0]} {digest}" for name, digest in self.parts.items())
        return digest_of_value(["slice 1", pairs, self.sequence])


class Closure:
    """Statements that are reached, without the effects of others."""

    def __init__(self, modules: ProjectModules) -> None:
        self._modules = modules
        self.reached: dict[tuple[str, int], None] = {}
        self.names: dict[Name, None] = {}
        self.dotted: set[Name] = set()
        """Names of which an attribute is read."""
        self.values: dict[Name, str] = {}
        self.aliases: dict[str, str] = {}
        self.entered: dict[str, None] = {}
        self.outside: dict[str, None] = {}
        self.opaque: dict[str, str] = {}
        self.marks: set[str] = set()
        self.looks = False
        self._whole: set[str] = set()
        self._waiting: list[tuple[str, str]] = []

    def add(self, module: str, path: str) -> None:
        """Reach a dotted name of a module, and all that it needs."""
        self._waiting.append((module, path))
        self._go_on()

    def add_whole(self, module: str) -> None:
        """Reach everything in a module."""
        self._take_whole(module)
        self._go_on()

    def add_statement(self, module: str, place: int) -> None:
        """Reach a statement, and all that it needs."""
        self._take_statement(module, place)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting:
            module, path = self._waiting.pop()
            apart = self._modules.apart(module)
            if apart is None:
                continue
            if path.startswith(">"):
                self._follow(*target_of(apart, path))
            else:
                self._name(apart, path.split("."))

    def _name(self, apart: Apart, parts: Sequence[str]) -> None:
        name = parts[0]
        key = (apart.name, name)
        if len(parts) > 1:
            self.dotted.add(key)
        binders = apart.binders.get(name, ())
        self.entered.setdefault(apart.name)
        if binders:
            self.names.setdefault(key)
            if (value := constant(apart, name)) is not None:
                self.values[key] = value
                return
            for place in binders:
                statement = apart.statements[place]
                for bound, path in statement.aliases:
                    if bound == name:
                        self._alias(apart, name, path, parts[1:])
                if statement.kind != "import":
                    self._take_statement(apart.name, place)
        elif not self._from_stars(apart, parts) and not (
            name in _BUILTINS or name in _OF_MODULES or apart.stars
        ):
            self._take_whole(apart.name)

    def _from_stars(self, apart: Apart, parts: Sequence[str]) -> bool:
        for star in apart.stars:
            target = apart.absolute(star.level, star.module)
            found = self._modules.apart(target)
            if found is None:
                self._leave(target)
            elif parts[0] in found.binders or found.stars:
                self._follow(target, parts)
                return True
        return False

    def _alias(self, apart: Apart, name: str, path: str, rest: Sequence[str]) -> None:
        target, attributes = target_of(apart, path)
        if not self._modules.has(target):
            self.aliases[f"{apart.name}.{name}"] = path
        self._follow(target, [*attributes, *rest])

    def _follow(self, target: str, parts: Sequence[str]) -> None:
        """Go to an attribute of a module."""
        if not self._modules.has(target):
            self._leave(target)
            return
        apart = self._modules.apart(target)
        if apart is not None:
            self._enter(target)
        below = f"{target}.{parts[0]}" if parts else ""
        if not parts:
            self._take_whole(target)
        elif apart is not None and parts[0] in apart.binders:
            self._waiting.append((target, ".".join(parts)))
            if self._modules.has(below):
                self._enter(below)
        elif self._modules.has(below):
            self._follow(below, parts[1:])
        elif apart is None or self._from_stars(apart, parts) or parts[0] in _OF_MODULES:
            return
        else:
            self._take_whole(target)

    def _enter(self, module: str) -> None:
        for name in (*self._modules.parents(module), module):
            self.entered.setdefault(name)

    def _leave(self, target: str) -> None:
        top = target.partition(".")[0]
        if top == "tidemill" or top in self.outside:
            return
        for module in self._modules.elsewhere(target):
            self._take_whole(module)
        if digest := self._modules.opaque(target):
            self.opaque[target] = digest
        self.outside[top] = None

    def _take_whole(self, module: str) -> None:
        apart = self._modules.apart(module)
        if module in self._whole or apart is None:
            return
        self._whole.add(module)
        self._enter(module)
        if not apart.module.is_sound:
            self.opaque[module] = apart.module.digest
        for name in apart.binders:
            self._waiting.append((module, name))
        for place, statement in enumerate(apart.statements):
            if statement.kind != "import":
                self._take_statement(module, place)

    def _take_statement(self, module: str, place: int) -> None:
        if (module, place) in self.reached:
            return
        self.reached[module, place] = None
        self._enter(module)
        apart = self._modules.apart(module)
        if apart is None:
            return
        statement = apart.statements[place]
        self.looks = self.looks or statement.looks
        self.marks.update(statement.marks)
        self.names.update(dict.fromkeys((module, bound) for bound in statement.binds))
        self._waiting += [(module, path) for path in statement.reads]
        if statement.words is not None:
            self._dynamic(apart, statement)

    def _dynamic(self, apart: Apart, statement: Statement) -> None:
        """Take all that code may mean that finds modules or names by a text."""
        self._take_whole(apart.name)
        for text in statement.words or ():
            for token in _TOKEN.findall(text):
                self._meant(token.strip("."))
        for other in apart.statements:
            for _, path in other.aliases:
                target, attributes = target_of(apart, path)
                for name in (".".join([target, *attributes[:1]]), target):
                    self._take_whole(name)

    def _meant(self, token: str) -> None:
        while token and not self._modules.has(token):
            token = token.rpartition(".")[0]
        if token:
            self._take_whole(token)


def target_of(apart: Apart, path: str) -> tuple[str, list[str]]:
    """Return the module and attributes that a path of an import stands for."""
    level, module, attributes = path[1:].split(":")
    return apart.absolute(int(level), module), attributes.split(".") if attributes else []


def constant(apart: Apart, name: str) -> str | None:
    """Return the plain value of a name that one statement binds, where the source says it."""
    binders = apart.binders.get(name, ())
    return apart.statements[binders[0]].value if len(binders) == 1 else None


def part_digest(statement: Statement, *, looks: bool) -> str:
    """Return what of a statement counts; docstrings and annotations where something may look."""
    if not looks:
        return statement.digest
    whole = f"{statement.digest}{statement.notes}{statement.docs}"
    return blake3(whole.encode()).hexdigest()[:32]


def named(module: str, statement: Statement) -> str:
    """Return how a statement is called to people."""
    return f"{module}: {statement.name}" if not statement.binds else f"{module}.{statement.name}"


def parts_of(modules: ProjectModules, closure: Closure) -> Iterator[tuple[str, str]]:
    """Yield name and digest of everything that is reached."""
    for module, place in closure.reached:
        apart = modules.apart(module)
        if apart is not None:
            statement = apart.statements[place]
            yield f"{module}:{statement.name}", part_digest(statement, looks=closure.looks)
    for (module, name), value in closure.values.items():
        text = f"{name}={value}"
        yield f"{module}:{name}", text if len(text) <= _LONGEST_SHOWN else _short(text)
    for name, path in closure.aliases.items():
        module, _, bound = name.rpartition(".")
        yield f"{module}:import {bound}", _short(f"{bound}{path}")
    for name, digest in closure.opaque.items():
        yield f"{name}:file", digest


def _short(text: str) -> str:
    return blake3(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
