"""Leases with fencing tokens, and cells that expire; each call is one short transaction.

Tokens and versions come from one counter, which outlives the rows: they only grow, also when a
lease was given back or a cell deleted in between.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tidemill.adapters.process_owner import spell_owner
from tidemill.core.errors import LeaseHeldError
from tidemill.core.query import Cell, Lease
from tidemill.core.times import from_microseconds, microseconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tidemill.adapters.sql_dialect import Session


def grant(
    session: Session, key: str, owner: str, ttl_s: float, now: datetime,
    is_alive: Callable[[str], bool],
) -> Lease:  # fmt: skip
    """Grant a lease that is free, expired, held by `owner`, or whose owner has died.

    Raises:
        LeaseHeldError: another live owner holds it.
    """
    row = session.execute("SELECT owner, expires_us FROM lease WHERE key = ?", (key,)).fetchone()
    if (
        row is not None
        and row[0] != owner
        and row[1] > microseconds(now)
        and is_alive(row[0])
    ):  # fmt: skip
        until = from_microseconds(row[1]).isoformat(timespec="seconds")
        raise LeaseHeldError(
            f"{key} is being worked on by {spell_owner(row[0])} (until {until} at least)",
            fix="wait for it to finish, or stop that process",
        )
    token = _next_token(session)
    session.execute(
        "INSERT INTO lease VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
        " owner = excluded.owner, token = excluded.token, expires_us = excluded.expires_us",
        (key, owner, token, _expiry(now, ttl_s)),
    )
    return Lease(key=key, owner=owner, token=token)


def prolong(session: Session, lease: Lease, ttl_s: float, now: datetime) -> bool:
    """Prolong a lease that nobody else got meanwhile."""
    done = session.execute(
        "UPDATE lease SET expires_us = ? WHERE key = ? AND token = ?",
        (_expiry(now, ttl_s), lease.key, lease.token),
    )
    return done.rowcount == 1


def give_back(session: Session, lease: Lease) -> None:
    """Free a lease, unless somebody else got it meanwhile."""
    session.execute("DELETE FROM lease WHERE key = ? AND token = ?", (lease.key, lease.token))


def read_cell(session: Session, key: str, now: datetime) -> Cell | None:
    """Return a cell that has not expired."""
    row = session.execute(
        "SELECT value, version FROM cell WHERE key = ? AND expires_us > ?", (key, microseconds(now))
    ).fetchone()
    return None if row is None else Cell(key=key, value=bytes(row[0]), version=row[1])


def swap_cell(
    session: Session, key: str, value: bytes | None, *, version: int | None, ttl_s: float,
    now: datetime,
) -> bool:  # fmt: skip
    """Set or delete a cell if it is still at `version`; expired cells are swept on the way."""
    session.execute("DELETE FROM cell WHERE expires_us <= ?", (microseconds(now),))
    row = session.execute("SELECT version FROM cell WHERE key = ?", (key,)).fetchone()
    if (None if row is None else row[0]) != version:
        return False
    if value is None:
        session.execute("DELETE FROM cell WHERE key = ?", (key,))
        return True
    session.execute(
        "INSERT INTO cell VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
        " value = excluded.value, version = excluded.version, expires_us = excluded.expires_us",
        (key, value, _next_token(session), _expiry(now, ttl_s)),
    )
    return True


def _next_token(session: Session) -> int:
    row = session.execute(
        "UPDATE counter SET value = value + 1 WHERE name = 'token' RETURNING value"
    ).fetchall()[0]
    return int(row[0])


def _expiry(now: datetime, ttl_s: float) -> int:
    return microseconds(now + timedelta(seconds=ttl_s))
