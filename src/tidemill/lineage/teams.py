"""Teams: who belongs to one, and whether somebody is meant by a list of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.ref import RefName, Version
from tidemill.lineage.artifacts import find_artifact, read_value
from tidemill.lineage.attested_facts import attested_newest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill.core.actor import Actor
    from tidemill.lineage.record import Record

PREFIX = "team:"


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A team and its members, by their actors' names."""

    name: str
    members: tuple[str, ...]

    def __str__(self) -> str:
        return f"{PREFIX}{self.name}: {', '.join(self.members) or 'nobody'}"

    __repr__ = __str__


def team_ref(record: Record, name: str, *, project: str = "") -> RefName:
    """Return the ref under which a team's members are versions; default: of this project."""
    return RefName(kind="team", project=project or record.project, name=name.removeprefix(PREFIX))


def find_team(record: Record, name: str, *, project: str = "") -> Team | None:
    """Return a team as it is now, of this project or another; None: there is no such team.

    Raises:
        CorruptError: its newest version is not as the journal has it.
    """
    newest = attested_newest(record, team_ref(record, name, project=project))
    if not isinstance(newest, Version):
        return None
    return read_value(record, find_artifact(record, newest.artifact), Team)


def is_among(record: Record, actor: Actor, names: Iterable[str]) -> bool:
    """Return whether an actor is named, or is a member of a team that is (`team:NAME`)."""
    given = set(names)
    if str(actor) in given or (actor.kind == "person" and actor.name in given):
        return True
    teams = (find_team(record, name) for name in given if name.startswith(PREFIX))
    return any(team is not None and actor.name in team.members for team in teams)
