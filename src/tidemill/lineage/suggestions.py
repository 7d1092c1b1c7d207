"""Suggestions: the name that was probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from tidemill.core.query import Query, Where
from tidemill.core.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.lineage.record import Record


def closest(wanted: str, names: Sequence[str]) -> str:
    """Return the name most like the wanted one, "" where none is near.

    >>> closest("fligths", ["flights", "weather"])
    'flights'
    """
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
    return near[0] if near else ""


def with_kind(record: Record, text: str) -> str:
    """Return pointers to the refs that a name without a kind may mean, "" where none is near.

    `late@3` is `model:late@3` where the project has a model of that name.
    """
    name, at, selector = text.partition("@")
    if not name or ":" in name:
        return ""
    where = (Where("ref.project", "=", record.project), Where("is_hidden", "=", value=False))
    refs = [found.ref for found in record.ports.ledger.find(Query(Ref, where=where, limit=10_000))]
    near = closest(name, sorted({ref.name for ref in refs}))
    return " or ".join(f"{ref.kind}:{ref.name}{at}{selector}" for ref in refs if ref.name == near)
