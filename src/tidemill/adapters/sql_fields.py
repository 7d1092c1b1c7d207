"""How each result of a `Query` lies in the tables: its fields as SQL, and a row as its value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tidemill.core.actor import Actor
from tidemill.core.artifact import Artifact
from tidemill.core.query import Block, EdgeRow, Entry, Figure, Note
from tidemill.core.ref import Move, Ref, RefName, Version
from tidemill.core.run import Run, Scalar
from tidemill.core.times import from_microseconds

if TYPE_CHECKING:
    from datetime import datetime

FieldKind = Literal["text", "whole", "real", "time", "flag", "bytes", "item"]

Row = Any
"""A row as the driver gives it."""


class Column(msgspec.Struct, frozen=True):
    """A field as SQL. `choices` are written into the statement, so that partial indexes serve."""

    sql: str
    kind: FieldKind = "text"
    is_nullable: bool = False
    choices: tuple[str, ...] = ()


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A result type: tables, fields that can be asked for, mappings, and how a row is read."""

    tables: str
    select: str
    fields: Mapping[str, Column]
    mappings: Mapping[str, str] = {}
    build: Callable[[Row], Any]


_scalars = msgspec.json.Decoder(dict[str, Scalar])
_numbers = msgspec.json.Decoder(dict[str, int])
_texts = msgspec.json.Decoder(tuple[str, ...])


def _mapping(text: str) -> dict[str, Scalar]:
    return {} if text == "{}" else _scalars.decode(text)


def _time(value: int | None) -> datetime | None:
    return None if value is None else from_microseconds(value)


def _ref_fields(alias: str) -> dict[str, Column]:
    return {
        "ref": Column(f"{alias}.full_name"),
        "ref.kind": Column(f"{alias}.kind"),
        "ref.project": Column(f"{alias}.project"),
        "ref.name": Column(f"{alias}.name"),
    }


def _actor_fields(alias: str) -> dict[str, Column]:
    return {
        "actor.name": Column(f"{alias}.actor_name"),
        "actor.kind": Column(f"{alias}.actor_kind"),
        "actor.known_by": Column(f"{alias}.actor_known_by"),
    }


def _artifact(row: Row) -> Artifact:
    inline = row[4].encode() if isinstance(row[4], str) else row[4]  # by a foreign tool
    return Artifact(
        id=row[0], kind=row[1], size_bytes=row[2], manifest=row[3], inline=inline,
        summary=_mapping(row[5]),
    )  # fmt: skip


def _run(row: Row) -> Run:
    return Run(
        id=row[0], kind=row[1], name=row[2], project=row[3],
        actor=Actor(name=row[4], kind=row[5], known_by=row[6]),
        opened_at=from_microseconds(row[7]), at=from_microseconds(row[8]), parent=row[9],
        because=row[10], cause=row[11], code=row[12], environment=row[13], owner=row[14],
        params=_mapping(row[15]), status=row[16], sealed_at=_time(row[17]), error=row[18],
    )  # fmt: skip


def _name(row: Row) -> RefName:
    return RefName(kind=row[0], project=row[1], name=row[2])


def _ref(row: Row) -> Ref:
    return Ref(
        ref=_name(row), owner=row[3], created_at=from_microseconds(row[4]), newest=row[5],
        aliases={} if row[6] == "{}" else _numbers.decode(row[6]), is_hidden=bool(row[7]),
    )  # fmt: skip


def _version(row: Row) -> Version:
    return Version(
        ref=_name(row), number=row[3], artifact=row[4], run=row[5],
        actor=Actor(name=row[6], kind=row[7], known_by=row[8]), at=from_microseconds(row[9]),
        recorded_at=from_microseconds(row[10]), summary=_mapping(row[11]),
    )  # fmt: skip


def _move(row: Row) -> Move:
    return Move(
        ref=_name(row), alias=row[3], number=row[4], previous=row[5],
        actor=Actor(name=row[6], kind=row[7], known_by=row[8]), at=from_microseconds(row[9]),
        recorded_at=from_microseconds(row[10]), because=row[11], run=row[12],
        verdicts=_texts.decode(row[13]),  # type: ignore[arg-type]
    )  # fmt: skip


def _figure(row: Row) -> Figure:
    return Figure(
        run=row[0], key=row[1], value=float(row[2]), step=row[3], at=from_microseconds(row[4])
    )


def _note(row: Row) -> Note:
    return Note(
        subject=row[0], key=row[1], text=row[2],
        actor=Actor(name=row[3], kind=row[4], known_by=row[5]), at=from_microseconds(row[6]),
    )  # fmt: skip


def _edge(row: Row) -> EdgeRow:
    return EdgeRow(run=row[0], artifact=row[1], role=row[2], name=row[3], source=row[4])


def _block(row: Row) -> Block:
    return Block(
        sequence=row[0], previous=row[1], root=row[2], entries=row[3],
        at=from_microseconds(row[4]), hash=row[5],
    )  # fmt: skip


def _entry(row: Row) -> Entry:
    payload = row[6].encode() if isinstance(row[6], str) else row[6]  # by a foreign tool
    return Entry(
        block=row[0], position=row[1], kind=row[2], subject=row[3], digest=row[4], salt=row[5],
        payload=payload,
    )  # fmt: skip


_STATUSES = ("running", "done", "failed", "cancelled", "lost")
_ROLES = ("used", "made")
_ACTOR = "{0}.actor_name, {0}.actor_kind, {0}.actor_known_by"

SHAPES: Mapping[type, Shape] = {
    Artifact: Shape(
        tables="artifact a JOIN node n ON n.id = a.node",
        select="n.name, a.kind, a.size_bytes, a.manifest, a.inline, a.summary",
        fields={
            "id": Column("n.name"),
            "kind": Column("a.kind"),
            "size_bytes": Column("a.size_bytes", "whole"),
            "manifest": Column("a.manifest", is_nullable=True),
            "inline": Column("a.inline", "bytes", is_nullable=True),
        },
        mappings={"summary": "a.summary"},
        build=_artifact,
    ),
    Run: Shape(
        tables="run r JOIN node n ON n.id = r.node",
        select="n.name, r.kind, r.name, r.project, " + _ACTOR.format("r") + ", r.opened_us, "
        "r.at_us, r.parent, r.because, r.cause, r.code, r.environment, r.owner, r.params, "
        "r.status, r.sealed_us, r.error",
        fields={
            "id": Column("n.name"),
            "kind": Column("r.kind"),
            "name": Column("r.name"),
            "project": Column("r.project"),
            **_actor_fields("r"),
            "opened_at": Column("r.opened_us", "time"),
            "at": Column("r.at_us", "time"),
            "status": Column("r.status", choices=_STATUSES),
            "sealed_at": Column("r.sealed_us", "time", is_nullable=True),
            "parent": Column("r.parent", is_nullable=True),
            "because": Column("r.because"),
            "cause": Column("r.cause"),
            "code": Column("r.code", is_nullable=True),
            "environment": Column("r.environment", is_nullable=True),
            "owner": Column("r.owner"),
            "error": Column("r.error"),
        },
        mappings={"params": "r.params"},
        build=_run,
    ),
    Ref: Shape(
        tables="ref f",
        select="f.kind, f.project, f.name, f.owner, f.created_us, f.newest, f.aliases, f.is_hidden",
        fields={
            **_ref_fields("f"),
            "owner": Column("f.owner"),
            "created_at": Column("f.created_us", "time"),
            "newest": Column("f.newest", "whole"),
            "is_hidden": Column("f.is_hidden", "flag"),
        },
        mappings={"aliases": "f.aliases"},
        build=_ref,
    ),
    Version: Shape(
        tables="version v JOIN ref f ON f.id = v.ref JOIN node a ON a.id = v.artifact "
        "JOIN node n ON n.id = v.run",
        select="f.kind, f.project, f.name, v.number, a.name, n.name, "
        + _ACTOR.format("v")
        + ", v.at_us, v.recorded_us, v.summary",
        fields={
            **_ref_fields("f"),
            "number": Column("v.number", "whole"),
            "artifact": Column("a.name"),
            "run": Column("n.name"),
            **_actor_fields("v"),
            "at": Column("v.at_us", "time"),
            "recorded_at": Column("v.recorded_us", "time"),
        },
        mappings={"summary": "v.summary"},
        build=_version,
    ),
    Move: Shape(
        tables="move m JOIN ref f ON f.id = m.ref JOIN node n ON n.id = m.run",
        select="f.kind, f.project, f.name, m.alias, m.number, m.previous, "
        + _ACTOR.format("m")
        + ", m.at_us, m.recorded_us, m.because, n.name, m.verdicts",
        fields={
            **_ref_fields("f"),
            "alias": Column("m.alias"),
            "number": Column("m.number", "whole", is_nullable=True),
            "previous": Column("m.previous", "whole", is_nullable=True),
            **_actor_fields("m"),
            "at": Column("m.at_us", "time"),
            "recorded_at": Column("m.recorded_us", "time"),
            "because": Column("m.because"),
            "run": Column("n.name"),
            "verdicts": Column("m.verdicts"),
        },
        build=_move,
    ),
    Figure: Shape(
        tables="figure g JOIN node n ON n.id = g.run",
        select="n.name, g.key, g.value, g.step, g.at_us",
        fields={
            "run": Column("n.name"),
            "key": Column("g.key"),
            "value": Column("g.value", "real"),
            "step": Column("g.step", "whole"),
            "at": Column("g.at_us", "time"),
        },
        build=_figure,
    ),
    Note: Shape(
        tables="note t",
        select="t.subject, t.key, t.text, " + _ACTOR.format("t") + ", t.at_us",
        fields={
            "subject": Column("t.subject"),
            "key": Column("t.key"),
            "text": Column("t.text"),
            **_actor_fields("t"),
            "at": Column("t.at_us", "time"),
        },
        build=_note,
    ),
    EdgeRow: Shape(
        tables="edge e JOIN node n ON n.id = e.run JOIN node a ON a.id = e.artifact "
        "LEFT JOIN node s ON s.id = e.source",
        select="n.name, a.name, e.role, e.name, s.name",
        fields={
            "run": Column("n.name"),
            "artifact": Column("a.name"),
            "role": Column("e.role", choices=_ROLES),
            "name": Column("e.name"),
            "source": Column("s.name", is_nullable=True),
        },
        build=_edge,
    ),
    Block: Shape(
        tables="block b",
        select="b.sequence, b.previous, b.root, b.entries, b.at_us, b.hash",
        fields={
            "sequence": Column("b.sequence", "whole"),
            "previous": Column("b.previous"),
            "root": Column("b.root"),
            "entries": Column("b.entries", "whole"),
            "at": Column("b.at_us", "time"),
            "hash": Column("b.hash"),
        },
        build=_block,
    ),
    Entry: Shape(
        tables="entry y",
        select="y.block, y.position, y.kind, y.subject, y.digest, y.salt, y.payload",
        fields={
            "block": Column("y.block", "whole"),
            "position": Column("y.position", "whole"),
            "kind": Column("y.kind"),
            "subject": Column("y.subject"),
            "digest": Column("y.digest"),
            "payload": Column("y.payload", "bytes", is_nullable=True),
        },
        build=_entry,
    ),
}
