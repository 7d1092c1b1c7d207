"""Query: one closed value that asks the ledger, generic in its result.

    ledger.find(Query(Run, where=(Where("kind", "=", "step"),), order=(Order("opened_at", True),)))

Results are `Artifact`, `Run`, `Ref`, `Version`, `Move`, `Figure`, `Note`, `EdgeRow`, `Block` and
`Entry`. Fields are the attributes of the result; a ref is asked for by `ref.kind`, `ref.project`,
`ref.name`, a mapping's item by `params.NAME`, `summary.NAME`. `Where("ref", "=", str(ref))` works.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, Literal, TypeVar

import msgspec

from tidemill.core.actor import Actor
from tidemill.core.digest import ArtifactId
from tidemill.core.run import RunId

T = TypeVar("T")

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "prefix", "suffix", "contains"]
Value = str | int | float | bool | datetime | None | Sequence[str] | Sequence[int]


class Where(msgspec.Struct, frozen=True):
    """One condition. `in` takes a sequence; `prefix`, `suffix`, `contains` take text."""

    field: str
    op: Operator
    value: Value


class Order(msgspec.Struct, frozen=True):
    """One sort key. Ties are broken by the result's own id, so that paging is stable."""

    field: str
    descending: bool = False


class Query(msgspec.Struct, Generic[T], frozen=True):
    """All conditions must hold. `after` is the last row's sort values and id, for the next page."""

    result: type[T]
    where: tuple[Where, ...] = ()
    order: tuple[Order, ...] = ()
    after: tuple[Value, ...] | None = None
    limit: int = 1000


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of a run at a step."""

    run: RunId
    key: str
    value: float
    step: int
    at: datetime


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """The newest text of a key on a subject."""

    subject: str
    key: str
    text: str
    actor: Actor
    at: datetime


class EdgeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One edge of the graph, as stored."""

    run: RunId
    artifact: ArtifactId
    role: str
    name: str
    source: RunId | None


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One block of the journal. `hash` covers sequence, previous hash, root and time."""

    sequence: int
    previous: str
    root: str
    entries: int
    at: datetime
    hash: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the journal: a salted digest of its payload, and the payload unless erased."""

    block: int
    position: int
    kind: str
    subject: str
    digest: str
    salt: bytes
    payload: bytes | None


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A small value that expires and is changed by compare-and-set on its version."""

    key: str
    value: bytes
    version: int


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A lease as granted. `token` grows with every grant: a fencing token."""

    key: str
    owner: str
    token: int
