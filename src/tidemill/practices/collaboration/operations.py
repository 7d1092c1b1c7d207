"""What people do together: teams, owners, roles, comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.operation import Kind, Operation
from tidemill.core.pointer import require_name
from tidemill.core.query import Query, Where
from tidemill.core.ref import Ref
from tidemill.core.text import table
from tidemill.lineage.artifacts import put_value, read_value
from tidemill.lineage.teams import PREFIX, Team, find_team, team_ref
from tidemill.lineage.writing import opened
from tidemill.practices.collaboration.comments import Comment, put_comment
from tidemill.practices.collaboration.ownership import Handover, hand_over
from tidemill.practices.collaboration.roles import RoleGrant, grant_role, roles

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.lineage.record import Record


class Teams(msgspec.Struct, frozen=True, kw_only=True):
    """All teams of a project."""

    teams: tuple[Team, ...]

    def __str__(self) -> str:
        if not self.teams:
            return "no team yet: tidemill team add NAME MEMBER..."
        return table(["team", "members"], [[t.name, ", ".join(t.members)] for t in self.teams])

    __repr__ = __str__


class Roles(msgspec.Struct, frozen=True, kw_only=True):
    """All roles that were set; none: everybody is a maintainer."""

    roles: tuple[RoleGrant, ...]

    def __str__(self) -> str:
        if not self.roles:
            return "no role was set yet: everybody is a maintainer"
        return table(["who", "role"], [[grant.actor, grant.role] for grant in self.roles])

    __repr__ = __str__


def add_team(
    record: Record,
    name: str,
    members: tuple[str, ...],
    *,
    because: str = "",
    at: datetime | None = None,
) -> Team:
    """Make a team, or add members to it.

    Args:
        name: name of the team; elsewhere it is written team:NAME.
        members: names of actors.
        because: why.
        at: effective time.
    """
    name = require_name(name.removeprefix(PREFIX), "team")
    if not members:
        raise InvalidInputError(
            f"team:{name} needs a member", fix=f"tidemill team add {name} MEMBER..."
        )
    known = find_team(record, name)
    everybody = tuple(dict.fromkeys([*(known.members if known else ()), *members]))
    team = Team(name=name, members=everybody)
    if team != known:
        with opened(record, kind="team", name=team.name, at=at, because=because) as run:
            kept = run.made(put_value(record, "team", team, summary={"members": len(everybody)}))
            run.version(team_ref(record, team.name), kept)
    return team


def list_teams(record: Record) -> Teams:
    """List the teams of this project and their members."""
    where = (Where("ref.kind", "=", "team"), Where("ref.project", "=", record.project))
    refs = record.ports.ledger.find(Query(Ref, where=where))
    found = (find_team(record, ref.ref.name) for ref in refs if not ref.is_hidden)
    return Teams(teams=tuple(team for team in found if team is not None))


def set_owner(
    record: Record, ref: str, owner: str, *, because: str, at: datetime | None = None
) -> Handover:
    """Give a ref another owner.

    Args:
        ref: what changes hands, like model:delay.
        owner: an actor's name, or team:NAME.
        because: why.
        at: effective time.
    """
    return hand_over(record, ref, owner, because=because, at=at)


def set_role(
    record: Record, actor: str, role: str, *, because: str = "", at: datetime | None = None
) -> RoleGrant:
    """Give an actor or a team a role; with the first one, whoever has none may only read.

    Args:
        actor: an actor's name, or team:NAME.
        role: reader, contributor or maintainer.
        because: why.
        at: effective time.
    """
    return grant_role(record, actor, role, because=because, at=at)


def list_roles(record: Record) -> Roles:
    """List the roles that were set."""
    found = sorted(roles(record).items())
    return Roles(roles=tuple(RoleGrant(actor=actor, role=role) for actor, role in found))


def comment(record: Record, ref: str, text: str) -> Comment:
    """Say something about a ref, a version or a run; `tidemill log REF` shows it.

    Args:
        ref: what it is about, like model:delay@3 or run:4f1c09aa.
        text: what is to be said.
    """
    return put_comment(record, ref, text)


def show_team(record: Record, artifact: Artifact) -> Team:
    """Return a team as it was kept."""
    return read_value(record, artifact, Team)


def show_role(record: Record, artifact: Artifact) -> RoleGrant:
    """Return a role as it was kept."""
    return read_value(record, artifact, RoleGrant)


OPERATIONS = (
    Operation(
        function=add_team,
        command=("team", "add"),
        role="maintainer",
        examples=("tidemill team add ops ada grace",),
    ),
    Operation(function=list_teams, command=("team", "list")),
    Operation(
        function=set_owner,
        command=("owner", "set"),
        role="contributor",
        examples=('tidemill owner set model:delay team:ops --because "they run it now"',),
    ),
    Operation(
        function=set_role,
        command=("role", "set"),
        role="maintainer",
        examples=("tidemill role set ada maintainer",),
    ),
    Operation(function=list_roles, command=("role", "list")),
    Operation(
        function=comment,
        command=("comment",),
        role="contributor",
        examples=('tidemill comment model:delay@1 "trained before the storm"',),
    ),
)
KINDS = (
    Kind(name="team", what="the members of a team", show=show_team),
    Kind(name="role", what="what an actor may do", show=show_role),
)
