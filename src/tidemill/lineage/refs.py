"""Refs: from a pointer to a version; moving an alias as its policy asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError, NotAllowedError, NotFoundError
from tidemill.core.facts import AliasAt, Moved
from tidemill.core.pointer import Pointer, is_alias, parse_pointer
from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Move, Ref, RefName, Version
from tidemill.lineage.attested_facts import require_alias
from tidemill.lineage.policies import judge_move
from tidemill.lineage.suggestions import closest, with_kind
from tidemill.lineage.writing import find_ref, opened
from tidemill.ports.ledger import ConditionFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tidemill.core.digest import ArtifactId
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record

_NEWEST_FIRST = (Order("number", descending=True),)


class AliasMove(msgspec.Struct, frozen=True, kw_only=True):
    """Where an alias points. Unless `is_new`, it did so before, since that older move."""

    move: Move
    is_new: bool


MOST = 2**63 - 1
"""The largest number that a place can be asked for."""


def ref_name(record: Record, kind: str, name: str) -> RefName:
    """Return the full name of a ref of this project, or of another one (`PROJECT/NAME`)."""
    return parse_pointer(name, project=record.project, kind=kind).ref


def resolve(record: Record, pointer: str | Pointer, *, kind: str | None = None) -> Version:
    """Return the version that a pointer names.

    Raises:
        NotFoundError: no such ref, number or alias; names the closest.
        InvalidInputError: the text is no pointer, or two things match it.
        CorruptError: the alias is not where its last move in the journal put it.
    """
    if isinstance(pointer, str):
        pointer = _parsed(record, pointer, kind)
    ref = find_ref(record, pointer.ref)
    if ref is None:
        raise _no_such_ref(record, pointer)
    wanted = _wanted(record, pointer, ref)
    if not wanted:
        raise _no_such_version(pointer, ref)
    if len(wanted) > 1:
        found = ", ".join(str(version) for version in wanted)
        raise InvalidInputError(f"{pointer} is ambiguous: {found}", fix="use the number")
    return wanted[0]


def _parsed(record: Record, text: str, kind: str | None) -> Pointer:
    try:
        return parse_pointer(text, project=record.project, kind=kind)
    except InvalidInputError as error:
        near = with_kind(record, text)
        if not near:
            raise
        raise InvalidInputError(error.what, fix=f"did you mean {near}?") from None


def versions(record: Record, ref: RefName, *, limit: int = 1000) -> list[Version]:
    """Return a ref's versions, newest first."""
    query = Query(Version, where=(Where("ref", "=", str(ref)),), order=_NEWEST_FIRST, limit=limit)
    return record.ports.ledger.find(query)


def moves(record: Record, ref: RefName, *, limit: int = 1000) -> list[Move]:
    """Return a ref's moves of aliases, newest first."""
    order = (Order("recorded_at", descending=True),)
    query = Query(Move, where=(Where("ref", "=", str(ref)),), order=order, limit=limit)
    return record.ports.ledger.find(query)


def move_alias(  # noqa: PLR0913 - a move is six facts
    record: Record,
    version: Version,
    alias: str,
    *,
    because: str,
    verdicts: Sequence[ArtifactId] = (),
    at: datetime | None = None,
    cause: str = "",
    parent: RunId | None = None,
) -> AliasMove:
    """Point an alias at a version, if its policy allows; the move is a run with its verdicts.

    Moving it to where it points already changes nothing: the last move is returned, not as new.

    Raises:
        NotAllowedError: the policy is not met; names what is missing.
        ConditionFailedError: somebody moved it, or changed its policy, meanwhile.
    """
    previous = _alias_now(record, version, alias)
    if previous == version.number:
        return AliasMove(move=_last_move(record, version.ref, alias), is_new=False)
    if not because.strip():
        raise NotAllowedError(
            f"moving {version.ref.kind}:{version.ref.name}@{alias} needs a reason",
            fix=f'add --because "..." ; it moves from {previous or "nowhere"} to {version.number}',
        )
    policy_unchanged = judge_move(record, version, alias, verdicts)
    try:
        with opened(
            record, kind="move", name=f"{version.ref.name}@{alias}", at=at, because=because,
            cause=cause, parent=parent,
        ) as run:  # fmt: skip
            run.used(version.artifact, name=alias, source=version.run)
            for verdict in verdicts:
                run.used(verdict, name="verdict")
            move = Move(
                ref=version.ref, alias=alias, number=version.number, previous=previous,
                actor=record.actor, at=run.opened.at, recorded_at=record.now(), because=because,
                run=run.id, verdicts=tuple(verdicts),
            )  # fmt: skip
            run.add(Moved(**msgspec.structs.asdict(move)))
            run.require(AliasAt(ref=version.ref, alias=alias, number=previous), policy_unchanged)
    except ConditionFailedError as error:
        raise _lost_race(record, version, alias, error) from None
    return AliasMove(move=move, is_new=True)


def _lost_race(
    record: Record, version: Version, alias: str, error: ConditionFailedError
) -> ConditionFailedError:
    """Return what people read where somebody moved the alias, or set its policy, meanwhile."""
    name = f"{version.ref.kind}:{version.ref.name}"
    again = f'tidemill promote {name}@{version.number} {alias} --because "..."'
    if not isinstance(error.condition, AliasAt):
        return ConditionFailedError(
            f"the policy of {name}@{alias} was changed meanwhile; nothing was moved",
            fix=f"tidemill policy show {name} {alias}; then {again}", condition=error.condition,
        )  # fmt: skip
    ref = find_ref(record, version.ref)
    now = ref.aliases.get(alias) if ref else None
    by = f", by {_last_move(record, version.ref, alias).actor}" if now else ""
    where = f"it is {name}@{now} now{by}" if now else "it is gone"
    return ConditionFailedError(
        f"somebody moved {name}@{alias} meanwhile: {where}; nothing was changed",
        fix=f"tidemill log {name} says why; if it shall be {version.number} all the same: {again}",
        condition=error.condition,
    )


def check_alias(alias: str) -> None:
    """Check that a word can be an alias.

    Raises:
        InvalidInputError: as a selector it would be read as something else.
    """
    if not is_alias(alias):
        raise InvalidInputError(
            f"{alias!r} cannot be an alias: @{alias} would not find it, or find something else too",
            fix="use a word like champion: a to z, 0 to 9, - and _; a number, a date, or only"
            " 0-9 and a-f are read as such",
        )


def _last_move(record: Record, ref: RefName, alias: str) -> Move:
    where = (Where("ref", "=", str(ref)), Where("alias", "=", alias))
    order = (Order("recorded_at", descending=True),)
    return record.ports.ledger.find(Query(Move, where=where, order=order, limit=1))[0]


def _alias_now(record: Record, version: Version, alias: str) -> int | None:
    check_alias(alias)
    ref = find_ref(record, version.ref)
    return ref.aliases.get(alias) if ref else None


def _wanted(record: Record, pointer: Pointer, ref: Ref) -> list[Version]:
    where = [Where("ref", "=", str(pointer.ref))]
    if pointer.number is not None:
        if pointer.number > MOST:  # no place counts as far
            return []
        where.append(Where("number", "=", pointer.number))
    elif pointer.at is not None:
        where.append(Where("at", "<=", pointer.at))
    elif pointer.word is not None:
        return _by_word(record, pointer, ref)
    order = (Order("at", descending=True), *_NEWEST_FIRST) if pointer.at else _NEWEST_FIRST
    return record.ports.ledger.find(Query(Version, where=tuple(where), order=order, limit=1))


def _by_word(record: Record, pointer: Pointer, ref: Ref) -> list[Version]:
    found: dict[int, Version] = {}
    everything = versions(record, pointer.ref, limit=1_000_000)
    number = ref.aliases.get(pointer.word or "")
    if number is not None:
        require_alias(record, ref, str(pointer.word))
        found |= {v.number: v for v in everything if v.number == number}
    if pointer.is_hex:
        same = [v for v in everything if v.artifact.partition(":")[2].startswith(str(pointer.word))]
        artifacts = {version.artifact for version in same}
        # Equal content under several numbers is one artifact: its newest number stands for it.
        found |= {
            v.number: v for a in artifacts for v in [next(s for s in same if s.artifact == a)]
        }
    return list(found.values())


def _no_such_ref(record: Record, pointer: Pointer) -> NotFoundError:
    query = Query(Ref, where=(Where("ref.project", "=", pointer.project),), limit=10_000)
    names = [f"{r.ref.kind}:{r.ref.name}" for r in record.ports.ledger.find(query)]
    wanted = f"{pointer.kind}:{pointer.name}"
    near = closest(wanted, names)
    is_known = pointer.kind in record.kinds or pointer.kind in {
        name.split(":")[0] for name in names
    }
    listed = f"tidemill list {pointer.kind}" if is_known else "tidemill list"
    if not is_known and (kind := closest(pointer.kind, list(record.kinds))):
        near = f"{kind}:{pointer.name}"
    fix = f"did you mean {near}?" if near else listed
    return NotFoundError(f"there is no {wanted} in project {pointer.project}", fix=fix)


USUAL_ALIASES = ("champion", "challenger", "prod", "staging")
"""What people call the version that serves, and the one that may come next."""


def _no_such_version(pointer: Pointer, ref: Ref) -> NotFoundError:
    aliases = ", ".join(f"@{alias} ({number})" for alias, number in sorted(ref.aliases.items()))
    exists = f"numbers 1 to {ref.newest}" if ref.newest else "no version yet"
    name, word = f"{pointer.kind}:{pointer.name}", pointer.word or ""
    near, usual = closest(word, list(ref.aliases)), closest(word, USUAL_ALIASES)
    fix = f"tidemill log {name}"
    if near:
        fix = f"did you mean {name}@{near}?"
    elif usual and ref.newest:
        fix = (
            f"@{usual} points at no version yet: "
            f'tidemill promote {name}@{ref.newest} {usual} --because "..."'
        )
    return NotFoundError(
        f"{pointer} does not exist; there are {exists}, aliases: {aliases or 'none'}", fix=fix
    )
