"""Unique keys by prefixes, and walks along the edges; both in few statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.adapters.sql_query import successor
from tidemill.core.query import EdgeRow
from tidemill.core.run import RunId

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidemill.adapters.sql_dialect import Dialect, Session
    from tidemill.core.facts import Direction

_SIZES = (1, 8, 64, 512)
"""Prefixes of one statement: few texts, so that prepared ones are used again."""


def keys_with(session: Session, prefixes: Sequence[str]) -> dict[str, RunId]:
    """Return every unique key that begins with one of the prefixes, and its run.

    Costs one search a prefix, in one statement for up to 512 of them.
    """
    found: dict[str, RunId] = {}
    wanted = list(dict.fromkeys(prefixes))
    for start in range(0, len(wanted), _SIZES[-1]):
        chunk = wanted[start : start + _SIZES[-1]]
        size = next(size for size in _SIZES if size >= len(chunk))
        padded = chunk + chunk[-1:] * (size - len(chunk))
        ranges = ", ".join(["(?, ?)"] * size)
        rows = session.execute(
            f"WITH wanted (low, high) AS (VALUES {ranges})"  # noqa: S608 - question marks only
            " SELECT k.key, n.name FROM wanted w CROSS JOIN unique_key k"
            " JOIN node n ON n.id = k.run WHERE k.key >= w.low AND k.key < w.high",
            tuple(end for prefix in padded for end in (prefix, successor(prefix) or _LAST)),
        ).fetchall()
        found.update((row[0], RunId(row[1])) for row in rows)
    return found


_LAST = "\U0010ffff" * 8
"""Above every key there is."""


def walk(
    session: Session, dialect: Dialect, ids: Sequence[str], direction: Direction, depth: int
) -> list[EdgeRow]:
    """Return the edges met from `ids`, breadth first, each once.

    Costs one statement a depth and two searches a node; equal nodes are visited once.
    """
    among = dialect.among
    from_artifact, from_run = ("made", "used") if direction == "up" else ("used", "made")
    step = (
        f"SELECT run, role, artifact, name, source, run FROM edge WHERE {among.format('artifact')}"  # noqa: S608 - constants only
        f" AND role = '{from_artifact}' UNION ALL"
        f" SELECT run, role, artifact, name, source, artifact FROM edge"
        f" WHERE {among.format('run')} AND role = '{from_run}' ORDER BY 1, 2, 3, 4, 5"
    )
    front = [row[0] for row in _nodes(session, dialect, "name", dict.fromkeys(ids))]
    seen = set(front)
    met: dict[tuple[Any, ...], None] = {}
    for _ in range(depth):
        if not front:
            break
        given = dialect.many(front)
        rows = session.execute(step, (given, given)).fetchall()
        met.update(dict.fromkeys(tuple(row[:5]) for row in rows))
        front = [node for node in dict.fromkeys(row[5] for row in rows) if node not in seen]
        seen.update(front)
    return _named(session, dialect, list(met))


def _named(session: Session, dialect: Dialect, edges: list[tuple[Any, ...]]) -> list[EdgeRow]:
    wanted = {node for edge in edges for node in (edge[0], edge[2], edge[4])}
    names = dict(_nodes(session, dialect, "id", wanted))
    return [
        EdgeRow(
            run=names[run], role=role, artifact=names[artifact], name=name,
            source=names.get(source),
        )
        for run, role, artifact, name, source in edges
    ]  # fmt: skip


def _nodes(
    session: Session, dialect: Dialect, column: str, wanted: Iterable[str | int]
) -> list[tuple[int, Any]]:
    among = dialect.among.format(column)
    sql = f"SELECT id, name FROM node WHERE {among}"  # noqa: S608 - a column of ours
    return session.execute(sql, (dialect.many(wanted),)).fetchall()
