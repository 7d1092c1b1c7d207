"""Fields: what any value holds, as names and texts, where its kind has no words of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.text import counted, cut, spell, table
from tidemill.lineage.wording import item_text, spell_time

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FIELDS = 40
"""More than these are not drawn; `--json` has all."""
_LONGEST = 200
"""Characters of one value that are drawn."""
_NAMES = ("name", "feature", "column", "rule", "check", "what", "alias", "key", "path")
"""Fields by which one of many is called, the first that it has."""


def has_words(value: object) -> bool:
    """Return whether a value says itself what it is: text, numbers, answers with a `__str__`."""
    return not isinstance(value, msgspec.Struct | Mapping | list | tuple | bytes) or (
        isinstance(value, msgspec.Struct) and type(value).__str__ is not object.__str__
    )


def told(value: object) -> str:
    """Return any value as people read it: its own words, else a table of what it holds."""
    if has_words(value):
        return spell(value)
    fields = list(fields_of(value).items())
    rows = [[name or "value", text] for name, text in fields[:MOST_FIELDS]]
    more = len(fields) - MOST_FIELDS
    return table(["field", "value"], rows) + (
        f"\n… and {counted(more, 'more field')} (--json has all)" if more > 0 else ""
    )


def fields_of(value: object) -> dict[str, str]:
    """Return what a value holds by name, inner ones as `outer.inner`; what is empty is left out.

    >>> fields_of({"window": "month", "params": {"trees": 200}, "every": "", "of": [1, 2]})
    {'window': 'month', 'params.trees': '200', 'of': '1, 2'}
    """
    return {name: cut(text, _LONGEST) for name, text in _walk("", value) if text}


def _walk(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, msgspec.Struct):
        value = _own(value)
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _walk(f"{name}.{key}" if name else str(key), one)
    elif isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        yield from _many(name, list(value))
    else:
        yield name, _text(value)


def _own(value: msgspec.Struct) -> dict[str, object]:
    """Return the fields of a struct that are not as they are when nobody says anything."""
    return {
        field.name: held
        for field in msgspec.structs.fields(value)
        if (held := getattr(value, field.name)) != field.default
    }


def _many(name: str, values: list[object]) -> Iterator[tuple[str, str]]:
    if not any(isinstance(one, msgspec.Struct | Mapping | list | tuple) for one in values):
        yield name, ", ".join(map(_text, values))
        return
    names = [_called(one) for one in values]
    for place, (called, one) in enumerate(zip(names, values, strict=True), start=1):
        own = called if called and names.count(called) == 1 else f"{called} {place}".strip()
        yield from _walk(f"{name}.{own}" if name else own, _rest(one, called))


def _called(value: object) -> str:
    """Return what one of many is called, "" where it has no name."""
    if isinstance(value, list | tuple):
        return value[0] if value and isinstance(value[0], str) else ""
    held = _own(value) if isinstance(value, msgspec.Struct) else value
    if not isinstance(held, Mapping):
        return ""
    return next((str(held[key]) for key in _NAMES if isinstance(held.get(key), str)), "")


def _rest(value: object, called: str) -> object:
    if isinstance(value, list | tuple):
        plain = all(isinstance(one, str | int | float | bool | None) for one in value)
        kept = value[1:] if value and value[0] == called else value
        return ", ".join(map(_text, kept)) if plain else list(kept)
    held = _own(value) if isinstance(value, msgspec.Struct) else value
    if not isinstance(held, Mapping):
        return value
    left = {key: one for key, one in held.items() if key not in _NAMES or one != called}
    return left["value"] if set(left) == {"value"} else left


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return counted(len(value), "byte")
    if isinstance(value, datetime):
        return spell_time(value)
    if isinstance(value, str | int | float):
        return " ".join(item_text(value).split())
    return str(value)
