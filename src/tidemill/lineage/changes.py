"""Changes: what differs between two mappings of names to values, as a table old and new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.text import counted, cut, spell, table
from tidemill.lineage.wording import item_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.core.run import Scalar

MOST_CHANGES = 40
"""Changes of one part that are drawn; the value holds all."""
_LONGEST = 200
"""Characters of one value that are drawn."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not the same; None: it is not there."""

    name: str
    old: str | int | float | bool | None
    new: str | int | float | bool | None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of one sort: parameters, code, environment, inputs, figures, summary."""

    name: str
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        if not self.changes:
            return f"no {self.name} has changed"
        rows = [[one.name, _cell(one.old), _cell(one.new)] for one in self.changes[:MOST_CHANGES]]
        more = len(self.changes) - len(rows)
        end = f"\n… and {counted(more, 'more change')} (--json has all)" if more else ""
        return table([self.name, "old", "new"], rows) + end

    __repr__ = __str__


def changes(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Part:
    """Return what differs between two mappings, in the order of the old one.

    >>> print(changes("parameter", {"trees": 100, "depth": 3}, {"trees": 200, "depth": 3}))
    parameter  old  new
    trees      100  200
    """
    names = [*old, *(key for key in new if key not in old)]
    return Part(
        name=name,
        changes=tuple(
            Change(name=key, old=old.get(key), new=new.get(key))
            for key in names
            if spell(old.get(key)) != spell(new.get(key)) or old.get(key) != new.get(key)
        ),
    )


def _cell(value: Scalar | None) -> Scalar | None:
    return cut(" ".join(item_text(value).split()), _LONGEST) if isinstance(value, str) else value
