"""The memo: a step whose code, environment, inputs and parameters are known is never run again.

A unique key `memo:IDENTITY` names the step run that made the result. An identity holds no clock,
host, path or random number, and no name of a pipeline.
Source: constructive traces (Mokhov, Mitchell, Peyton Jones, Build Systems a la Carte, ICFP 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from tidemill.core.canonical import canonical_json
from tidemill.core.run import RunId
from tidemill.lineage.artifacts import find_artifacts
from tidemill.lineage.attested import attested
from tidemill.ports.executor import Value
from tidemill.practices.pipelines.codecs import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidemill.core.artifact import Artifact
    from tidemill.core.digest import Digest
    from tidemill.core.query import EdgeRow
    from tidemill.lineage.record import Record

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


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """A result that is known: the run that made it, and its values in order."""

    run: RunId
    values: tuple[Value, ...]


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """What the record knows of some identities. `stale` keys may be given to another run."""

    known: Mapping[str, Remembered]
    stale: Mapping[str, RunId]


def identity(parts: StepIdentity) -> str:
    """Return the identity of a step call as hex digits."""
    return blake3(canonical_json(["step 1", parts])).hexdigest()


def memo_key(of: str) -> str:
    """Return the unique key of an identity."""
    return f"memo:{of}"


def made_name(codec: str, index: int, outputs: int) -> str:
    """Return the name of the edge to an output: its codec, and its place where there are more.

    >>> made_name("table", 0, 1), made_name("table", 1, 2)
    ('table', 'table#2')
    """
    return codec if outputs == 1 else f"{codec}#{index + 1}"


def known_runs(record: Record, identities: Sequence[str]) -> dict[str, RunId]:
    """Return the run of each identity that has one."""
    found: dict[str, RunId] = {}
    for start in range(0, len(identities), AT_ONCE):
        part = identities[start : start + AT_ONCE]
        found |= record.ports.ledger.keys([memo_key(of) for of in part])
    return {key.partition(":")[2]: run for key, run in found.items()}


def recall(record: Record, identities: Sequence[str]) -> Recalled:
    """Return what is known of identities; a result whose bytes are gone is stale, not known.

    So is one that the journal does not attest: its key, or what its run made, was changed.
    """
    runs = known_runs(record, identities)
    made = _attested(record, runs)
    artifacts = find_artifacts(record, [edge.artifact for edges in made.values() for edge in edges])
    found = {
        of: Remembered(run=run, values=_values(made.get(of, ()), artifacts))
        for of, run in runs.items()
    }
    known = _with_bytes(record, found)
    return Recalled(known=known, stale={of: run for of, run in runs.items() if of not in known})


def _attested(record: Record, runs: Mapping[str, RunId]) -> dict[str, list[EdgeRow]]:
    """Return what was made for each identity, where the journal says the same of key and run."""
    made = _made_by(record, list(runs.values()))
    sealed = attested(record.ports.ledger, {memo_key(of): run for of, run in runs.items()})
    kept: dict[str, list[EdgeRow]] = {}
    for of, run in runs.items():
        edges = made.get(run, [])
        outputs = sealed.get(memo_key(of))
        if outputs == frozenset((edge.name, edge.artifact) for edge in edges):
            kept[of] = edges
        else:
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
