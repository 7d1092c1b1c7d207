"""Numbers of nodes in PostgreSQL: given once a name, in the one order of all writers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill.adapters.postgres_connections import PostgresSession


def numbered(session: PostgresSession, names: Iterable[str]) -> dict[str, int]:
    """Return the numbers of nodes, given where they have none; in the one order of all writers."""
    wanted = sorted(names)
    known = _numbers(session, wanted)
    missing = [name for name in wanted if name not in known]
    if not missing:
        return known
    made = session.execute(
        "INSERT INTO node (name) SELECT * FROM unnest(?::text[]) ON CONFLICT DO NOTHING"
        " RETURNING name, id",
        (missing,),
    ).fetchall()
    known.update((row[0], row[1]) for row in made)
    late = [name for name in missing if name not in known]
    return known | (_numbers(session, late) if late else {})


def _numbers(session: PostgresSession, names: list[str]) -> dict[str, int]:
    sql = "SELECT name, id FROM node WHERE name = ANY(?)"
    return {row[0]: row[1] for row in session.execute(sql, (names,)).fetchall()}
