"""History: what was done to a ref or a run, by whom, when and why; oldest first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.pointer import BY_ID, parse_pointer
from tidemill.core.query import Note, Order, Query, Where
from tidemill.core.ref import Move, Version
from tidemill.core.run import Run
from tidemill.core.text import table
from tidemill.lineage.refs import resolve
from tidemill.lineage.targets import find_target
from tidemill.lineage.wording import NEAR, ref_text, run_title, spell_items, spell_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.ref import RefName
    from tidemill.lineage.record import Record


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was done. `at` is recorded time, `effective_at` the world's."""

    at: datetime
    effective_at: datetime
    who: str
    what: str
    why: str = ""
    run: str = ""

    @property
    def effective_text(self) -> str:
        """The effective time, where it is another one than the recorded."""
        return spell_time(self.effective_at) if abs(self.effective_at - self.at) >= NEAR else ""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a thing, oldest first."""

    of: str
    events: tuple[Event, ...]
    is_cut: bool = False

    def __str__(self) -> str:
        head = ["recorded", "effective", "who", "what", "why", "run"]
        rows = [
            [spell_time(e.at), e.effective_text, e.who, e.what, e.why, e.run[-8:]]
            for e in self.events
        ]
        more = "(older ones are left out; --limit shows them)\n" if self.is_cut else ""
        return f"{self.of}\n{more}{table(head, rows)}"

    __repr__ = __str__


def history(record: Record, text: str, limit: int) -> History:
    """Return what was done to what a pointer names: all versions of a ref, or one run."""
    pointer = parse_pointer(text, project=record.project)
    kind = record.kinds.get(pointer.kind)
    if pointer.kind in BY_ID or (kind is not None and kind.locate is not None):
        target = find_target(record, text)
        run = target.run
        events = [*_run_events(record, run)] if run else []
        subject = run.id if run else target.artifact.id if target.artifact else text
        events += _notes(record, "subject", "=", subject)
        return _sorted(target.title if run is None else run_title(run), events, limit)
    resolve(record, msgspec.structs.replace(pointer, number=None, at=None, word=None))
    return _sorted(
        ref_text(pointer.ref, record.project), _ref_events(record, pointer.ref, limit), limit
    )


def _sorted(of: str, events: list[Event], limit: int) -> History:
    ordered = sorted(events, key=lambda event: event.at)
    return History(of=of, events=tuple(ordered[-limit:]), is_cut=len(ordered) > limit)


def _ref_events(record: Record, ref: RefName, limit: int) -> list[Event]:
    ledger, of_ref = record.ports.ledger, (Where("ref", "=", str(ref)),)
    newest = (Order("recorded_at", descending=True),)
    versions = ledger.find(Query(Version, where=of_ref, order=newest, limit=limit + 1))
    moves = ledger.find(Query(Move, where=of_ref, order=newest, limit=limit + 1))
    reasons = _reasons(record, [version.run for version in versions])
    events = [
        Event(
            at=v.recorded_at, effective_at=v.at, who=str(v.actor), run=v.run,
            what=f"version {v.number} {spell_items(v.summary)}".rstrip(),
            why=reasons.get(v.run, ""),
        )
        for v in versions
    ]  # fmt: skip
    events += [
        Event(at=m.recorded_at, effective_at=m.at, who=str(m.actor), what=_moved(m),
              why=m.because, run=m.run)
        for m in moves
    ]  # fmt: skip
    return [*events, *_notes(record, "subject", "prefix", str(ref))]


def _moved(move: Move) -> str:
    before = f" from {move.previous}" if move.previous else ""
    return f"@{move.alias}{before} to {move.number}" if move.number else f"@{move.alias} taken away"


def _reasons(record: Record, runs: Sequence[str]) -> dict[str, str]:
    wanted = tuple(dict.fromkeys(runs))
    if not wanted:
        return {}
    query = Query(Run, where=(Where("id", "in", wanted),), limit=len(wanted))
    return {run.id: run.because or run.cause for run in record.ports.ledger.find(query)}


def _run_events(record: Record, run: Run) -> list[Event]:
    who = str(run.actor)
    events = [
        Event(at=run.opened_at, effective_at=run.at, who=who, what="opened", why=run.because,
              run=run.id)
    ]  # fmt: skip
    inner = Query(Run, where=(Where("parent", "=", run.id),), order=(Order("id"),), limit=10_000)
    events += [
        Event(at=one.opened_at, effective_at=one.at, who=str(one.actor),
              what=f"{one.kind} {one.name} {one.status}", why=one.because, run=one.id)
        for one in record.ports.ledger.find(inner)
    ]  # fmt: skip
    if run.sealed_at is not None:
        events.append(
            Event(at=run.sealed_at, effective_at=run.sealed_at, who=who, run=run.id,
                  what=f"sealed: {run.status} {run.error}".rstrip())
        )  # fmt: skip
    return events


def _notes(record: Record, field: str, op: str, value: str) -> list[Event]:
    query = Query(Note, where=(Where(field, op, value),), limit=1000)  # type: ignore[arg-type]
    return [
        Event(at=n.at, effective_at=n.at, who=str(n.actor), what=f"{n.key}: {n.text}")
        for n in record.ports.ledger.find(query)
        if n.subject == value or n.subject.startswith(f"{value}@")
    ]
