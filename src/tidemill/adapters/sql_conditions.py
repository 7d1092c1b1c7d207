"""Judging the conditions of a batch inside the transaction that writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import ConflictError
from tidemill.core.facts import AliasAt, Condition, KeyIs, LeaseIs, RefAt, RunIsOpen
from tidemill.ports.ledger import ConditionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidemill.adapters.sql_dialect import Dialect, Session
    from tidemill.core.digest import Digest
    from tidemill.core.ref import RefName

Aliases = msgspec.json.Decoder(dict[str, int])

_AGAIN = "read it again and repeat"


def require(session: Session, conditions: Sequence[Condition]) -> None:
    """Judge conditions in order; a lease that is to be released is.

    Raises:
        ConditionFailedError: the first that does not hold.
    """
    for condition in conditions:
        _JUDGES[type(condition)](session, condition)


def require_live(session: Session, dialect: Dialect, objects: Sequence[Digest]) -> None:
    """Refuse objects that a collection has condemned.

    Raises:
        ConflictError: names one of them.
    """
    if not objects:
        return
    among = dialect.among.format("digest")
    row = session.execute(
        f"SELECT digest FROM condemned WHERE {among} LIMIT 1",  # noqa: S608 - a constant of the dialect
        (dialect.many(objects),),
    ).fetchone()
    if row is not None:
        raise ConflictError(
            f"object {row[0][:15]} is being collected as garbage",
            fix="store its bytes again and repeat",
        )


def _ref_at(session: Session, condition: RefAt) -> None:
    row = session.execute(
        "SELECT newest FROM ref WHERE full_name = ?", (str(condition.ref),)
    ).fetchone()
    found = None if row is None else row[0]
    if found != condition.number:
        is_, should = _number(found, "does not exist"), _number(condition.number, "not to exist")
        raise ConditionFailedError(
            f"{_short(condition.ref)} {is_}; this commit needs it {should}",
            fix=_AGAIN, condition=condition,
        )  # fmt: skip


def _alias_at(session: Session, condition: AliasAt) -> None:
    row = session.execute(
        "SELECT aliases FROM ref WHERE full_name = ?", (str(condition.ref),)
    ).fetchone()
    found = None if row is None else Aliases.decode(row[0]).get(condition.alias)
    if found != condition.number:
        is_, should = _number(found, "is not set"), _number(condition.number, "not to be set")
        raise ConditionFailedError(
            f"{_short(condition.ref)}@{condition.alias} {is_}; this commit needs it {should}",
            fix=_AGAIN, condition=condition,
        )  # fmt: skip


def _key_is(session: Session, condition: KeyIs) -> None:
    row = session.execute(
        "SELECT n.name FROM unique_key k JOIN node n ON n.id = k.run WHERE k.key = ?",
        (condition.key,),
    ).fetchone()
    found = None if row is None else row[0]
    if found != condition.run:
        is_ = "is free" if found is None else f"names run {found[-8:]}"
        should = "to be free" if condition.run is None else f"to name run {condition.run[-8:]}"
        raise ConditionFailedError(
            f"key {condition.key} {is_}; this commit needs it {should}",
            fix="use the run that it names, or read it again and repeat", condition=condition,
        )  # fmt: skip


def _lease_is(session: Session, condition: LeaseIs) -> None:
    row = session.execute(
        "SELECT token, owner FROM lease WHERE key = ?", (condition.key,)
    ).fetchone()
    if row is None or row[0] != condition.token:
        now = "nobody holds it" if row is None else f"{row[1]} holds it with token {row[0]}"
        raise ConditionFailedError(
            f"lease {condition.key} with token {condition.token} was lost: {now}",
            fix="take the lease again and repeat the work under it", condition=condition,
        )  # fmt: skip
    if condition.release:
        session.execute("DELETE FROM lease WHERE key = ?", (condition.key,))


def _run_is_open(session: Session, condition: RunIsOpen) -> None:
    row = session.execute(
        "SELECT r.status FROM run r JOIN node n ON n.id = r.node WHERE n.name = ?",
        (condition.run,),
    ).fetchone()
    if row is None or row[0] != "running":
        state = "is not in the record" if row is None else f"was sealed as {row[0]}"
        raise ConditionFailedError(
            f"run {condition.run[-8:]} {state}", fix="open a new run", condition=condition
        )


def _number(number: int | None, absent: str) -> str:
    return absent if number is None else f"at {number}"


def _short(ref: RefName) -> str:
    return f"{ref.kind}:{ref.name}"


_JUDGES: dict[type, Callable[[Session, Any], None]] = {
    RefAt: _ref_at,
    AliasAt: _alias_at,
    KeyIs: _key_is,
    LeaseIs: _lease_is,
    RunIsOpen: _run_is_open,
}
