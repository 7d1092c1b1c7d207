"""The journal's rules: which facts are entries, what an entry commits to, how blocks chain.

A block is the entries of one transaction under a Merkle root (RFC 6962 hashing: 0x00 before a leaf,
0x01 before a node), chained by the previous block's hash. An entry commits to a salted digest of
its payload, kept beside it, so that erasing a text breaks no proof.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from blake3 import blake3

from tidemill.core.canonical import canonical_json
from tidemill.core.facts import (
    Edge,
    Fact,
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
from tidemill.core.run import Scalar

GENESIS = "0" * 64
"""The hash before the first block."""

KEYED = "keyed"
"""The kind of the entry that gives a unique key to a run."""

RUN_SEALED = "run-sealed"
"""The kind of the entry that ends a run."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An entry before it has a salt and a place."""

    kind: str
    subject: str
    payload: bytes


def drafts(facts: Sequence[Fact], sealed: Sequence["Seal"] = ()) -> list[Draft]:
    """Return the journal entries of a batch, in order.

    A run's seal commits to its edges and figures too (`sealed`, which the ledger reads back for
    runs opened in an earlier batch). A batch with figures alone has no entries.
    """
    by_run = {seal.run: seal for seal in sealed}
    entries: list[Draft] = []
    for fact in facts:
        match fact:
            case RunOpened(run=run):
                entries.append(Draft(kind="run-opened", subject=run, payload=canonical_json(fact)))
            case RunSealed(run=run):
                body = canonical_json({"sealed": fact, "content": by_run.get(run)})
                entries.append(Draft(kind=RUN_SEALED, subject=run, payload=body))
            case RefCreated(ref=ref) | Versioned(ref=ref) | Moved(ref=ref) | Hidden(ref=ref):
                kind = _NAMES[type(fact)]
                entries.append(Draft(kind=kind, subject=str(ref), payload=canonical_json(fact)))
            case Noted(subject=subject):
                entries.append(Draft(kind="noted", subject=subject, payload=canonical_json(fact)))
            case Keyed(key=subject):
                entries.append(Draft(kind=KEYED, subject=subject, payload=canonical_json(fact)))
            case Placed(artifact=subject):
                entries.append(Draft(kind="placed", subject=subject, payload=canonical_json(fact)))
            case _:
                continue
    return entries


_NAMES = {
    RefCreated: "ref-created",
    Versioned: "ref-versioned",
    Moved: "alias-moved",
    Hidden: "ref-hidden",
}


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What a run holds when it is sealed: edges, figures, what it vouches for, in a fixed order.

    An edge is (role, name, artifact, run that it was taken from or an empty text). A run vouches
    for what it made and for what it took from no other run (code, environment, machine):
    `vouched` is (artifact, digest of what the record says of it). `placed` is (table, manifest) as
    of the seal: the id of a table is the digest of its rows, so its manifest needs an entry of its
    own, while `Placed` may put it elsewhere later.
    """

    run: str
    edges: tuple[tuple[str, str, str, str], ...]
    figures: str
    vouched: tuple[tuple[str, str], ...] = ()
    placed: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        run: str,
        edges: Sequence[Edge],
        figures: Sequence[Figured],
        known: Mapping[str, str] | None = None,
    ) -> "Seal":
        """Return the seal of a run from its facts, whatever order they came in.

        `known` has the `description_digest` of each artifact that the run vouches for.
        """
        known = known or {}
        vouched = {edge.artifact for edge in edges if edge.role == "made" or not edge.source}
        rows = sorted(
            (key, step, at.isoformat(), repr(value))
            for figure in figures
            for key, value, step, at in zip(
                figure.keys, figure.values, figure.steps, figure.at, strict=True
            )
        )
        return cls(
            run=run,
            edges=tuple(
                sorted((edge.role, edge.name, edge.artifact, edge.source or "") for edge in edges)
            ),
            figures=blake3(canonical_json(rows)).hexdigest() if rows else "",
            vouched=tuple((artifact, known.get(artifact, "")) for artifact in sorted(vouched)),
        )


def description_digest(kind: str, size_bytes: int, summary: Mapping[str, Scalar]) -> str:
    """Return a digest of what the record says of an artifact for good: 32 hex digits."""
    return blake3(canonical_json([kind, size_bytes, summary])).hexdigest(length=16)


def entry_digest(kind: str, subject: str, payload: bytes, salt: bytes) -> str:
    """Return what an entry commits to; the salt keeps a short text from being guessed."""
    head = canonical_json([kind, subject])
    return blake3(len(head).to_bytes(8, "little") + head + salt + payload).hexdigest()


def block_hash(sequence: int, previous: str, root: str, entries: int, at: datetime) -> str:
    """Return the hash of a block; it covers everything before it through `previous`."""
    return blake3(canonical_json([sequence, previous, root, entries, at])).hexdigest()
