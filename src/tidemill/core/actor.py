"""Who acts: a person, a team, a token or a trigger, and how we know it (PROV agent)."""

from typing import Literal

import msgspec

ActorKind = Literal["person", "team", "token", "trigger"]
KnownBy = Literal["claimed", "token", "oidc", "trigger"]


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody or something that acts. `known_by` says how far the name can be trusted."""

    name: str
    kind: ActorKind = "person"
    known_by: KnownBy = "claimed"

    def __str__(self) -> str:
        return self.name if self.kind == "person" else f"{self.kind}:{self.name}"
