"""Ref: a name with an owner, numbered versions and movable aliases. The only mutable fact."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from tidemill.core.actor import Actor
from tidemill.core.digest import ArtifactId
from tidemill.core.run import RunId, Scalar


class RefName(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """The full name of a ref, `KIND:PROJECT/NAME`."""

    kind: str
    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.project}/{self.name}"


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """A ref as it stands: who owns it, its newest number (0: none yet), its aliases."""

    ref: RefName
    owner: str
    created_at: datetime
    newest: int = 0
    aliases: Mapping[str, int] = {}
    is_hidden: bool = False


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One numbered version: which artifact, and which run put it there."""

    ref: RefName
    number: int
    artifact: ArtifactId
    run: RunId
    actor: Actor
    at: datetime
    recorded_at: datetime
    summary: Mapping[str, Scalar] = {}

    def __str__(self) -> str:
        return f"{self.ref.kind}:{self.ref.name}@{self.number}"


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """An alias was set, moved or (with `number` None) taken away: by whom, when, why, on what."""

    ref: RefName
    alias: str
    number: int | None
    previous: int | None
    actor: Actor
    at: datetime
    recorded_at: datetime
    because: str
    run: RunId
    verdicts: tuple[ArtifactId, ...] = ()
