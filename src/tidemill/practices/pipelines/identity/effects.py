"""Effects that count: what modules do while they are imported that may change what a step reaches.

A call or a store at the top level of a module that is imported for a step counts only if what it
may touch meets what the step has reached; with it counts what it needs, until nothing is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.practices.pipelines.identity.slices import (
    Closure,
    Name,
    Slice,
    constant,
    part_digest,
    parts_of,
    target_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tidemill.kernels.python_statements import Statement
    from tidemill.practices.pipelines.identity.project_modules import Apart, ProjectModules

_HOOKS = frozenset({"__init_subclass__", "metaclass", "__set_name__"})


class Touched:
    """What one statement may change."""

    def __init__(self) -> None:
        self.names: set[Name] = set()
        self.outside: set[str] = set()
        self.bases: set[Name] = set()


class Slicer:
    """Slices of one project; keeps what it has found out for the next one.

    Args:
        modules: the project's.
        is_installed: whether a top-level name is that of an installed package.
    """

    def __init__(self, modules: ProjectModules, is_installed: Callable[[str], bool]) -> None:
        self.modules = self._modules = modules
        self._is_installed = is_installed
        self._touched: dict[tuple[str, int], Touched] = {}
        self._data: dict[Name, frozenset[Name]] = {}
        self._imported: dict[str, list[tuple[int, tuple[str, ...]]]] = {}

    def slice(self, roots: Sequence[tuple[str, str]]) -> Slice:
        """Return what names of modules reach; an empty name is all of a module."""
        closure = Closure(self._modules)
        for module, name in roots:
            if name:
                closure.add(module, name)
            else:
                closure.add_whole(module)
        first = [module for module, _ in roots]
        order = self._order(closure, first)
        counted: set[tuple[str, int]] = set()
        while fresh := self._counting(closure, order, counted):
            for module, place in fresh:
                counted.add((module, place))
                closure.add_statement(module, place)
            order = self._order(closure, first)
        return self._slice(closure, order, counted)

    def _slice(
        self, closure: Closure, order: Sequence[str], counted: set[tuple[str, int]]
    ) -> Slice:
        parts: dict[str, str] = {}
        for name, digest in parts_of(self._modules, closure):
            key, more = name, 1
            while key in parts:
                more += 1
                key = f"{name}#{more}"
            parts[key] = digest
        executing = {
            module
            for module, place in closure.reached
            if (apart := self._modules.apart(module)) and apart.statements[place].runs
        }
        return Slice(
            parts=parts, sequence=tuple(self._sequence(closure, order, counted)),
            modules=tuple(order), outside=tuple(sorted(closure.outside)),
            executing=tuple(sorted(executing)),
        )  # fmt: skip

    def _sequence(
        self, closure: Closure, order: Sequence[str], counted: set[tuple[str, int]]
    ) -> Iterator[str]:
        """Yield digests of statements whose order counts: effects, and names bound again."""
        for module in order:
            apart = self._modules.apart(module)
            for place in apart.ordered if apart else ():
                is_reached = (module, place) in closure.reached
                if apart and is_reached and (place in apart.again or (module, place) in counted):
                    digest = part_digest(apart.statements[place], looks=closure.looks)
                    yield f"{module} {digest}"

    def _order(self, closure: Closure, first: Sequence[str]) -> list[str]:
        """Return the modules that are imported, in about the order in which Python does it."""
        done: dict[str, None] = {}
        met: set[str] = set()
        waiting: list[tuple[str, bool]] = [
            (module, False) for module in reversed([*first, *closure.entered])
        ]
        reached: dict[str, set[int]] = {}
        for module, place in closure.reached:
            reached.setdefault(module, set()).add(place)
        while waiting:
            module, is_over = waiting.pop()
            if is_over:
                done.setdefault(module)
                continue
            apart = self._modules.apart(module)
            if module in met or apart is None:
                continue
            met.add(module)
            waiting.append((module, True))
            inner = self._imports(apart, reached.get(module, set()))
            waiting += [
                (name, False) for name in reversed([*self._modules.parents(module), *inner])
            ]
        return list(done)

    def _imports(self, apart: Apart, reached: set[int]) -> list[str]:
        """Return the modules that a module imports: when it is executed, and in what is reached."""
        if apart.name not in self._imported:
            self._imported[apart.name] = [
                (place, tuple(self._targets_of(apart, statement)))
                for place, statement in enumerate(apart.statements)
                if statement.imports
            ]
        found: list[str] = []
        for place, names in self._imported[apart.name]:
            if apart.statements[place].kind in {"import", "data"} or place in reached:
                found += names
        return found

    def _targets_of(self, apart: Apart, statement: Statement) -> Iterator[str]:
        for one in statement.imports:
            target = apart.absolute(one.level, one.module)
            for name in (target, *(f"{target}.{below}" for below in one.names)):
                if self._modules.has(name):
                    yield from (*self._modules.parents(name), name)

    def _counting(
        self, closure: Closure, order: Sequence[str], counted: set[tuple[str, int]]
    ) -> list[tuple[str, int]]:
        """Return the effects that meet what is reached and are not counted yet."""
        return [
            (module, place)
            for module in order
            if (apart := self._modules.apart(module)) is not None
            for place in apart.acting
            if (module, place) not in counted
            and self._meets(closure, apart, place, apart.statements[place])
        ]

    def _meets(self, closure: Closure, apart: Apart, place: int, statement: Statement) -> bool:
        if statement.is_unknown:
            return True
        touched = self.touched(apart, place)
        if not touched.names.isdisjoint(closure.names):
            return True
        if "__subclasses__" in closure.marks and not touched.bases.isdisjoint(closure.names):
            return True
        uses_installed = any(self._is_installed(name) for name in closure.outside)
        return any(
            name in closure.outside
            or (uses_installed and (name == "os" or self._is_installed(name)))
            for name in touched.outside
        )

    def touched(self, apart: Apart, place: int) -> Touched:
        """Return what a statement may change, once found out."""
        key = (apart.name, place)
        if key not in self._touched:
            self._touched[key] = Touched()  # where it comes back to itself it adds nothing
            self._touched[key] = self._found(apart, apart.statements[place])
        return self._touched[key]

    def _found(self, apart: Apart, statement: Statement) -> Touched:
        touched = Touched()
        for path in statement.touches:
            is_stored = path.startswith("=")
            for target in self._targets(apart, path.removeprefix("=")):
                self._add_touched(touched, target, is_stored=is_stored, discards=statement.discards)
        calls_own = self._add_calls(touched, apart, statement)
        if calls_own or statement.discards:
            for path in statement.passes:
                for target in self._targets(apart, path):
                    if not isinstance(target, str):
                        touched.names |= self._with_data(target)
        for path in statement.bases:
            self._add_base(touched, apart, path)
        own = {(apart.name, bound) for bound in statement.binds}
        touched.names -= own - {name for name in own if len(apart.binders[name[1]]) > 1}
        return touched

    def _add_calls(self, touched: Touched, apart: Apart, statement: Statement) -> bool:
        """Add what calls may change; returns whether any is of the project's own."""
        calls_own = False
        for path in statement.calls:
            for target in self._targets(apart, path):
                if not isinstance(target, str):
                    calls_own = True
                    touched.names |= self._reach_of_call(target)
                elif statement.discards:
                    touched.outside.add(target)
        return calls_own

    def _add_touched(
        self, touched: Touched, target: Name | str, *, is_stored: bool, discards: bool
    ) -> None:
        if isinstance(target, str):
            if is_stored or discards:
                touched.outside.add(target)
        elif target[1] == "*":
            apart = self._modules.apart(target[0])
            touched.names |= {(target[0], name) for name in (apart.binders if apart else ())}
        elif is_stored:
            touched.names |= {target, *self._with_data(target)}
        elif target[1]:
            touched.names |= self._with_data(target)

    def _add_base(self, touched: Touched, apart: Apart, path: str) -> None:
        for target in self._targets(apart, path):
            if isinstance(target, str):
                continue
            touched.bases.add(target)
            closure = self._light(target)
            if self._kind(target) != "class" or not _HOOKS.isdisjoint(closure.marks):
                touched.names |= {target, *self._reach_of_call(target)}

    def _targets(self, apart: Apart, path: str) -> Iterator[Name | str]:
        """Yield what a dotted name stands for: a name of the project's, or a module outside."""
        if path.startswith(">"):
            yield from self._attribute(*target_of(apart, path))
            return
        parts = path.split(".")
        binders = apart.binders.get(parts[0], ())
        is_own = False
        for place in binders:
            statement = apart.statements[place]
            found = [alias for bound, alias in statement.aliases if bound == parts[0]]
            for alias in found:
                target, attributes = target_of(apart, alias)
                yield from self._attribute(target, [*attributes, *parts[1:]])
            is_own = is_own or not found
        if is_own:
            yield apart.name, parts[0]
        if not binders:
            for star in apart.stars:
                yield from self._attribute(apart.absolute(star.level, star.module), parts)

    def _attribute(self, module: str, parts: Sequence[str]) -> Iterator[Name | str]:
        if not self._modules.has(module):
            if not module.startswith("tidemill"):
                yield module.partition(".")[0]
            return
        found = self._modules.apart(module)
        if not parts:
            yield module, ""
        elif found is not None and (parts[0] in found.binders or parts[0] == "*"):
            if parts[0] == "*":
                yield module, "*"
            else:
                yield from self._targets(found, ".".join(parts))
        elif self._modules.has(f"{module}.{parts[0]}"):
            yield from self._attribute(f"{module}.{parts[0]}", parts[1:])
        elif found is not None:
            yield module, parts[0]

    def _kind(self, name: Name) -> str:
        apart = self._modules.apart(name[0])
        kinds = (
            {apart.statements[place].kind for place in apart.binders.get(name[1], ())}
            if apart
            else set()
        )
        return "data" if "data" in kinds else "class" if "class" in kinds else "def"

    def _is_plain_function(self, apart: Apart, name: str) -> bool:
        """Return whether a name is a function that nothing wraps: it cannot be changed."""
        bound = [apart.statements[place] for place in apart.binders.get(name, ())]
        return all(one.kind in {"def", "import"} and not one.calls for one in bound)

    def _with_data(self, name: Name) -> set[Name]:
        """Return a name that can be changed, and the data that it is made of."""
        found: set[Name] = set()
        waiting = [name]
        while waiting:
            one = waiting.pop()
            apart = self._modules.apart(one[0])
            if one in found or apart is None or self._is_plain_function(apart, one[1]):
                continue
            if constant(apart, one[1]) is not None:
                continue
            found.add(one)
            if self._kind(one) != "data":
                continue
            for place in apart.binders.get(one[1], ()):
                for path in apart.statements[place].reads:
                    waiting += [t for t in self._targets(apart, path) if not isinstance(t, str)]
        return found

    def _reach_of_call(self, name: Name) -> frozenset[Name]:
        """Return the data that calling a name may change: all that its own slice reaches."""
        if name not in self._data:
            closure = self._light(name)
            self._data[name] = frozenset(
                one
                for one in closure.names
                if self._kind(one) == "data"
                or (self._kind(one) == "class" and one in closure.dotted)
                if one not in closure.values
            )
        return self._data[name]

    def _light(self, name: Name) -> Closure:
        closure = Closure(self._modules)
        if name[1]:
            closure.add(*name)
        return closure
