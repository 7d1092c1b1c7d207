"""Facts that decide something, checked against the journal's entries of them.

What is promoted, deployed or compared, which policy stands in the way and up to when a model has
learned is read from tables, which whoever has the file could rewrite. Each is compared with the
newest sound entry of its subject; where they differ nothing is decided. Costs a search by subject.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import CorruptError
from tidemill.core.facts import Moved, Noted, RunOpened, Versioned
from tidemill.core.journal import RUN_SEALED, Seal, description_digest
from tidemill.core.query import EdgeRow, Entry, Order, Query, Where
from tidemill.core.ref import Version
from tidemill.core.run import Run
from tidemill.lineage.artifacts import find_artifacts
from tidemill.lineage.attested import AT_ONCE, is_sound, sound_entries
from tidemill.lineage.paging import every
from tidemill.lineage.writing import find_ref, newest_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tidemill.core.artifact import Artifact
    from tidemill.core.digest import ArtifactId
    from tidemill.core.query import Note
    from tidemill.core.ref import Ref, RefName
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record

_FIRST = 20
"""Entries of the first page: what is asked for is mostly new."""
_TRIES = 3
"""How often two looks are compared: somebody may have written between them."""

_moved = msgspec.json.Decoder(Moved)
_noted = msgspec.json.Decoder(Noted)


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of the payload of a seal's entry."""

    content: Seal | None = None


_sealed = msgspec.json.Decoder(_Sealed)


def changed(what: str) -> CorruptError:
    """Return the error of a fact that is not as the journal has it."""
    return CorruptError(
        f"{what}: the record was changed",
        fix="tidemill audit verify, then bring the record back from a backup",
    )


def _other_seal(run: RunId) -> CorruptError:
    return changed(f"what run:{run[-8:]} used and made is not what its seal says")


def require_versions(record: Record, *versions: Version) -> None:
    """Check that versions are what the journal says of them.

    Raises:
        CorruptError: one has another artifact, run, time or summary than its entry, or none.
    """
    by_ref: dict[str, dict[bytes, Version]] = defaultdict(dict)
    for version in versions:
        by_ref[str(version.ref)][_as_written(version)] = version
    for ref, wanted in by_ref.items():
        for entry in _newest_entries(record, ref, "ref-versioned"):
            wanted.pop(entry.payload or b"", None)
            if not wanted:
                break
        for version in wanted.values():
            raise changed(f"{version} is not what the journal says of it")


def require_alias(record: Record, ref: Ref, alias: str) -> None:
    """Check that an alias points where its newest move says.

    Raises:
        CorruptError: it points elsewhere.
    """
    said = None
    for entry in _newest_entries(record, str(ref.ref), "alias-moved"):
        move = _moved.decode(entry.payload or b"")
        if move.alias == alias:
            said = move.number
            break
    if said == ref.aliases.get(alias):
        return
    now = find_ref(record, ref.ref)  # somebody may have moved it between the two looks
    if now is None or said != now.aliases.get(alias):
        raise changed(f"{ref.ref.kind}:{ref.ref.name}@{alias} is not where its last move put it")


def attested_newest(record: Record, ref: RefName) -> Version | int:
    """Return the newest version of a ref, or 0 where it has none, as the journal has it too.

    Raises:
        CorruptError: the journal's newest is another one.
    """
    for _ in range(_TRIES):
        newest = newest_version(record, ref)
        said = next(_newest_entries(record, str(ref), "ref-versioned"), None)
        told = said.payload if said is not None else None
        if told == (_as_written(newest) if isinstance(newest, Version) else None):
            return newest
    raise changed(f"the newest version of {ref} is not what the journal says of it")


def attested_run(record: Record, run: RunId) -> Run | None:
    """Return a run with what it was opened with, parameters among them; None: there is none.

    Raises:
        CorruptError: it was opened otherwise, as the journal says.
    """
    found = record.ports.ledger.find(Query(Run, where=(Where("id", "=", run),), limit=1))
    if not found:
        return None
    names = (name for name in RunOpened.__struct_fields__ if name != "run")
    opening = canonical_json(RunOpened(run=run, **{n: getattr(found[0], n) for n in names}))
    entries = sound_entries(record.ports.ledger, [run], ("run-opened",))
    if not any(entry.payload == opening for entry in entries):
        raise changed(f"run:{run[-8:]} was not opened with what the record says of it")
    return found[0]


def seals_of(record: Record, runs: Iterable[RunId]) -> dict[RunId, Seal]:
    """Return what runs used, made and vouched for, as their seals say; left out: open ones."""
    found: dict[RunId, Seal] = {}
    for entry in sound_entries(record.ports.ledger, list(runs), (RUN_SEALED,)):
        content = _sealed.decode(entry.payload or b"").content
        if content is not None:
            found[entry.subject] = content  # type: ignore[index]  # a run's subject is its id
    return found


def attested_ancestry(record: Record, version: Version, depth: int) -> list[EdgeRow]:
    """Return the edges above a version, from it to all that it was made from.

    Raises:
        CorruptError: a run on the way used or made something else, as its seal says.
    """
    edges = record.ports.ledger.edges([version.artifact], "up", depth)
    runs = {version.run, *(edge.run for edge in edges)}
    runs |= {edge.source for edge in edges if edge.source}
    rows: dict[RunId, set[tuple[str, str, str, str]]] = defaultdict(set)
    wanted = sorted(runs)
    for start in range(0, len(wanted), AT_ONCE):
        where = (Where("run", "in", tuple(wanted[start : start + AT_ONCE])),)
        for row in every(record.ports.ledger, Query(EdgeRow, where=where, limit=10 * AT_ONCE)):
            rows[row.run].add((row.role, row.name, row.artifact, row.source or ""))
    for run, seal in seals_of(record, wanted).items():
        if rows[run] != set(seal.edges):
            raise _other_seal(run)
    return edges


def attested_products(record: Record, artifact: ArtifactId) -> list[Artifact]:
    """Return what the runs that used an artifact made, in the order of the runs.

    Raises:
        CorruptError: such a run used or made something else, or what it made was described
            otherwise, as its seal says.
    """
    edges = record.ports.ledger.edges([artifact], "down", 2)
    using = {edge.run for edge in edges if edge.role == "used" and edge.artifact == artifact}
    made = {(e.run, e.artifact) for e in edges if e.role == "made" and e.run in using}
    seals = seals_of(record, using)
    for run, seal in seals.items():
        sealed = {(role, identity) for role, _, identity, _ in seal.edges}
        here = {("made", identity) for maker, identity in made if maker == run}
        if ("used", artifact) not in sealed or here != {e for e in sealed if e[0] == "made"}:
            raise _other_seal(run)
    ordered = [(run, identity) for run, identity in sorted(made) if run in seals]
    return _described(record, ordered, seals)


def attested_artifacts(record: Record, wanted: Sequence[ArtifactId]) -> list[Artifact]:
    """Return artifacts that a run made, as its seal says. Raises as `attested_products`."""
    edges = record.ports.ledger.edges(wanted, "up", 1)
    seals = seals_of(record, {edge.run for edge in edges})
    makers = {
        identity: run
        for run, seal in seals.items()
        for role, _, identity, _ in seal.edges
        if role == "made"
    }
    return _described(record, [(makers[one], one) for one in wanted if one in makers], seals)


def _described(
    record: Record, made: Sequence[tuple[RunId, str]], seals: Mapping[RunId, Seal]
) -> list[Artifact]:
    """Return the artifacts of (run, artifact); each must be what its run vouches for."""
    known = find_artifacts(record, [identity for _, identity in made]) if made else {}
    found = []
    for run, identity in made:
        one, said = known.get(identity), dict(seals[run].vouched).get(identity)
        if one is None:
            raise changed(f"{identity[:20]}, which run:{run[-8:]} made, is not in the record")
        if said and said != description_digest(one.kind, one.size_bytes, one.summary):
            raise changed(f"{one} is not described as run:{run[-8:]} made it")
        found.append(one)
    return found


def attested_notes(record: Record, notes: Sequence[Note]) -> list[Note]:
    """Return those notes on one subject whose newest entry in the journal says the same."""
    said: dict[str, bytes] = {}
    for subject in {note.subject for note in notes}:
        for entry in sound_entries(record.ports.ledger, [subject], ("noted",)):
            said[f"{subject} {_noted.decode(entry.payload or b'').key}"] = entry.payload or b""
    return [
        note
        for note in notes
        if said.get(f"{note.subject} {note.key}")
        == canonical_json(Noted(**msgspec.structs.asdict(note)))
    ]


def _as_written(version: Version) -> bytes:
    return canonical_json(Versioned(**msgspec.structs.asdict(version)))


def _newest_entries(record: Record, subject: str, kind: str) -> Iterator[Entry]:
    """Yield the sound entries of a subject, newest first."""
    where = (Where("subject", "=", subject), Where("kind", "=", kind))
    order = (Order("block", descending=True),)
    for entry in every(record.ports.ledger, Query(Entry, where=where, order=order, limit=_FIRST)):
        if is_sound(entry):
            yield entry
