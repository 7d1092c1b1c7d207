"""Comments: what people say about a ref, a version or a run; journaled, shown by `log`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.facts import Batch, Noted
from tidemill.core.pointer import parse_pointer
from tidemill.core.query import Note, Order, Query, Where
from tidemill.core.run import Run
from tidemill.lineage.refs import resolve
from tidemill.lineage.writing import find_ref

if TYPE_CHECKING:
    from tidemill.core.pointer import Pointer
    from tidemill.lineage.record import Record

COMMENT = "comment:"


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """One comment, on what, by whom, when."""

    subject: str
    text: str
    actor: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor} on {self.subject}: {self.text}"

    __repr__ = __str__


def subject_of(record: Record, pointer: str) -> str:
    """Return what notes on a thing are filed under: a whole ref, `REF@NUMBER`, or a run's id.

    Raises:
        NotFoundError: there is no such thing.
    """
    parsed = parse_pointer(pointer, project=record.project)
    if parsed.kind == "run":
        return _run_id(record, parsed)
    if parsed.number or parsed.word or parsed.at:
        version = resolve(record, parsed)
        return f"{version.ref}@{version.number}"
    if find_ref(record, parsed.ref) is None:
        raise NotFoundError(f"there is no {pointer}", fix=f"tidemill list {parsed.kind}")
    return str(parsed.ref)


def put_comment(record: Record, pointer: str, text: str) -> Comment:
    """Say something about a ref, a version or a run."""
    if not text.strip():
        raise InvalidInputError("the comment is empty", fix='tidemill comment REF "what you think"')
    subject, now = subject_of(record, pointer), record.now()
    key = COMMENT + record.ports.clock.new_id()
    noted = Noted(subject=subject, key=key, text=text, actor=record.actor, at=now)
    record.ports.ledger.commit(Batch(facts=(noted,), at=now))
    return Comment(subject=subject, text=text, actor=str(record.actor), at=now)


def comments(record: Record, subject: str) -> tuple[Comment, ...]:
    """Return the comments on a subject and, for a ref, on its versions; oldest first."""
    where = (Where("subject", "prefix", subject), Where("key", "prefix", COMMENT))
    notes = record.ports.ledger.find(Query(Note, where=where, order=(Order("key"),)))
    return tuple(
        Comment(subject=note.subject, text=note.text, actor=str(note.actor), at=note.at)
        for note in notes
        if note.subject == subject or note.subject.startswith(f"{subject}@")
    )


def _run_id(record: Record, pointer: Pointer) -> str:
    where = (Where("id", "suffix", pointer.name),)
    found = record.ports.ledger.find(Query(Run, where=where, limit=2))
    if len(found) != 1:
        what = "several runs end with" if found else "there is no run"
        raise NotFoundError(f"{what} {pointer.name}", fix="give the whole id of the run")
    return found[0].id
