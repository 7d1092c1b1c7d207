"""The memo: a step whose code, environment, inputs and parameters are known is never run again.

A unique key `memo:IDENTITY` names the step run that made the result; `memo:IDENTITY:OBSERVED` one
that read something undeclared, whose result holds only while that is as it was. An identity holds
no clock, host, path or random number, and no name of a pipeline.
Source: constructive traces (Mokhov, Mitchell, Peyton Jones, Build Systems a la Carte, ICFP 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from tidemill.core.canonical import canonical_json
from tidemill.core.query import Note, Query, Where
from tidemill.core.run import RunId
from tidemill.lineage.artifacts import find_artifacts
from tidemill.lineage.attested import attested
from tidemill.ports.executor import Value
from tidemill.practices.pipelines.codecs import value_of
from tidemill.practices.pipelines.identity.observed import observed_digest, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidemill.core.artifact import Artifact
    from tidemill.core.digest import Digest
    from tidemill.core.query import EdgeRow
    from tidemill.lineage.record import Record
    from tidemill.practices.pipelines.identity.observed import Observations

OBSERVED = "observed"
"""The note of a run on what it read undeclared."""
UNDECLARED = "undeclared"
"""The note of a run on what it read and did undeclared, for people."""
STEP_CODE, STEP_CODE_KIND = "step code", "step_code"
"""The edge from a step's run to the code and packages that it reaches, and their kind."""
AT_ONCE = 500
"""How many keys are looked up together."""


class StepIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides the result of one call."""

    step: str
    code: str
    environment: str
    arguments: Mapping[str, object]
    """Spelled; what was handed on as its artifact and codec."""
    version: int
    seed: int
    threads: int
    shape: Mapping[str, str]
    """How values are handed to it and taken from it, by its annotations."""


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """A result that is known: the run that made it, and its values in order."""

    run: RunId
    values: tuple[Value, ...]
    key: str = ""


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """What the record knows of some identities: results that hold, and all other keys.

    Those may be given to another run.
    """

    known: Mapping[str, Remembered]
    stale: Mapping[str, Mapping[str, RunId]]


def identity(parts: StepIdentity) -> str:
    """Return the identity of a step call as hex digits."""
    return blake3(canonical_json(["step 1", parts])).hexdigest()


def memo_key(of: str, observed: str = "") -> str:
    """Return the unique key of an identity, with the digest of what was observed."""
    return f"memo:{of}:{observed}" if observed else f"memo:{of}"


def made_name(codec: str, index: int, outputs: int) -> str:
    """Return the name of the edge to an output: its codec, and its place where there are more.

    >>> made_name("table", 0, 1), made_name("table", 1, 2)
    ('table', 'table#2')
    """
    return codec if outputs == 1 else f"{codec}#{index + 1}"


def known_runs(record: Record, identities: Sequence[str]) -> dict[str, RunId]:
    """Return the run of each key of these identities."""
    found: dict[str, RunId] = {}
    for start in range(0, len(identities), AT_ONCE):
        part = identities[start : start + AT_ONCE]
        found |= record.ports.ledger.keys([memo_key(of) for of in part])
    return found


def recall(
    record: Record, identities: Sequence[str], observations: Observations | None = None
) -> Recalled:
    """Return what is known of identities; a result whose bytes are gone is stale, not known.

    So is one that the journal does not attest: its key, or what its run made, was changed; and one
    of which something that it observed is not as it was. Without `observations` all of these hold.
    """
    runs = known_runs(record, identities)
    made = _attested(record, runs)
    artifacts = find_artifacts(record, [edge.artifact for edges in made.values() for edge in edges])
    found = {
        key: Remembered(run=run, values=_values(made.get(key, ()), artifacts), key=key)
        for key, run in runs.items()
    }
    holding = _holding(record, _with_bytes(record, found), observations)
    known: dict[str, Remembered] = {}
    for one in sorted(holding.values(), key=lambda one: one.run):  # the newest of several
        known[_identity_of(one.key)] = one
    stale: dict[str, dict[str, RunId]] = {}
    for key, run in runs.items():
        if known.get(_identity_of(key)) is not found[key]:
            stale.setdefault(_identity_of(key), {})[key] = run
    return Recalled(known=known, stale=stale)


def _identity_of(key: str) -> str:
    return key.split(":")[1]


def _holding(
    record: Record, found: Mapping[str, Remembered], observations: Observations | None
) -> dict[str, Remembered]:
    """Return results that observed nothing, or nothing that has changed since."""
    texts = observed_texts(record, [one.run for key, one in found.items() if key.count(":") > 1])
    kept = {}
    for key, one in found.items():
        told = read(texts.get(one.run, ""))
        is_sound = memo_key(_identity_of(key), observed_digest(told)) == key
        if is_sound and not (observations and observations.changed(told)):
            kept[key] = one
    return kept


def observed_texts(record: Record, runs: Sequence[RunId]) -> dict[str, str]:
    """Return what runs have observed, as they noted it."""
    texts: dict[str, str] = {}
    for start in range(0, len(runs), AT_ONCE):
        part = tuple(str(run) for run in runs[start : start + AT_ONCE])
        where = (Where("subject", "in", part), Where("key", "=", OBSERVED))
        for note in record.ports.ledger.find(Query(Note, where=where, limit=AT_ONCE)):
            texts.setdefault(note.subject, note.text)
    return texts


def _attested(record: Record, runs: Mapping[str, RunId]) -> dict[str, list[EdgeRow]]:
    """Return what was made for each key, where the journal says the same of key and run."""
    made = _made_by(record, list(runs.values()))
    sealed = attested(record.ports.ledger, runs)
    kept: dict[str, list[EdgeRow]] = {}
    for key, run in runs.items():
        edges = made.get(run, [])
        outputs = sealed.get(key)
        if outputs == frozenset((edge.name, edge.artifact) for edge in edges):
            kept[key] = edges
        else:
            of = _identity_of(key)
            record.tell.line(
                f"run {run[-8:]} is not what the journal says of memo {of[:8]}: the record was"
                " changed; the step is run again (see tidemill audit verify)"
            )
    return kept


def _made_by(record: Record, runs: Sequence[RunId]) -> dict[RunId, list[EdgeRow]]:
    made: dict[RunId, list[EdgeRow]] = {}
    for start in range(0, len(runs), AT_ONCE):
        part = runs[start : start + AT_ONCE]
        for edge in record.ports.ledger.edges(part, "down", 1):
            if edge.role == "made":
                made.setdefault(edge.run, []).append(edge)
    return made


def _values(edges: Iterable[EdgeRow], artifacts: Mapping[str, Artifact]) -> tuple[Value, ...]:
    placed = []
    for edge in edges:
        if edge.artifact not in artifacts:
            return ()
        codec, _, place = edge.name.partition("#")
        placed.append((int(place or 1), value_of(artifacts[edge.artifact], codec)))
    return tuple(value for _, value in sorted(placed, key=lambda pair: pair[0]))


def _with_bytes(record: Record, found: Mapping[str, Remembered]) -> dict[str, Remembered]:
    wanted: dict[str, set[Digest]] = {
        of: {value.manifest for value in known.values if value.manifest}
        for of, known in found.items()
    }
    every = set().union(*wanted.values()) if wanted else set()
    stored = record.ports.objects.has(every) if every else set()
    return {of: known for of, known in found.items() if wanted[of] <= stored and known.values}
