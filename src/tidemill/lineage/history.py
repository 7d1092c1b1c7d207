"""History: what was done to a ref or a run, by whom, when and why; oldest first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.core.pointer import BY_ID, parse_pointer
from tidemill.core.query import EdgeRow, Note, Order, Query, Where
from tidemill.core.ref import Move, Version
from tidemill.core.run import Run
from tidemill.core.text import WIDTH, folded, table, wrapped
from tidemill.lineage.refs import resolve
from tidemill.lineage.targets import find_target
from tidemill.lineage.wording import NEAR, note_text, plain_items, ref_text, run_title, spell_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.core.ref import RefName
    from tidemill.lineage.record import Record
    from tidemill.lineage.targets import Target

MOST = 10_000
"""Most moves and uses of one version that are looked at."""


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
    hint: str = ""

    def __str__(self) -> str:
        if not self.events:
            return f"{self.of}\n{self.hint or 'nothing was done to it'}"
        known = len(self.events)
        more = f"(older ones are left out: --limit {10 * known})\n" if self.is_cut else ""
        return f"{folded(self.of)}\n{more}{_drawn(self.events)}"

    __repr__ = __str__


def _drawn(events: Sequence[Event]) -> str:
    """Return events as a table; where reasons are too long for it, each on lines of its own."""
    head = ["recorded", "effective", "who", "what", "run", "why"]
    rows = [
        [spell_time(e.at), e.effective_text, e.who, e.what, e.run[-8:], " ".join(e.why.split())]
        for e in events
    ]
    columns = [at for at in range(len(head)) if any(row[at] for row in rows)]
    drawn = [[row[at] for at in columns] for row in (head, *rows)]
    if sum(max(len(row[at]) for row in drawn) + 2 for at in range(len(columns))) <= WIDTH:
        return table(drawn[0], drawn[1:])
    short = [at for at in columns if at != len(head) - 1]
    lines = table([head[at] for at in short], [[row[at] for at in short] for row in rows],
                  is_list=True).split("\n")  # fmt: skip
    told = [lines[0]]
    for line, row in zip(lines[1:], rows, strict=True):
        told.append(line)
        told += [f"    {one}" for one in wrapped(row[-1], WIDTH - 4) if one]
    return "\n".join(told)


def history(record: Record, text: str, limit: int) -> History:
    """Return what was done to what a pointer names.

    Of a ref: to all its versions; with a selector: to that version, and which runs used it. A
    prediction is no history: the answer says what tells more of it.
    """
    pointer = parse_pointer(text, project=record.project)
    kind = record.kinds.get(pointer.kind)
    if pointer.kind in BY_ID or (kind is not None and kind.locate is not None):
        return _of_id(record, find_target(record, text), text, limit)
    bare = msgspec.structs.replace(pointer, number=None, at=None, word=None)
    name = ref_text(pointer.ref, record.project)
    if pointer == bare:
        resolve(record, bare)
        return _sorted(name, _ref_events(record, pointer.ref, limit), limit)
    version = resolve(record, pointer)
    return _sorted(f"{name}@{version.number}", _version_events(record, version), limit)


def _of_id(record: Record, target: Target, text: str, limit: int) -> History:
    if target.run is not None:
        events = [*_run_events(record, target.run), *_notes(record, "=", target.run.id)]
        return _sorted(run_title(target.run), events, limit)
    if target.artifact is not None:
        identity = target.artifact.id
        events = [*_uses(record, identity), *_notes(record, "=", identity)]
        return _sorted(target.title, events, limit)
    history = _sorted(target.title, _notes(record, "=", text), limit)
    hint = (
        f"a {target.kind} is made once and never changed, so nothing is logged of it;"
        f" what made it:\n  tidemill why {text}"
    )
    return msgspec.structs.replace(history, hint=hint)


def _sorted(of: str, events: list[Event], limit: int) -> History:
    ordered = sorted(events, key=lambda event: event.at)
    return History(of=of, events=tuple(ordered[-limit:]), is_cut=len(ordered) > limit)


def _version_events(record: Record, version: Version) -> list[Event]:
    """Return its making, moves to and from it, notes on it, runs that used or made it."""
    of_ref = (Where("ref", "=", str(version.ref)),)
    moves = [
        move
        for field in ("number", "previous")
        for move in record.ports.ledger.find(
            Query(Move, where=(*of_ref, Where(field, "=", version.number)), limit=MOST)
        )
    ]
    made = _made(version, _reasons(record, [version.run]))
    return [
        made,
        *{(m.recorded_at, m.alias): _move(m) for m in moves}.values(),
        *_uses(record, version.artifact, version.run),
        *_notes(record, "=", f"{version.ref}@{version.number}"),
        *_notes(record, "=", version.artifact),
    ]


def _uses(record: Record, artifact: str, maker: str = "") -> list[Event]:
    """Return runs that used or made an artifact; with a maker, those that took it from there."""
    ledger = record.ports.ledger
    query = Query(EdgeRow, where=(Where("artifact", "=", artifact),), limit=MOST)
    edges: dict[str, EdgeRow] = {}
    for edge in ledger.find(query):
        if not maker or (edge.run != maker and (edge.source or maker) == maker):
            edges[edge.run] = edge
    runs = [
        run
        for start in range(0, len(edges), 500)
        for run in ledger.find(
            Query(Run, where=(Where("id", "in", tuple(edges)[start : start + 500]),), limit=500)
        )
    ]
    return [
        Event(
            at=run.opened_at, effective_at=run.at, who=str(run.actor), why=run.because or run.cause,
            run=run.id, what=f"{edges[run.id].role} by {run.kind} {run.name}".rstrip(),
        )
        for run in runs
        if run.kind != "move"  # told as the move that it is
    ]  # fmt: skip


def _ref_events(record: Record, ref: RefName, limit: int) -> list[Event]:
    ledger, of_ref = record.ports.ledger, (Where("ref", "=", str(ref)),)
    newest = (Order("recorded_at", descending=True),)
    versions = ledger.find(Query(Version, where=of_ref, order=newest, limit=limit + 1))
    moves = ledger.find(Query(Move, where=of_ref, order=newest, limit=limit + 1))
    reasons = _reasons(record, [version.run for version in versions])
    events = [*(_made(version, reasons) for version in versions), *map(_move, moves)]
    return [*events, *_notes(record, "prefix", str(ref))]


def _made(version: Version, reasons: Mapping[str, str]) -> Event:
    return Event(
        at=version.recorded_at, effective_at=version.at, who=str(version.actor), run=version.run,
        what=f"version {version.number} {plain_items(version.summary)}".rstrip(),
        why=reasons.get(version.run, ""),
    )  # fmt: skip


def _move(move: Move) -> Event:
    return Event(
        at=move.recorded_at, effective_at=move.at, who=str(move.actor), what=_moved(move),
        why=move.because, run=move.run,
    )  # fmt: skip


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
                  what=f"sealed: {run.status}", why=run.error)
        )  # fmt: skip
    return events


def _notes(record: Record, op: Literal["=", "prefix"], value: str) -> list[Event]:
    query = Query(Note, where=(Where("subject", op, value),), limit=1000)
    return [
        Event(at=n.at, effective_at=n.at, who=str(n.actor), what=note_text(n), why=n.text)
        for n in record.ports.ledger.find(query)
        if n.subject == value or n.subject.startswith(f"{value}@")
    ]
