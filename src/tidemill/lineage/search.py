"""List and search: what there is, by kind, by name, by words that people wrote."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.digest import SCHEMES
from tidemill.core.errors import NotFoundError
from tidemill.core.query import Note, Order, Query, Where
from tidemill.core.ref import Ref, Version
from tidemill.core.run import Run
from tidemill.core.text import table
from tidemill.lineage.owners import answers_for, owners_of
from tidemill.lineage.paging import every
from tidemill.lineage.suggestions import closest
from tidemill.lineage.targets import find_target
from tidemill.lineage.wording import ref_text, spell_items, spell_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tidemill.lineage.record import Record


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One ref or run in a list."""

    name: str
    what: str
    by: str
    at: datetime
    aliases: tuple[str, ...] = ()
    project: str = ""
    owner: str = ""
    """Who answers for a ref now: a person or `team:NAME`."""


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
    """Return a project's runs, newest first; `project` "" is every project."""
    query = Query(
        Run,
        where=(Where("project", "=", project),) if project else (),
        order=(Order("opened_at", descending=True),),
        limit=limit + 1,
    )
    found = record.ports.ledger.find(query)
    items = tuple(_run(record, run) for run in found[:limit])
    return Listing(of="run", items=items, is_cut=len(found) > limit)


def listed_refs(
    record: Record, kind: str, project: str, limit: int, *, hidden: bool = False, owner: str = ""
) -> Listing:
    """Return a project's refs with their newest versions; "" is every kind, project or owner.

    An owner is a person, with the teams that have them, or a team.

    Raises:
        NotFoundError: nobody knows this kind.
    """
    where = [Where("ref.project", "=", project)] if project else []
    if kind:
        where.append(Where("ref.kind", "=", kind))
    if not hidden:
        where.append(Where("is_hidden", "=", value=False))
    order = (Order("ref.kind"), Order("ref.name"), Order("ref.project"))
    query = Query(Ref, where=tuple(where), order=order, limit=1000 if owner else limit + 1)
    if owner:
        found = list(islice(_owned(record, every(record.ports.ledger, query), owner), limit + 1))
    else:
        found = record.ports.ledger.find(query)
    if kind and not found and kind not in record.kinds:
        near = closest(kind, [*record.kinds, "run"])
        raise NotFoundError(
            f"there is nothing of the kind {kind!r}",
            fix=f"did you mean {near}?" if near else "tidemill list shows every ref",
        )
    return Listing(of=kind, items=tuple(_refs(record, found[:limit])), is_cut=len(found) > limit)


def require_project(record: Record, project: str) -> None:
    """Refuse a project that nothing in this record is of.

    Raises:
        NotFoundError: there is none; names the closest, or all.
    """
    ledger, field = record.ports.ledger, Where("project", "=", project)
    if project == record.project or ledger.find(Query(Run, where=(field,), limit=1)):
        return
    names = sorted({ref.ref.project for ref in every(ledger, Query(Ref, limit=10_000))})
    near = closest(project, names)
    known = f"there are {', '.join(names)}" if names else "nothing is in this record yet"
    raise NotFoundError(
        f"there is no project {project!r} in this record",
        fix=f"did you mean {near}?" if near else known,
    )


def _owned(record: Record, refs: Iterable[Ref], owner: str) -> Iterator[Ref]:
    answers = answers_for(record, owner)
    refs = iter(refs)
    while page := list(islice(refs, 300)):
        owners = owners_of(record, page)
        yield from (ref for ref in page if answers(owners[str(ref.ref)], ref.ref.project))


def _refs(record: Record, refs: Sequence[Ref]) -> Iterator[Listed]:
    newest, owners = _newest(record, refs), owners_of(record, refs)
    for ref in refs:
        name = str(ref.ref)
        yield _ref(record, ref, newest.get(name), owners[name])


def found(record: Record, text: str, limit: int, *, project: str = "") -> Listing:
    """Return refs, runs and notes whose name, reason or words contain a text.

    `project` "": of every project of the record.
    """
    within = (Where("ref.project", "=", project),) if project else ()
    refs = record.ports.ledger.find(
        Query(Ref, where=(Where("ref.name", "contains", text), *within), limit=limit)
    )
    hits = list(_refs(record, refs))
    hits += _runs_with(record, text, limit, project)
    if not project:
        hits += _notes_with(record, text, limit)
    hits += [hit for hit in _by_digits(record, text) if project in {"", hit.project}]
    return Listing(of=f"match for {text!r}", items=tuple(hits[:limit]), is_cut=len(hits) > limit)


def _runs_with(record: Record, text: str, limit: int, project: str) -> list[Listed]:
    within = (Where("project", "=", project),) if project else ()
    runs: dict[str, Run] = {}
    for field in ("name", "because", "error"):
        query = Query(
            Run,
            where=(Where(field, "contains", text), *within),
            order=(Order("opened_at", descending=True),),
            limit=limit,
        )
        runs |= {run.id: run for run in record.ports.ledger.find(query)}
    newest = sorted(runs.values(), key=lambda run: run.id, reverse=True)
    return [_run(record, run) for run in newest]


def _notes_with(record: Record, text: str, limit: int) -> list[Listed]:
    notes = record.ports.ledger.find(
        Query(Note, where=(Where("text", "contains", text),), limit=limit)
    )
    return [
        Listed(name=n.subject, what=f"{n.key}: {n.text}", by=str(n.actor), at=n.at) for n in notes
    ]


def _by_digits(record: Record, text: str) -> list[Listed]:
    scheme, _, digits = text.partition(":")
    if scheme not in SCHEMES or len(digits) < 6:
        return []
    artifact: Any = find_target(record, text).artifact
    query = Query(
        Version, where=(Where("artifact", "=", artifact.id),), order=(Order("recorded_at"),)
    )
    return [
        Listed(
            name=f"{ref_text(v.ref, record.project)}@{v.number}",
            what=str(artifact),
            by=str(v.actor),
            at=v.recorded_at,
            project=v.ref.project,
        )
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


def _ref(record: Record, ref: Ref, version: Version | None, owner: str) -> Listed:
    name = ref_text(ref.ref, record.project) + (f"@{ref.newest}" if ref.newest else "")
    return Listed(
        name=name,
        what=spell_items(version.summary) if version else "no version yet",
        by=str(version.actor) if version else ref.owner,
        at=version.at if version else ref.created_at,
        aliases=tuple(f"{alias}={number}" for alias, number in sorted(ref.aliases.items())),
        project=ref.ref.project,
        owner=owner,
    )


def _run(record: Record, run: Run) -> Listed:
    name = run.name if run.project == record.project else f"{run.project}/{run.name}"
    because = f' "{run.because}"' if run.because else ""
    state = "" if run.status == "done" else f" {run.status}"
    return Listed(
        name=str(run), what=f"{run.kind} {name}{state}{because}", by=str(run.actor),
        at=run.opened_at, project=run.project,
    )  # fmt: skip
