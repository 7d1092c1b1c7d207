"""What the tables must hold, as the journal's entries say, and where they differ.

Of each fact only a digest is kept (16 bytes), so that a record of millions of entries is audited in
the memory of a laptop.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec
from blake3 import blake3

from tidemill.core.artifact import Artifact
from tidemill.core.digest import ArtifactId, Digest
from tidemill.core.facts import (
    Edge,
    Figured,
    Hidden,
    Keyed,
    Moved,
    Noted,
    Placed,
    RefCreated,
    RunOpened,
    RunSealed,
    Versioned,
)
from tidemill.core.journal import Seal, description_digest
from tidemill.core.query import IDENTITY, EdgeRow, Figure, Note, Query, Where
from tidemill.core.ref import Move, Ref, Version
from tidemill.core.run import Run
from tidemill.lineage.paging import every

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tidemill.ports.ledger import Ledger

PAGE_ROWS = 5000

_encoder = msgspec.msgpack.Encoder(order="deterministic")


class SealPayload(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a `run-sealed` entry."""

    sealed: RunSealed
    content: Seal | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that the tables hold otherwise than its entries say."""

    result: type
    identity: tuple[Any, ...]
    where: str
    what: str


_DECODERS: Mapping[str, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(type_)
    for kind, type_ in (
        ("run-opened", RunOpened),
        ("run-sealed", SealPayload),
        ("ref-created", RefCreated),
        ("ref-versioned", Versioned),
        ("alias-moved", Moved),
        ("ref-hidden", Hidden),
        ("noted", Noted),
        ("keyed", Keyed),
        ("placed", Placed),
    )
}
_TYPES: tuple[type, ...] = (Run, Ref, Version, Move, Note)
_NOUNS: Mapping[type, str] = {
    Run: "run",
    Ref: "ref",
    Version: "version",
    Move: "move",
    Note: "note",
    Keyed: "unique key",
    Placed: "manifest of table",
    Seal: "edges, figures and artifacts of run",
}
_IDENTITIES: Mapping[type, Callable[[Any], tuple[Any, ...]]] = {
    Run: lambda run: (run.id,),
    Ref: lambda ref: (str(ref.ref),),
    Version: lambda version: (str(version.ref), version.number),
    Move: lambda move: (str(move.ref), move.recorded_at, move.alias, move.run),
    Note: lambda note: (note.subject, note.key),
    Keyed: lambda keyed: (keyed.key,),
    Placed: lambda placed: (placed.artifact,),
    Seal: lambda seal: (seal.run,),
}


class ExpectedFacts:
    """Grows with each entry; then compares itself with the tables."""

    def __init__(self) -> None:
        self._digests: dict[type, dict[tuple[Any, ...], bytes]] = {
            type_: {} for type_ in (*_TYPES, Keyed, Placed, Seal)
        }
        self._open: dict[str, Run] = {}
        self._refs: dict[str, Ref] = {}
        self._notes: dict[tuple[str, str], datetime] = {}
        self._known: dict[str, str] = {}

    def take(self, kind: str, payload: bytes) -> bool:
        """Take what an entry says; False: it cannot be read."""
        decoder = _DECODERS.get(kind)
        if decoder is None:
            return True
        try:
            fact = decoder.decode(payload)
        except msgspec.DecodeError:
            return False
        match fact:
            case RunOpened():
                self._open_run(fact)
            case SealPayload():
                self._seal_run(fact)
            case Noted():
                self._note(fact)
            case Keyed() | Placed():
                self._expect(fact)
            case _:
                self._move_ref(fact)
        return True

    def differences(self, ledger: Ledger) -> Iterator[Difference]:
        """Yield where the tables differ, in one pass over each."""
        for type_ in _TYPES:
            seen = set()
            rows: Iterator[Any] = every(ledger, Query(type_, limit=PAGE_ROWS))
            for row in rows:
                identity = _IDENTITIES[type_](row)
                seen.add(identity)
                yield from self._judged(type_, identity, row)
            for identity in self._digests[type_].keys() - seen:
                yield from self._judged(type_, identity, None)
        yield from self._key_differences(ledger)
        yield from self._content_differences(ledger)

    def still_differs(self, ledger: Ledger, suspect: Difference) -> bool:
        """Look at one fact again, after entries that came later."""
        if suspect.result is Seal:
            run = Where("run", "=", suspect.identity[0])
            edges = list(every(ledger, Query(EdgeRow, where=(run,), limit=PAGE_ROWS)))
            figures = list(every(ledger, Query(Figure, where=(run,), limit=PAGE_ROWS)))
            named = tuple(edge.artifact for edge in edges)
            artifacts = Query(Artifact, where=(Where("id", "in", named),), limit=PAGE_ROWS)
            self._known |= {one.id: _description(one) for one in every(ledger, artifacts)}
            row: Any = _seal_of(suspect.identity[0], edges, figures, self._known)
        elif suspect.result is Keyed:
            row = _keyed(suspect.identity[0], ledger)
        elif suspect.result is Placed:
            row = _placed(suspect.identity[0], ledger)
        else:
            fields = zip(IDENTITY[suspect.result], suspect.identity, strict=True)
            where = tuple(Where(field, "=", value) for field, value in fields)
            found: list[Any] = ledger.find(Query(suspect.result, where=where, limit=1))
            row = found[0] if found else None
        return any(True for _ in self._judged(suspect.result, suspect.identity, row))

    def _expect(self, value: Any) -> None:  # noqa: ANN401 - any of our types
        type_ = type(value)
        self._digests[type_][_IDENTITIES[type_](value)] = _digest(value)

    def _open_run(self, fact: RunOpened) -> None:
        run = Run(
            id=fact.run, kind=fact.kind, name=fact.name, project=fact.project, actor=fact.actor,
            opened_at=fact.opened_at, at=fact.at, parent=fact.parent, because=fact.because,
            cause=fact.cause, code=fact.code, environment=fact.environment, owner=fact.owner,
            params=fact.params,
        )  # fmt: skip
        self._open[fact.run] = run
        self._expect(run)

    def _seal_run(self, payload: SealPayload) -> None:
        fact = payload.sealed
        run = self._open.pop(fact.run, None)
        if run is not None:
            self._expect(
                msgspec.structs.replace(
                    run, status=fact.status, sealed_at=fact.sealed_at, error=fact.error
                )
            )
        if payload.content is not None:
            self._expect(msgspec.structs.replace(payload.content, placed=()))
            for table, manifest in payload.content.placed:
                self._expect(Placed(artifact=ArtifactId(table), manifest=Digest(manifest)))

    def _note(self, fact: Noted) -> None:
        key = (fact.subject, fact.key)
        newest = self._notes.get(key)
        if newest is None or fact.at >= newest:
            self._notes[key] = fact.at
            self._expect(
                Note(
                    subject=fact.subject, key=fact.key, text=fact.text, actor=fact.actor, at=fact.at
                )
            )

    def _move_ref(self, fact: RefCreated | Versioned | Moved | Hidden) -> None:
        name = str(fact.ref)
        ref = self._refs.get(name)
        match fact:
            case RefCreated():
                ref = Ref(ref=fact.ref, owner=fact.owner, created_at=fact.at)
            case Versioned():
                self._expect(_version_of(fact))
                ref = ref and msgspec.structs.replace(ref, newest=fact.number)
            case Moved():
                self._expect(_move_of(fact))
                ref = ref and msgspec.structs.replace(ref, aliases=_aliases(ref.aliases, fact))
            case Hidden():
                ref = ref and msgspec.structs.replace(ref, is_hidden=fact.is_hidden)
        if ref is not None:
            self._refs[name] = ref
            self._expect(ref)

    def _key_differences(self, ledger: Ledger) -> Iterator[Difference]:
        """Compare the unique keys, memo entries and causes of triggers among them."""
        found = ledger.keys([""])
        for key, run in found.items():
            yield from self._judged(Keyed, (key,), Keyed(key=key, run=run))
        for identity in self._digests[Keyed].keys() - {(key,) for key in found}:
            yield from self._judged(Keyed, identity, None)

    def _content_differences(self, ledger: Ledger) -> Iterator[Difference]:
        """Compare edges and figures with the seals of their runs."""
        self._known = {}
        for artifact in every(ledger, Query(Artifact, limit=PAGE_ROWS)):
            self._known[artifact.id] = _description(artifact)
            if artifact.manifest is not None and (artifact.id,) in self._digests[Placed]:
                placed = Placed(artifact=artifact.id, manifest=artifact.manifest)
                yield from self._judged(Placed, (artifact.id,), placed)
        edges = _Runs(every(ledger, Query(EdgeRow, limit=PAGE_ROWS)))
        figures = _Runs(every(ledger, Query(Figure, limit=PAGE_ROWS)))
        seen = set()
        while edges.run is not None or figures.run is not None:
            run = min(run for run in (edges.run, figures.run) if run is not None)
            seen.add((run,))
            seal = _seal_of(run, edges.take(run), figures.take(run), self._known)
            yield from self._judged(Seal, (run,), seal)
        for identity in self._digests[Seal].keys() - seen:
            yield from self._judged(Seal, identity, _seal_of(identity[0], (), (), {}))

    def _judged(self, type_: type, identity: tuple[Any, ...], row: object) -> Iterator[Difference]:
        """Yield a difference, if the row (None: there is none) is not as expected."""
        expected = self._digests[type_].get(identity)
        if expected == (row and _digest(row)):
            return
        if expected is None and type_ is Seal and identity in self._digests[Run]:
            return  # a run that is still open: nothing is promised of its content yet
        if expected is None:
            what = "is in the record, but the journal has no entry of it"
        elif row is None:
            what = "is missing from the record; the journal has it"
        else:
            what = "is not in the record as the journal has it"
        name = " ".join(str(part) for part in identity)
        where = f"{_NOUNS[type_]} {name}"
        yield Difference(result=type_, identity=identity, where=where, what=what)


class _Runs:
    """Rows ordered by run, handed out run by run."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._groups = groupby(rows, key=lambda row: row.run)
        self._rows: Iterator[Any] = iter(())
        self.run: str | None = None
        self._advance()

    def _advance(self) -> None:
        self.run, self._rows = next(self._groups, (None, iter(())))

    def take(self, run: str) -> list[Any]:
        """Return the rows of this run; none, if the next are of another."""
        if self.run != run:
            return []
        rows = list(self._rows)
        self._advance()
        return rows


def _digest(value: object) -> bytes:
    return blake3(_encoder.encode(value)).digest(16)


def _description(artifact: Artifact) -> str:
    return description_digest(artifact.kind, artifact.size_bytes, artifact.summary)


def _keyed(key: str, ledger: Ledger) -> Keyed | None:
    run = ledger.keys([key]).get(key)
    return None if run is None else Keyed(key=key, run=run)


def _placed(table: str, ledger: Ledger) -> Placed | None:
    found = ledger.find(Query(Artifact, where=(Where("id", "=", table),), limit=1))
    if not found or found[0].manifest is None:
        return None
    return Placed(artifact=found[0].id, manifest=found[0].manifest)


def _seal_of(
    run: str, edges: Sequence[EdgeRow], figures: Sequence[Figure], known: Mapping[str, str]
) -> Seal:
    facts = [
        Edge(run=e.run, role=e.role, name=e.name, artifact=e.artifact, source=e.source)  # type: ignore[arg-type]
        for e in edges
    ]
    if not figures:
        return Seal.of(run, facts, (), known)
    columns = Figured(
        run=figures[0].run,
        keys=tuple(figure.key for figure in figures),
        values=tuple(figure.value for figure in figures),
        steps=tuple(figure.step for figure in figures),
        at=tuple(figure.at for figure in figures),
    )
    return Seal.of(run, facts, (columns,), known)


def _version_of(fact: Versioned) -> Version:
    return Version(
        ref=fact.ref, number=fact.number, artifact=fact.artifact, run=fact.run, actor=fact.actor,
        at=fact.at, recorded_at=fact.recorded_at, summary=fact.summary,
    )  # fmt: skip


def _move_of(fact: Moved) -> Move:
    return Move(
        ref=fact.ref, alias=fact.alias, number=fact.number, previous=fact.previous,
        actor=fact.actor, at=fact.at, recorded_at=fact.recorded_at, because=fact.because,
        run=fact.run, verdicts=fact.verdicts,
    )  # fmt: skip


def _aliases(aliases: Mapping[str, int], fact: Moved) -> dict[str, int]:
    moved = {alias: number for alias, number in aliases.items() if alias != fact.alias}
    return moved if fact.number is None else {**moved, fact.alias: fact.number}
