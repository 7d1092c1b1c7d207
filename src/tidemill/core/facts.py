"""What one ledger commit holds: facts, and the conditions under which they may become true.

Facts are added, never changed. A ledger adapter stores them; `core/journal.py` says which of them
the journal commits to.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from tidemill.core.actor import Actor
from tidemill.core.artifact import Artifact
from tidemill.core.digest import ArtifactId, Digest
from tidemill.core.ref import RefName
from tidemill.core.run import RunId, Scalar, Status

Direction = Literal["up", "down"]


class ArtifactMade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An artifact exists; repeating it is a no-op. Objects it needs are in `Batch.objects`."""

    artifact: Artifact


class Placed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The bytes of a known artifact lie behind another manifest from now on."""

    artifact: ArtifactId
    manifest: Digest


class RunOpened(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run begins. `owner` is machine, boot and process, so that a dead one can be told."""

    run: RunId
    kind: str
    name: str
    project: str
    actor: Actor
    opened_at: datetime
    at: datetime
    parent: RunId | None = None
    because: str = ""
    cause: str = ""
    code: ArtifactId | None = None
    environment: ArtifactId | None = None
    owner: str = ""
    params: Mapping[str, Scalar] = {}


class RunSealed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run ends; nothing is added to it after this but amendments (`Noted`)."""

    run: RunId
    status: Status
    sealed_at: datetime
    error: str = ""


class Edge(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run used or made an artifact. `source` names the run whose artifact was used."""

    run: RunId
    artifact: ArtifactId
    role: Literal["used", "made"]
    name: str = ""
    source: RunId | None = None


class RefCreated(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A ref comes to be, with an owner (a person or `team:NAME`)."""

    ref: RefName
    owner: str
    actor: Actor
    at: datetime


class Versioned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A ref gets its next number. Commit it with `RefAt(ref, number - 1)`."""

    ref: RefName
    number: int
    artifact: ArtifactId
    run: RunId
    actor: Actor
    at: datetime
    recorded_at: datetime
    summary: Mapping[str, Scalar] = {}


class Moved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An alias points at a number, or (None) is taken away. Commit it with `AliasAt`."""

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


class Hidden(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A ref is hidden from lists, or shown again; its history stays."""

    ref: RefName
    is_hidden: bool
    actor: Actor
    at: datetime
    because: str


class Keyed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A unique key names a run: a memo entry, a trigger's cause. Commit it with `KeyIs`."""

    key: str
    run: RunId


class Figured(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Figures of a run, as columns of equal length; never journaled until the run's seal."""

    run: RunId
    keys: tuple[str, ...]
    values: tuple[float, ...]
    steps: tuple[int, ...]
    at: tuple[datetime, ...]


class Noted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A tag or a comment on a run, artifact or ref (`subject`); the newest of a key counts."""

    subject: str
    key: str
    text: str
    actor: Actor
    at: datetime


Fact = (
    ArtifactMade
    | Placed
    | RunOpened
    | RunSealed
    | Edge
    | RefCreated
    | Versioned
    | Moved
    | Hidden
    | Keyed
    | Figured
    | Noted
)


class RefAt(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """This ref's newest number is `number`; None: the ref does not exist yet."""

    ref: RefName
    number: int | None


class AliasAt(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """This alias points at `number`; None: it is not set."""

    ref: RefName
    alias: str
    number: int | None


class KeyIs(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """This unique key names `run`, which the batch's `Keyed` then replaces; None: it is free."""

    key: str
    run: RunId | None = None


class LeaseIs(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """This lease is held with this fencing token; `release` gives it back in the same commit."""

    key: str
    token: int
    release: bool = False


class RunIsOpen(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """This run is in the record and not sealed."""

    run: RunId


Condition = RefAt | AliasAt | KeyIs | LeaseIs | RunIsOpen


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one commit, all or nothing. `at` is recorded time.

    `objects` are digests that must be live (stored, and not condemned by a collection).
    """

    facts: tuple[Fact, ...]
    conditions: tuple[Condition, ...] = ()
    objects: tuple[Digest, ...] = ()
    at: datetime


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Proof of a commit: the journal block that holds its entries; None: nothing was journaled."""

    block: int | None
    root: str = ""
