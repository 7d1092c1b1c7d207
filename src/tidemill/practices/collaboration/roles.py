"""Roles: what an actor may do here. Until the first one is set, everybody is a maintainer.

A role is the newest version of `role:ACTOR`; the role of a team is that of each member, and the
higher one counts. `dispatch` asks `role_of` once a call.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import msgspec

from tidemill.core.digest import digest_of
from tidemill.core.errors import NotAllowedError, UsageError
from tidemill.core.operation import Role
from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import RefName, Version
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.teams import PREFIX, find_team
from tidemill.lineage.writing import opened

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.actor import Actor
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft

ROLES: tuple[Role, ...] = get_args(Role)


class RoleGrant(msgspec.Struct, frozen=True, kw_only=True):
    """The role of an actor or a team, as kept."""

    actor: str
    role: Role

    def __str__(self) -> str:
        return f"{self.actor} is a {self.role}"

    __repr__ = __str__


def role_ref(record: Record, actor: str) -> RefName:
    """Return the ref that holds an actor's role; a name that no ref can have gets a digest."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", actor)
    is_plain = plain == actor and re.match(r"[A-Za-z0-9_]", plain)
    name = plain if is_plain else f"x{plain}-{digest_of(actor.encode())[3:13]}"
    return RefName(kind="role", project=record.project, name=name)


def role_of(record: Record, actor: Actor) -> Role:
    """Return the role of an actor: a maintainer while no role was ever set, else what was set.

    Whoever was given none then is a reader; a trigger is a contributor: policies judge its moves.
    """
    granted = roles(record)
    if not granted:
        return "maintainer"
    names = {str(actor)} | {name for name in granted if _has_member(record, name, actor)}
    found = [granted[name] for name in names if name in granted]
    if not found:
        return "contributor" if actor.kind == "trigger" else "reader"
    return max(found, key=ROLES.index)


def roles(record: Record) -> dict[str, Role]:
    """Return every role that is set in this project, by the name of the actor or team."""
    where = (Where("ref.kind", "=", "role"), Where("ref.project", "=", record.project))
    query = Query(Version, where=where, order=(Order("number"),), limit=100_000)
    return {
        str(version.summary["actor"]): msgspec.convert(version.summary["role"], Role)
        for version in record.ports.ledger.find(query)
    }


def grant_role(
    record: Record, actor: str, role: str, *, because: str, at: datetime | None = None
) -> RoleGrant:
    """Give an actor or a team a role; who sets the first one becomes a maintainer.

    Raises:
        UsageError: there is no such role.
        NotAllowedError: nobody would be a maintainer any more.
    """
    if role not in ROLES:
        raise UsageError(f"{role!r} is not a role", fix=f"use one of {', '.join(ROLES)}")
    granted = roles(record)
    given = RoleGrant(actor=actor, role=msgspec.convert(role, Role))
    first = () if granted else (RoleGrant(actor=str(record.actor), role="maintainer"),)
    after = {grant.actor: grant.role for grant in first} | granted | {actor: given.role}
    if "maintainer" not in after.values():
        raise NotAllowedError(
            f"{actor} is the last maintainer of {record.project}",
            fix="make somebody else a maintainer first: tidemill role set NAME maintainer",
        )
    with opened(record, kind="role", name=actor, at=at, because=because) as run:
        for grant in (*(g for g in first if g.actor != actor), given):
            _put(record, run, grant)
    return given


def _put(record: Record, run: RunDraft, grant: RoleGrant) -> None:
    summary = {"actor": grant.actor, "role": grant.role}
    artifact = run.made(put_value(record, "role", grant, summary=summary), name=grant.actor)
    run.version(role_ref(record, grant.actor), artifact)


def _has_member(record: Record, name: str, actor: Actor) -> bool:
    if not name.startswith(PREFIX):
        return False
    team = find_team(record, name)
    return team is not None and actor.name in team.members
