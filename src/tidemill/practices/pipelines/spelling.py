"""Spelling: one typed, canonical spelling of a value as plain data, and the way back.

Parameters of steps and small results are written like this, so that equal values have equal
digests in every process, and 1, 1.0 and True stay apart. What JSON has no word for is an object
with one key that begins with `$`:

    {"$tuple": [1, 2]}  {"$date": "2013-04-01"}  {"$time": "2013-04-01T00:00:00Z"}
    {"$struct": "module:Name", "fields": {...}}  {"$value": ...}  (a value handed on)
    {"$function": "module:name"}  {"$partial": [function, arguments, options]}  (parameters only)

Never pickle, `repr` or `hash()`: none of them is the same in two processes.
"""

# ruff: noqa: SLF001 - tables of the class's own methods
from __future__ import annotations

import base64
import dataclasses
import importlib
import math
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import InvalidInputError
from tidemill.core.times import from_microseconds, microseconds

if TYPE_CHECKING:
    from collections.abc import Callable

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
HANDED_ON = "$value"
"""The tag of a value that another step made."""

STORABLE = (
    "None, bool, int, float, str, bytes, Decimal, Enum, date, aware datetime, timedelta, list, "
    "tuple, dict, set, and msgspec Structs or dataclasses of these"
)


class Speller:
    """Spells one value. `hand_on` spells what the caller knows better; None: not of that kind."""

    def __init__(
        self,
        what: str,
        hand_on: Callable[[object], dict[str, object] | None] | None = None,
        *,
        is_parameter: bool = False,
    ) -> None:
        """A parameter may also be a function or class that a worker finds by its name."""
        self._what, self._hand_on, self._is_parameter = what, hand_on, is_parameter

    def spell(self, value: object) -> object:
        """Return the value as plain data.

        Raises:
            InvalidInputError: a part of it has no spelling; names it.
        """
        exact = _EXACT.get(type(value))
        if exact is not None:
            return exact(self, value)
        handed = self._hand_on(value) if self._hand_on else None
        if handed is not None:
            return handed
        for kind, spelled in _BY_KIND:
            if isinstance(value, kind):
                return spelled(self, value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            return self._fields(value, names)
        if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
            return self.spell(value.item())  # type: ignore[attr-defined]
        if self._is_parameter and callable(value):
            return self._callable(value)
        raise self._refused(value)

    def _callable(self, value: Any) -> object:  # noqa: ANN401 - a function, class or partial
        if isinstance(value, partial):
            given = dict(value.keywords)
            return {"$partial": [self.spell(one) for one in (value.func, list(value.args), given)]}
        function = getattr(value, "function", value)  # of a step
        module = getattr(function, "__module__", None)
        name = getattr(function, "__qualname__", "")
        if not isinstance(module, str) or not isinstance(name, str) or not name:
            raise self._refused(value)
        if "<" in name or _found(module, name) is not value:
            raise InvalidInputError(
                f"{self._what} holds the function {name} of {module}, which a worker cannot find by"
                " its name",
                fix="define it with def at the top of a module, or pass functools.partial of one"
                " that is",
            )
        return {"$function": f"{module}:{name}"}

    def _integer(self, value: int) -> object:
        return value if _SMALLEST <= value <= _LARGEST else {"$int": str(value)}

    def _float(self, value: float) -> object:
        return value if math.isfinite(value) else {"$float": str(value)}

    def _same(self, value: object) -> object:
        return value

    def _bytes(self, value: bytes) -> object:
        return {"$bytes": base64.b64encode(value).decode()}

    def _list(self, value: list[object]) -> object:
        return [self.spell(item) for item in value]

    def _tuple(self, value: tuple[object, ...]) -> object:
        return {"$tuple": [self.spell(item) for item in value]}

    def _set(self, value: frozenset[object]) -> object:
        return {"$set": sorted((self.spell(item) for item in value), key=canonical_json)}

    def _dict(self, value: dict[object, object]) -> object:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {str(key): self.spell(value[key]) for key in sorted(value, key=str)}
        pairs = [[self.spell(key), self.spell(item)] for key, item in value.items()]
        return {"$dict": sorted(pairs, key=lambda pair: canonical_json(pair[0]))}

    def _enum(self, value: Enum) -> object:
        return {"$enum": [type_path(type(value)), value.name]}

    def _date(self, value: date) -> object:
        return {"$date": value.isoformat()}

    def _time(self, value: datetime) -> object:
        if value.tzinfo is None:
            raise InvalidInputError(
                f"{self._what} holds the time {value} without a zone",
                fix="give it one: value.replace(tzinfo=datetime.UTC)",
            )
        return {"$time": microseconds(value.astimezone(UTC))}

    def _span(self, value: timedelta) -> object:
        return {"$span": value // timedelta(microseconds=1)}

    def _decimal(self, value: Decimal) -> object:
        return {"$decimal": str(value)}

    def _struct(self, value: msgspec.Struct) -> object:
        return self._fields(value, value.__struct_fields__)

    def _fields(self, value: object, names: Any) -> object:  # noqa: ANN401 - list or tuple of names
        fields = {name: self.spell(getattr(value, name)) for name in sorted(names)}
        return {"$struct": type_path(type(value)), "fields": fields}

    def _refused(self, value: object) -> InvalidInputError:
        if isinstance(value, PurePath):
            return InvalidInputError(
                f"{self._what} is the path {value}; what a file holds would not be noticed",
                fix="add the file with `tidemill data add` and pass tm.data(...)",
            )
        kind = type(value)
        return InvalidInputError(
            f"{self._what} holds a {kind.__module__}.{kind.__qualname__}, which has no spelling",
            fix=f"use {STORABLE}; or pass what another step returned",
        )


_EXACT: dict[type, Callable[[Speller, Any], object]] = {
    bool: Speller._same,
    type(None): Speller._same,
    str: Speller._same,
    int: Speller._integer,
    float: Speller._float,
    bytes: Speller._bytes,
    list: Speller._list,
    tuple: Speller._tuple,
    dict: Speller._dict,
}

_BY_KIND: tuple[tuple[type, Callable[[Speller, Any], object]], ...] = (
    (Enum, Speller._enum),
    (datetime, Speller._time),
    (date, Speller._date),
    (timedelta, Speller._span),
    (Decimal, Speller._decimal),
    (msgspec.Struct, Speller._struct),
    (set, Speller._set),
    (frozenset, Speller._set),
)


def shown(spelled: object) -> str | int | float | bool | None:
    """Return how a spelled value is shown to people: a scalar, else JSON without the tags of types.

    >>> shown({"$date": "2013-04-01"}), shown([1, {"$tuple": [{"$float": "inf"}, "a"]}])
    ('2013-04-01', '[1,["inf","a"]]')
    """
    plain = _plain(spelled)
    if isinstance(plain, str | int | float | bool | None):
        return plain
    return canonical_json(plain).decode()


def _plain(spelled: object) -> object:
    if isinstance(spelled, list):
        return [_plain(item) for item in spelled]
    if not isinstance(spelled, dict):
        return spelled
    tag = next(iter(spelled), "")
    if tag in _PLAIN:
        return _PLAIN[tag](spelled)
    if len(spelled) == 1 and tag.startswith("$"):
        return _plain(spelled[tag])
    return {key: _plain(item) for key, item in spelled.items()}


_PLAIN: dict[str, Callable[[dict[str, Any]], object]] = {
    "$time": lambda data: from_microseconds(data["$time"]).isoformat(),
    "$span": lambda data: str(timedelta(microseconds=data["$span"])),
    "$enum": lambda data: data["$enum"][1],
    "$function": lambda data: data["$function"].partition(":")[2],
    "$partial": lambda data: [_plain(part) for part in data["$partial"]],
    "$struct": lambda data: _plain(data["fields"]),
    "$dict": lambda data: [[_plain(key), _plain(item)] for key, item in data["$dict"]],
}


def type_path(kind: type) -> str:
    """Return a class as `module:qualname`.

    Raises:
        InvalidInputError: no other process could find it (made in a function).
    """
    main = sys.modules.get("__main__") if kind.__module__ == "__main__" else None
    is_lost = main is not None and getattr(main, kind.__qualname__, None) is not kind
    if "<" in kind.__qualname__ or is_lost:
        raise InvalidInputError(
            f"the class {kind.__qualname__} of {kind.__module__} cannot be found by a worker",
            fix="define it at the top of a module of the project",
        )
    return f"{kind.__module__}:{kind.__qualname__}"


def _found(module: str, name: str) -> object:
    """Return what a module has under a dotted name; None: nothing."""
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def find_type(path: str) -> Any:  # noqa: ANN401 - any class
    """Return the class that `module:qualname` names.

    Raises:
        InvalidInputError: it is not there any more, or it is no class of values.
    """
    found = find_object(path)
    if not isinstance(found, type):
        raise InvalidInputError(f"{path} is no class", fix="run the step again")
    return found


def find_object(path: str) -> Any:  # noqa: ANN401 - a class or function
    """Return what `module:qualname` names.

    Raises:
        InvalidInputError: it is not there any more.
    """
    module, _, qualname = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InvalidInputError(
            f"the value needs {path}, which is not there: {error}",
            fix="bring it back under this name, or run the step again",
        ) from None
    return found


def read(data: object, hand_in: Callable[[object], object] | None = None) -> Any:  # noqa: ANN401 - any value
    """Return the value that plain data spells; `hand_in` loads what was handed on."""
    if isinstance(data, list):
        return [read(item, hand_in) for item in data]
    if not isinstance(data, dict):
        return data
    tag = next(iter(data), "")
    if not isinstance(tag, str) or not tag.startswith("$"):
        return {key: read(item, hand_in) for key, item in data.items()}
    if tag == HANDED_ON and hand_in is not None:
        return hand_in(data[tag])
    return _TAGS[tag](data, hand_in)


def _read_struct(data: dict[str, Any], hand_in: Any) -> object:  # noqa: ANN401
    kind = find_type(data["$struct"])
    fields = {name: read(item, hand_in) for name, item in data["fields"].items()}
    if issubclass(kind, msgspec.Struct) or dataclasses.is_dataclass(kind):
        return kind(**fields)
    raise InvalidInputError(f"{data['$struct']} holds no values any more", fix="run the step again")


def _read_enum(data: dict[str, Any], hand_in: Any) -> object:  # noqa: ANN401, ARG001
    path, name = data["$enum"]
    kind = find_type(path)
    if not issubclass(kind, Enum) or name not in kind.__members__:
        raise InvalidInputError(f"{path} has no member {name}", fix="run the step again")
    return kind[name]


def _read_partial(data: dict[str, Any], hand_in: Any) -> object:  # noqa: ANN401
    function, arguments, options = (read(part, hand_in) for part in data["$partial"])
    return partial(function, *arguments, **options)


_TAGS: dict[str, Callable[[dict[str, Any], Any], object]] = {
    "$int": lambda data, _: int(data["$int"]),
    "$float": lambda data, _: float(data["$float"]),
    "$bytes": lambda data, _: base64.b64decode(data["$bytes"]),
    "$tuple": lambda data, hand_in: tuple(read(data["$tuple"], hand_in)),
    "$set": lambda data, hand_in: frozenset(read(data["$set"], hand_in)),
    "$dict": lambda data, hand_in: {
        read(key, hand_in): read(item, hand_in) for key, item in data["$dict"]
    },
    "$date": lambda data, _: date.fromisoformat(data["$date"]),
    "$time": lambda data, _: from_microseconds(data["$time"]),
    "$span": lambda data, _: timedelta(microseconds=data["$span"]),
    "$decimal": lambda data, _: Decimal(data["$decimal"]),
    "$enum": _read_enum,
    "$function": lambda data, _: find_object(data["$function"]),
    "$partial": _read_partial,
    "$struct": _read_struct,
}
