"""List and search: what there is, by kind, by name, by words that people wrote."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.digest import SCHEMES
from tidemill.core.errors import NotFoundError
from tidemill.core.query import Note, Order, Query, Where
from tidemill.core.ref import Ref, Version
from tidemill.core.run import Run
from tidemill.core.text import table
from tidemill.lineage.suggestions import closest
from tidemill.lineage.targets import find_target
from tidemill.lineage.wording import ref_text, spell_items, spell_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.lineage.record import Record


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One ref or run in a list."""

    name: str
    what: str
    by: str
    at: datetime
    aliases: tuple[str, ...] = ()


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Refs or runs, newest first. `is_cut`: there are more than were asked for."""

    of: str
    items: tuple[Listed, ...]
    is_cut: bool = False

    def __str__(self) -> str:
        if not self.items:
            return f"no {self.of or 'ref'} yet"
        rows = [
            [item.name, " ".join("@" + a for a in item.aliases), item.what, item.by,
             spell_time(item.at)[:16]]
            for item in self.items
        ]  # fmt: skip
        command = "" if self.of.startswith("match") else f"tidemill list {self.of}".strip() + " "
        hint = f"\n(there are more: {command}--limit {10 * len(self.items)})"
        more = hint if self.is_cut else ""
        head, hidden = ["name", "aliases", "what", "by", "at"], not any(row[1] for row in rows)
        if hidden:
            head, rows = [head[0], *head[2:]], [[row[0], *row[2:]] for row in rows]
        return table(head, rows, is_list=True) + more

    __repr__ = __str__


def listed_runs(record: Record, project: str, limit: int) -> Listing:
    """Return a project's runs, newest first."""
    query = Query(
        Run,
        where=(Where("project", "=", project),),
        order=(Order("opened_at", descending=True),),
        limit=limit + 1,
    )
    found = record.ports.ledger.find(query)
    items = tuple(_run(run) for run in found[:limit])
    return Listing(of="run", items=items, is_cut=len(found) > limit)


def listed_refs(
    record: Record, kind: str, project: str, limit: int, *, hidden: bool = False
) -> Listing:
    """Return a project's refs with their newest versions; `kind` "" is every kind.

    Raises:
        NotFoundError: nobody knows this kind.
    """
    where = [Where("ref.project", "=", project)]
    if kind:
        where.append(Where("ref.kind", "=", kind))
    if not hidden:
        where.append(Where("is_hidden", "=", value=False))
    found = record.ports.ledger.find(
        Query(Ref, where=tuple(where), order=(Order("ref.kind"), Order("ref.name")),
              limit=limit + 1)
    )  # fmt: skip
    if kind and not found and kind not in record.kinds:
        near = closest(kind, [*record.kinds, "run"])
        raise NotFoundError(
            f"there is nothing of the kind {kind!r}",
            fix=f"did you mean {near}?" if near else "tidemill list shows every ref",
        )
    newest = _newest(record, found[:limit])
    items = tuple(_ref(record, ref, newest.get(str(ref.ref))) for ref in found[:limit])
    return Listing(of=kind, items=items, is_cut=len(found) > limit)


def found(record: Record, text: str, limit: int) -> Listing:
    """Return refs, runs and notes whose name, reason or words contain a text."""
    refs = record.ports.ledger.find(
        Query(Ref, where=(Where("ref.name", "contains", text),), limit=limit)
    )
    newest = _newest(record, refs)
    hits = [_ref(record, ref, newest.get(str(ref.ref))) for ref in refs]
    runs: dict[str, Run] = {}
    for field in ("name", "because", "error"):
        query = Query(
            Run,
            where=(Where(field, "contains", text),),
            order=(Order("opened_at", descending=True),),
            limit=limit,
        )
        runs |= {run.id: run for run in record.ports.ledger.find(query)}
    hits += [_run(run) for run in sorted(runs.values(), key=lambda run: run.id, reverse=True)]
    notes = record.ports.ledger.find(
        Query(Note, where=(Where("text", "contains", text),), limit=limit)
    )
    hits += [
        Listed(name=n.subject, what=f"{n.key}: {n.text}", by=str(n.actor), at=n.at) for n in notes
    ]
    hits += _by_digits(record, text)
    return Listing(of=f"match for {text!r}", items=tuple(hits[:limit]), is_cut=len(hits) > limit)


def _by_digits(record: Record, text: str) -> list[Listed]:
    scheme, _, digits = text.partition(":")
    if scheme not in SCHEMES or len(digits) < 6:
        return []
    artifact: Any = find_target(record, text).artifact
    query = Query(
        Version, where=(Where("artifact", "=", artifact.id),), order=(Order("recorded_at"),)
    )
    return [
        Listed(name=str(v), what=str(artifact), by=str(v.actor), at=v.recorded_at)
        for v in record.ports.ledger.find(query)
    ]


def _newest(record: Record, refs: Sequence[Ref]) -> dict[str, Version]:
    newest: dict[str, Version] = {}
    for start in range(0, len(refs), 300):
        names = tuple(str(ref.ref) for ref in refs[start : start + 300])
        numbers = {str(ref.ref): ref.newest for ref in refs[start : start + 300]}
        where = (
            Where("ref", "in", names),
            Where("number", "in", tuple(sorted(set(numbers.values())))),
        )
        for version in record.ports.ledger.find(Query(Version, where=where, limit=100_000)):
            if version.number == numbers[str(version.ref)]:
                newest[str(version.ref)] = version
    return newest


def _ref(record: Record, ref: Ref, version: Version | None) -> Listed:
    name = ref_text(ref.ref, record.project) + (f"@{ref.newest}" if ref.newest else "")
    return Listed(
        name=name,
        what=spell_items(version.summary) if version else "no version yet",
        by=str(version.actor) if version else ref.owner,
        at=version.at if version else ref.created_at,
        aliases=tuple(f"{alias}={number}" for alias, number in sorted(ref.aliases.items())),
    )


def _run(run: Run) -> Listed:
    because = f' "{run.because}"' if run.because else ""
    state = "" if run.status == "done" else f" {run.status}"
    return Listed(
        name=str(run), what=f"{run.kind} {run.name}{state}{because}", by=str(run.actor),
        at=run.opened_at,
    )  # fmt: skip
