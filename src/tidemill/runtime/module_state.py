"""Module state: which variables of the project's modules a step has changed.

A worker runs one step after the other; what one leaves behind in a module must not reach the next,
whose identity knows nothing of it. Caches of `functools` are none of it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_DEEPEST = 4
_MOST = 10_000
"""Elements of one container that are looked at; of larger ones only their number."""
_LARGEST_ARRAY_BYTES = 1 << 20


class ModuleState:
    """What variables of modules were when they were imported, or when a step began."""

    def __init__(self, is_own: Callable[[str], bool]) -> None:
        """`is_own` says whether a module is one of the project."""
        self._is_own = is_own
        self._marks: dict[str, dict[str, object]] = {}

    def keep(self, modules: Iterable[str]) -> None:
        """Keep what the variables of modules are now, where they are loaded."""
        for name in modules:
            module = sys.modules.get(name)
            if isinstance(module, ModuleType):
                self._marks[name] = self._of(module)

    def keep_new(self, name: str) -> None:
        """Keep what the variables of a module are that was just imported."""
        if name not in self._marks and self._is_own(name):
            self.keep([name])

    def changed(self) -> tuple[str, ...]:
        """Return the variables that are others than they were kept as, sorted."""
        found = []
        for name, before in self._marks.items():
            module = sys.modules.get(name)
            if not isinstance(module, ModuleType):
                continue
            now = self._of(module)
            found += [
                f"{name}.{key}" for key in before.keys() & now.keys() if before[key] != now[key]
            ]
        return tuple(sorted(found))

    def forget(self) -> None:
        """Forget everything, and let the project's modules be imported anew."""
        for name in list(sys.modules):
            if name != "__main__" and self._is_own(name):
                del sys.modules[name]
        self._marks.clear()

    def _of(self, module: ModuleType) -> dict[str, object]:
        return {
            name: self._mark(value, 0)
            for name, value in vars(module).items()
            if not name.startswith("__") and not isinstance(value, FunctionType | ModuleType)
        }

    def _mark(self, value: Any, depth: int) -> object:  # noqa: ANN401 - any value of anybody
        """Return something that is equal while a value is."""
        if type(value) in _PLAIN:
            return type(value).__name__, value
        if depth > _DEEPEST:
            return id(value)
        if isinstance(value, list | tuple | bytearray):
            parts = [self._mark(item, depth + 1) for item in value[:_MOST]]
            return id(value), len(value), parts
        if isinstance(value, dict):
            return id(value), len(value), self._mark_items(value, depth)
        return id(value), self._inside(value, depth)

    def _inside(self, value: Any, depth: int) -> object:  # noqa: ANN401 - as above
        if isinstance(value, AbstractSet):
            few = value if len(value) < _MOST else ()
            return len(value), sorted(repr(self._mark(item, depth + 1)) for item in few)
        is_array = type(value).__name__ == "ndarray"
        if is_array and value.nbytes < _LARGEST_ARRAY_BYTES and not value.dtype.hasobject:
            return value.tobytes()
        return self._attributes(value, depth)

    def _mark_items(self, items: Mapping[Any, Any], depth: int) -> list[object]:
        if len(items) > _MOST:
            return []
        return [
            (self._mark(key, depth + 1), self._mark(item, depth + 1)) for key, item in items.items()
        ]

    def _attributes(self, value: object, depth: int) -> list[object]:
        """Return the marks of the attributes of a class, or an instance of one, of the project."""
        kind = value if isinstance(value, type) else type(value)
        if kind.__module__ != "__main__" and not self._is_own(kind.__module__):
            return []
        given: Mapping[str, object] = getattr(value, "__dict__", {})
        kept = {
            name: one
            for name, one in given.items()
            if not name.startswith("__") and not isinstance(one, FunctionType)
        }
        return self._mark_items(kept, depth)
