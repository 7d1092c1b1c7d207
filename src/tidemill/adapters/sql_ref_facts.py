"""Writing facts about refs, keys and notes; a fact that is there already changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.adapters.sql_conditions import Aliases
from tidemill.adapters.sql_writer import actor_columns, json_text, unknown_artifact
from tidemill.core.errors import ConflictError
from tidemill.core.facts import KeyIs
from tidemill.core.times import microseconds

if TYPE_CHECKING:
    from tidemill.adapters.sql_writer import BatchWriter
    from tidemill.core.facts import Hidden, Keyed, Moved, Noted, RefCreated, Versioned
    from tidemill.core.ref import RefName

_REPEAT = "read it again and repeat"


def write_ref_created(writer: BatchWriter, fact: RefCreated) -> bool:
    ref = fact.ref
    done = writer.session.execute(
        "INSERT INTO ref (kind, project, name, owner, created_us, newest, aliases, is_hidden)"
        " VALUES (?, ?, ?, ?, ?, 0, '{}', 0) ON CONFLICT DO NOTHING",
        (ref.kind, ref.project, ref.name, fact.owner, microseconds(fact.at)),
    )
    if done.rowcount == 1:
        return True
    owner = _ref_row(writer, ref)[3]
    if owner != fact.owner:
        raise ConflictError(f"{ref} exists and belongs to {owner}", fix="use another name")
    return False


def _ref_row(writer: BatchWriter, ref: RefName) -> Any:  # noqa: ANN401 - a row
    row = writer.session.execute(
        "SELECT id, newest, aliases, owner FROM ref WHERE full_name = ?", (str(ref),)
    ).fetchone()
    if row is None:
        raise ConflictError(
            f"{ref} does not exist", fix="commit its RefCreated first, or in the same batch"
        )
    return row


def write_versioned(writer: BatchWriter, fact: Versioned) -> bool:
    identity, newest, *_ = _ref_row(writer, fact.ref)
    artifact, run = writer.node(fact.artifact), writer.node(fact.run)
    if fact.number != newest + 1:
        known = writer.session.execute(
            "SELECT artifact, run FROM version WHERE ref = ? AND number = ?",
            (identity, fact.number),
        ).fetchone()
        if known is not None and tuple(known) == (artifact, run):
            return False
        raise ConflictError(
            f"{fact.ref} is at {newest}; its next version is {newest + 1}, not {fact.number}",
            fix=_REPEAT,
        )
    if not writer.session.execute("SELECT 1 FROM artifact WHERE node = ?", (artifact,)).fetchone():
        raise unknown_artifact(fact.artifact)
    writer.is_open(fact.run)
    writer.session.execute(
        "INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (identity, fact.number, artifact, run, *actor_columns(fact.actor), microseconds(fact.at),
         microseconds(fact.recorded_at), json_text(fact.summary)),
    )  # fmt: skip
    writer.session.execute("UPDATE ref SET newest = ? WHERE id = ?", (fact.number, identity))
    return True


def write_moved(writer: BatchWriter, fact: Moved) -> bool:
    identity, newest, aliases, _ = _ref_row(writer, fact.ref)
    recorded, run = microseconds(fact.recorded_at), writer.node(fact.run)
    known = writer.session.execute(
        "SELECT number FROM move WHERE ref = ? AND recorded_us = ? AND alias = ? AND run = ?",
        (identity, recorded, fact.alias, run),
    ).fetchone()
    if known is not None and known[0] == fact.number:
        return False
    now = Aliases.decode(aliases)
    found = now.pop(fact.alias, None)
    if known is not None or found != fact.previous:
        raise ConflictError(
            f"{fact.ref}@{fact.alias} is at {found}, it cannot move from {fact.previous}",
            fix=_REPEAT,
        )
    if fact.number is not None:
        if not 1 <= fact.number <= newest:
            raise ConflictError(
                f"{fact.ref} has no version {fact.number}", fix=f"use one of 1 to {newest}"
            )
        now[fact.alias] = fact.number
    writer.session.execute(
        "INSERT INTO move VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (identity, recorded, fact.alias, run, fact.number, fact.previous,
         *actor_columns(fact.actor), microseconds(fact.at), fact.because, json_text(fact.verdicts)),
    )  # fmt: skip
    writer.session.execute("UPDATE ref SET aliases = ? WHERE id = ?", (json_text(now), identity))
    return True


def write_hidden(writer: BatchWriter, fact: Hidden) -> bool:
    identity = _ref_row(writer, fact.ref)[0]
    writer.session.execute(
        "UPDATE ref SET is_hidden = ? WHERE id = ?", (int(fact.is_hidden), identity)
    )
    return True


def write_keyed(writer: BatchWriter, fact: Keyed) -> bool:
    run = writer.node(fact.run)
    row = writer.session.execute(
        "SELECT k.run, n.name FROM unique_key k JOIN node n ON n.id = k.run WHERE k.key = ?",
        (fact.key,),
    ).fetchone()
    if row is None:
        writer.session.execute("INSERT INTO unique_key VALUES (?, ?)", (fact.key, run))
    elif row[0] == run:
        return False
    else:
        if KeyIs(key=fact.key, run=row[1]) not in writer.batch.conditions:
            raise ConflictError(
                f"key {fact.key} names run {row[1][-8:]}", fix="replace it with KeyIs(key, run)"
            )
        writer.session.execute("UPDATE unique_key SET run = ? WHERE key = ?", (run, fact.key))
    return True


def write_noted(writer: BatchWriter, fact: Noted) -> bool:
    writer.session.execute(
        "INSERT INTO note VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (subject, key) DO UPDATE SET"
        " text = excluded.text, actor_name = excluded.actor_name,"
        " actor_kind = excluded.actor_kind, actor_known_by = excluded.actor_known_by,"
        " at_us = excluded.at_us WHERE excluded.at_us >= note.at_us",
        (fact.subject, fact.key, fact.text, *actor_columns(fact.actor), microseconds(fact.at)),
    )
    return True
