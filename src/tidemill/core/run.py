"""Run: a happening that used artifacts and made artifacts, for an actor (PROV activity).

Append-only; sealed at its end; the only way in which an artifact comes to be.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NewType

import msgspec

from tidemill.core.actor import Actor
from tidemill.core.digest import ArtifactId

RunId = NewType("RunId", str)
"""A UUIDv7 as 32 hex digits: sorts by the time it was opened."""

Scalar = str | int | float | bool | None

Status = Literal["running", "done", "failed", "cancelled", "lost"]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run as the record knows it now. `at` is effective time, the others are recorded time."""

    id: RunId
    kind: str
    name: str
    project: str
    actor: Actor
    opened_at: datetime
    at: datetime
    status: Status = "running"
    sealed_at: datetime | None = None
    parent: RunId | None = None
    because: str = ""
    cause: str = ""
    code: ArtifactId | None = None
    environment: ArtifactId | None = None
    owner: str = ""
    params: Mapping[str, Scalar] = {}
    error: str = ""

    def __str__(self) -> str:
        return f"run:{self.id[-8:]}"
