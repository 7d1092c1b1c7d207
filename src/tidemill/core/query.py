"""Query: one closed value that asks the ledger, generic in its result.

    ledger.find(Query(Run, where=(Where("kind", "=", "step"),), order=(Order("opened_at", True),)))

Results are `Artifact`, `Run`, `Ref`, `Version`, `Move`, `Figure`, `Note`, `EdgeRow`, `Block` and
`Entry`. Fields are the attributes of the result; a ref is asked for by `ref.kind`, `ref.project`,
`ref.name`, a mapping's item by `params.NAME`, `summary.NAME`. `Where("ref", "=", str(ref))` works.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Generic, Literal, TypeVar

import msgspec

from tidemill.core.actor import Actor
from tidemill.core.artifact import Artifact
from tidemill.core.digest import ArtifactId
from tidemill.core.ref import Move, Ref, RefName, Version
from tidemill.core.run import Run, RunId

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


IDENTITY: Mapping[type, tuple[str, ...]] = {
    Artifact: ("id",),
    Run: ("id",),
    Ref: ("ref",),
    Version: ("ref", "number"),
    Move: ("ref", "recorded_at", "alias", "run"),
    Figure: ("run", "key", "step", "at", "value"),
    Note: ("subject", "key"),
    EdgeRow: ("run", "role", "artifact", "name", "source"),
    Block: ("sequence",),
    Entry: ("block", "position"),
}
"""The fields that tell a result from all others of its type: the last sort keys of a query."""


def sort_keys(query: Query[T]) -> tuple[Order, ...]:
    """Return the whole order of a query: what it asks for, then the result's own id.

    The id goes in the direction of the last key, so that "newest first" is newest first.
    """
    given = {order.field for order in query.order}
    is_descending = query.order[-1].descending if query.order else False
    rest = (field for field in IDENTITY[query.result] if field not in given)
    return (*query.order, *(Order(field, is_descending) for field in rest))


def page_end(query: Query[T], row: T) -> tuple[Value, ...]:
    """Return the `after` of the page that follows `row`, the last one of a page."""
    return tuple(_value_of(row, order.field) for order in sort_keys(query))


def _value_of(row: object, field: str) -> Value:
    head, _, item = field.partition(".")
    value = getattr(row, head)
    if isinstance(value, RefName):
        return str(getattr(value, item)) if item else str(value)
    if isinstance(value, Mapping):
        found: Value = value.get(item)
        return found
    return str(getattr(value, item)) if item else value
