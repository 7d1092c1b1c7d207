"""Writing facts about artifacts and runs; a fact that is there already changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.adapters.sql_writer import actor_columns, json_text, unknown_artifact
from tidemill.core.errors import ConflictError, InvalidInputError
from tidemill.core.facts import Edge, Figured
from tidemill.core.journal import Seal, description_digest
from tidemill.core.times import from_microseconds, microseconds

if TYPE_CHECKING:
    from tidemill.adapters.sql_dialect import Session
    from tidemill.adapters.sql_writer import BatchWriter
    from tidemill.core.facts import ArtifactMade, Placed, RunOpened, RunSealed


def write_artifact_made(writer: BatchWriter, fact: ArtifactMade) -> bool:
    """Write an artifact; one that is known keeps the kind that it was first made as."""
    artifact = fact.artifact
    node = writer.node(artifact.id)
    row = writer.session.execute(
        "SELECT size_bytes, manifest, inline FROM artifact WHERE node = ?", (node,)
    ).fetchone()
    if row is None:
        writer.session.execute(
            "INSERT INTO artifact VALUES (?, ?, ?, ?, ?, ?)",
            (node, artifact.kind, artifact.size_bytes, artifact.manifest, artifact.inline,
             json_text(artifact.summary)),
        )  # fmt: skip
        return True
    # The bytes of a table (td1) may be laid out in many ways; those of b3 and tree1 may not.
    if not artifact.id.startswith("td1:") and row[0] != artifact.size_bytes:
        raise ConflictError(
            f"{artifact.id[:17]} is known with {row[0]} bytes, not {artifact.size_bytes}",
            fix="give the artifact the size of the bytes that its id is the digest of",
        )
    if row[1] is None and row[2] is None:
        writer.session.execute(
            "UPDATE artifact SET manifest = ?, inline = ? WHERE node = ?",
            (artifact.manifest, artifact.inline, node),
        )
    return False


def write_placed(writer: BatchWriter, fact: Placed) -> bool:
    done = writer.session.execute(
        "UPDATE artifact SET manifest = ?, inline = NULL WHERE node = ?",
        (fact.manifest, writer.node(fact.artifact)),
    )
    if done.rowcount == 0:
        raise unknown_artifact(fact.artifact)
    return True


def write_run_opened(writer: BatchWriter, fact: RunOpened) -> bool:
    node = writer.node(fact.run)
    row = (
        fact.kind, fact.name, fact.project, *actor_columns(fact.actor),
        microseconds(fact.opened_at), microseconds(fact.at),
        fact.parent, fact.because, fact.cause, fact.code, fact.environment,
        fact.owner, json_text(fact.params),
    )  # fmt: skip
    done = writer.session.execute(
        "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running', NULL,"
        " '') ON CONFLICT DO NOTHING",
        (node, *row),
    )
    if done.rowcount == 1:
        writer.opened(node)
        return True
    known = writer.session.execute(
        "SELECT kind, name, project, actor_name, actor_kind, actor_known_by, opened_us, at_us,"
        " parent, because, cause, code, environment, owner, params FROM run WHERE node = ?",
        (node,),
    ).fetchone()
    if tuple(known) != row:
        raise ConflictError(
            f"run {fact.run[-8:]} is in the record with other content", fix="give it another id"
        )
    return False


def write_run_sealed(writer: BatchWriter, fact: RunSealed) -> bool:
    node = writer.node(fact.run)
    row = (fact.status, microseconds(fact.sealed_at), fact.error)
    if fact.status == "running":
        raise InvalidInputError(
            f"run {fact.run[-8:]} cannot be sealed as running",
            fix="seal it as done, failed, cancelled or lost",
        )
    if not writer.is_open(fact.run):
        known = writer.session.execute(
            "SELECT status, sealed_us, error FROM run WHERE node = ?", (node,)
        ).fetchone()
        if tuple(known) != row:
            raise ConflictError(
                f"run {fact.run[-8:]} was sealed as {known[0]} before", fix="open a new run"
            )
        return False
    writer.session.execute(
        "UPDATE run SET status = ?, sealed_us = ?, error = ? WHERE node = ?", (*row, node)
    )
    writer.seals.append(_seal(writer.session, fact, node))
    return True


def _seal(session: Session, fact: RunSealed, node: int) -> Seal:
    edges = session.execute(
        "SELECT e.role, e.name, a.name, s.name FROM edge e JOIN node a ON a.id = e.artifact"
        " LEFT JOIN node s ON s.id = e.source WHERE e.run = ?",
        (node,),
    ).fetchall()
    vouched = session.execute(
        "SELECT n.name, a.kind, a.size_bytes, a.summary, a.manifest, e.role FROM edge e"
        " JOIN node n ON n.id = e.artifact JOIN artifact a ON a.node = e.artifact"
        " WHERE e.run = ? AND (e.role = 'made' OR e.source = 0)",
        (node,),
    ).fetchall()
    points = session.execute(
        "SELECT key, value, step, at_us FROM figure WHERE run = ?", (node,)
    ).fetchall()
    figures = Figured(
        run=fact.run,
        keys=tuple(point[0] for point in points),
        values=tuple(float(point[1]) for point in points),
        steps=tuple(point[2] for point in points),
        at=tuple(from_microseconds(point[3]) for point in points),
    )
    seal = Seal.of(
        fact.run,
        [Edge(run=fact.run, role=e[0], name=e[1], artifact=e[2], source=e[3]) for e in edges],
        [figures],
        {row[0]: _description(*row[1:4]) for row in vouched},
    )
    tables = {
        (row[0], row[4])
        for row in vouched
        if row[4] and row[5] == "made" and row[0].startswith("td1:")
    }
    return msgspec.structs.replace(seal, placed=tuple(sorted(tables)))


def _description(kind: str, size_bytes: int, summary: str) -> str:
    return description_digest(kind, size_bytes, msgspec.json.decode(summary))


def write_edge(writer: BatchWriter, fact: Edge) -> bool:
    source = 0 if fact.source is None else writer.node(fact.source)
    writer.is_open(fact.run)
    done = writer.session.execute(
        "INSERT INTO edge VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (writer.node(fact.run), fact.role, writer.node(fact.artifact), fact.name, source),
    )
    if done.rowcount == 1:
        writer.refuse_sealed(fact.run, "edges")
    return done.rowcount == 1


def write_figured(writer: BatchWriter, fact: Figured) -> bool:
    columns = (fact.keys, fact.values, fact.steps, fact.at)
    if len({len(column) for column in columns}) != 1:
        raise InvalidInputError(
            f"figures of run {fact.run[-8:]}: columns of {[len(c) for c in columns]} rows",
            fix="give keys, values, steps and times of equal length",
        )
    writer.is_open(fact.run)
    node, real = writer.node(fact.run), writer.dialect.real
    done = writer.session.executemany(
        "INSERT INTO figure (run, key, value, step, at_us) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        [
            (node, key, real(value), step, microseconds(at))
            for key, value, step, at in zip(*columns, strict=True)
        ],
    )
    if done.rowcount > 0:
        writer.refuse_sealed(fact.run, "figures")
    return done.rowcount > 0
