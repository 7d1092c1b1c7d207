"""Owners: who answers for a ref now, a person or a team; a hand-over is a note that counts more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.query import Note, Query, Where
from tidemill.lineage.teams import PREFIX, find_team
from tidemill.lineage.writing import find_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidemill.core.ref import Ref, RefName
    from tidemill.lineage.record import Record

OWNER = "owner"
"""Key of the note that names another owner."""


def owner_of(record: Record, ref: RefName) -> str:
    """Return who owns a ref now: who was named last, else who it was created for; "" if unknown."""
    found = find_ref(record, ref)
    return owners_of(record, [found])[str(ref)] if found else ""


def owners_of(record: Record, refs: Sequence[Ref]) -> dict[str, str]:
    """Return who owns each of some refs now, by the ref's full name; one question for 300."""
    owners = {str(ref.ref): ref.owner for ref in refs}
    names = list(owners)
    for start in range(0, len(names), 300):
        part = tuple(names[start : start + 300])
        where = (Where("subject", "in", part), Where("key", "=", OWNER))
        for note in record.ports.ledger.find(Query(Note, where=where, limit=len(part))):
            owners[note.subject] = note.text
    return owners


def answers_for(record: Record, who: str) -> Callable[[str, str], bool]:
    """Return a test of an owner in a project: is it `who`, or a team of that project that has them.

    `who` is an actor's name, or `team:NAME`, which is only itself.
    """
    known: dict[tuple[str, str], bool] = {}

    def answers(owner: str, project: str) -> bool:
        if owner == who or not owner.startswith(PREFIX) or who.startswith(PREFIX):
            return owner == who
        if (owner, project) not in known:
            team = find_team(record, owner, project=project)
            known[owner, project] = team is not None and who in team.members
        return known[owner, project]

    return answers
