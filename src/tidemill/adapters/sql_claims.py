"""What a commit judges or changes, by name: what writers in several transactions must not share.

SQLite lets one transaction write at a time. Where several do, each first takes the claims of its
batches, in one order for all, and then the head of the journal: nobody waits for anything else, and
nobody waits in a circle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.core.facts import (
    AliasAt,
    ArtifactMade,
    Edge,
    Figured,
    Hidden,
    Keyed,
    KeyIs,
    LeaseIs,
    Moved,
    Noted,
    Placed,
    RefAt,
    RefCreated,
    RunIsOpen,
    RunOpened,
    RunSealed,
    Versioned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidemill.core.facts import Batch


def claims(batches: Sequence[Batch]) -> set[str] | None:
    """Return the names that batches judge or change; None: not known, they need the whole record.

    Runs and artifacts stand as they are, everything else under its own prefix.
    """
    found = set()
    for batch in batches:
        for one in (*batch.facts, *batch.conditions):
            claim = _CLAIMS.get(type(one))
            if claim is None:
                return None
            found.add(claim(one))
    return found


def lease_claim(key: str) -> str:
    """Return the claim of a lease."""
    return f"lease {key}"


def cell_claim(key: str) -> str:
    """Return the claim of a cell."""
    return f"cell {key}"


def node_names(batches: Sequence[Batch]) -> set[str]:
    """Return the runs and artifacts that batches name, of those that a table takes."""
    named = {
        name
        for batch in batches
        for fact in batch.facts
        for name in _NAMED.get(type(fact), _no_names)(fact)
    }
    return {name for name in named if _is_storable(name)}


def _no_names(_fact: object) -> tuple[str, ...]:
    return ()


def _is_storable(name: object) -> bool:
    """Return whether a name is text without zeros and lone surrogates; others are refused later."""
    return isinstance(name, str) and "\0" not in name and name.isprintable()


_CLAIMS: Mapping[type, Callable[[Any], str]] = {
    ArtifactMade: lambda fact: str(fact.artifact.id),
    Placed: lambda fact: str(fact.artifact),
    RunOpened: lambda fact: str(fact.run),
    RunSealed: lambda fact: str(fact.run),
    Edge: lambda fact: str(fact.run),
    Figured: lambda fact: str(fact.run),
    RefCreated: lambda fact: f"ref {fact.ref}",
    Versioned: lambda fact: f"ref {fact.ref}",
    Moved: lambda fact: f"ref {fact.ref}",
    Hidden: lambda fact: f"ref {fact.ref}",
    Keyed: lambda fact: f"key {fact.key}",
    Noted: lambda fact: f"note {fact.subject}",
    RefAt: lambda condition: f"ref {condition.ref}",
    AliasAt: lambda condition: f"ref {condition.ref}",
    KeyIs: lambda condition: f"key {condition.key}",
    LeaseIs: lambda condition: lease_claim(condition.key),
    RunIsOpen: lambda condition: str(condition.run),
}

_NAMED: Mapping[type, Callable[[Any], tuple[str, ...]]] = {
    ArtifactMade: lambda fact: (fact.artifact.id,),
    Placed: lambda fact: (fact.artifact,),
    RunOpened: lambda fact: (fact.run,),
    RunSealed: lambda fact: (fact.run,),
    Edge: lambda fact: (fact.run, fact.artifact, *([fact.source] if fact.source else [])),
    Figured: lambda fact: (fact.run,),
    Versioned: lambda fact: (fact.artifact, fact.run),
    Moved: lambda fact: (fact.run,),
    Keyed: lambda fact: (fact.run,),
}
