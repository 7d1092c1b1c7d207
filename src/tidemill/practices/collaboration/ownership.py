"""Ownership: who answers for a ref. A change is a journaled note that readers prefer."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import NotAllowedError, NotFoundError
from tidemill.core.facts import Noted
from tidemill.core.pointer import parse_pointer
from tidemill.lineage.owners import OWNER, owner_of
from tidemill.lineage.teams import PREFIX, find_team, is_among
from tidemill.lineage.wording import ref_text
from tidemill.lineage.writing import find_ref, opened
from tidemill.practices.collaboration.roles import role_of

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.lineage.record import Record


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """A ref has got another owner."""

    ref: str
    owner: str
    before: str
    because: str

    def __str__(self) -> str:
        return f"{self.ref} belongs to {self.owner} now, before to {self.before}: {self.because}"

    __repr__ = __str__


def hand_over(
    record: Record, pointer: str, owner: str, *, because: str, at: datetime | None = None
) -> Handover:
    """Give a ref another owner; its owner may, and a maintainer.

    Raises:
        NotFoundError: there is no such ref, or no such team.
        NotAllowedError: the actor neither owns it nor is a maintainer.
    """
    ref = parse_pointer(pointer, project=record.project).ref
    name = ref_text(ref, record.project)
    there = dataclasses.replace(record, project=ref.project)  # roles and teams are a project's
    if find_ref(record, ref) is None:
        raise NotFoundError(f"there is no {name}", fix=f"tidemill list {ref.kind}")
    if owner.startswith(PREFIX) and find_team(there, owner) is None:
        raise NotFoundError(
            f"there is no {owner}", fix=f"tidemill team add {owner.removeprefix(PREFIX)} MEMBER..."
        )
    before = owner_of(record, ref)
    is_own = is_among(there, record.actor, (before,))
    if not is_own and role_of(there, record.actor) != "maintainer":
        raise NotAllowedError(
            f"{name} belongs to {before}; {record.actor} may not give it away",
            fix=f"ask {before}, or a maintainer",
        )
    with opened(record, kind="handover", name=str(ref), at=at, because=because) as run:
        run.add(Noted(subject=str(ref), key=OWNER, text=owner, actor=record.actor, at=record.now()))
    return Handover(ref=name, owner=owner, before=before, because=because)
