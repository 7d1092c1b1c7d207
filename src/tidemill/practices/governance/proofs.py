"""Proofs in small files: that a fact is in a record, or that a record only grew since a checkpoint.

A proof is checked with nothing but the file and, to be sure who signed, the public key that one
knows from elsewhere. It says: this entry has this payload; it is in this block; the block is in the
tree of this checkpoint; this key signed the checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.journal import block_hash, entry_digest
from tidemill.core.merkle import consistency_path, inclusion_path, is_consistent, is_included
from tidemill.core.pointer import is_alias, parse_pointer
from tidemill.core.query import Block, Entry, Query, Where
from tidemill.lineage.checkpoints import against_checkpoint, block_hashes
from tidemill.lineage.journal import Problem
from tidemill.lineage.paging import every
from tidemill.lineage.targets import find_target
from tidemill.practices.governance.audit_keys import signer_of
from tidemill.practices.governance.checkpoints import (
    make_checkpoint,
    read_checkpoint,
    read_text,
    told_checkpoint,
)
from tidemill.wire.signed_note import parse_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.lineage.checkpoints import Checkpoint
    from tidemill.lineage.record import Record
    from tidemill.wire.signed_note import PublicKey

PAGE_ROWS = 1000


class ProvenEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the journal, and the way from it to the root of the checkpoint's tree."""

    kind: str
    subject: str
    payload: str
    """What it says, as the JSON text that was journaled."""
    salt: str
    position: int
    entry_path: tuple[str, ...]
    block: Block
    block_path: tuple[str, ...]


class Proof(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A proof file: of a fact (`entry`), or of growth since a checkpoint (`since`)."""

    is_verbatim: ClassVar[bool] = True
    format: str
    checkpoint: str
    """The signed checkpoint against which it holds."""
    key: str
    """The public key of its signature; compare it with the one that you know."""
    entry: ProvenEntry | None = None
    since: str = ""
    """The older signed checkpoint."""
    since_path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode()

    __repr__ = __str__


FORMAT = "tidemill proof 1"


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof shows, if `problems` is empty."""

    what: str
    checkpoint: str
    key: str
    problems: tuple[Problem, ...] = ()


def prove_fact(record: Record, pointer: str) -> Proof:
    """Return the proof of one fact: a version, where an alias points, or a run's end.

    Raises:
        InvalidInputError: it is no such fact.
        NotFoundError: there is nothing of that name.
    """
    kind, subject, says = _wanted(record, pointer)
    entry = _newest(record, kind, subject, says)
    if entry is None:
        raise NotFoundError(
            f"the journal has no entry of {pointer}", fix="tidemill audit verify finds out why"
        )
    made = make_checkpoint(record)
    hashes = block_hashes(record.ports.ledger, made.size)
    ledger = record.ports.ledger
    block = ledger.find(Query(Block, where=(Where("sequence", "=", entry.block),), limit=1))[0]
    beside = list(
        every(ledger, Query(Entry, where=(Where("block", "=", entry.block),), limit=PAGE_ROWS))
    )
    return Proof(
        format=FORMAT, checkpoint=made.note, key=made.key,
        entry=ProvenEntry(
            kind=entry.kind, subject=entry.subject, payload=(entry.payload or b"").decode(),
            salt=entry.salt.hex(), position=entry.position,
            entry_path=inclusion_path([one.digest for one in beside], entry.position),
            block=block, block_path=inclusion_path(hashes, entry.block - 1),
        ),
    )  # fmt: skip


def prove_growth(record: Record, path: str) -> Proof:
    """Return the proof that the record goes on from a checkpoint that was kept in a file.

    Raises:
        InvalidInputError: it does not, or the file holds no checkpoint.
        NotFoundError: there is no such file.
    """
    note, kept = read_checkpoint(path)
    made = make_checkpoint(record)
    hashes = block_hashes(record.ports.ledger, made.size)
    told = against_checkpoint(kept, hashes)
    if told:
        raise InvalidInputError(f"that cannot be proved: {told}", fix="tidemill audit verify")
    return Proof(
        format=FORMAT, checkpoint=made.note, key=made.key, since=str(note),
        since_path=consistency_path(hashes, kept.size),
    )  # fmt: skip


def check_proof(record: Record, path: str, key: str = "") -> Proven:
    """Return what a proof in a file shows, and what is wrong with it; no project is needed.

    Args:
        record: for its signer alone, nothing of it is read.
        path: the file.
        key: the public key that must have signed; left out: the one that the file names.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: it holds no proof, or `key` is none.
    """
    proof = _read(path)
    signer = parse_key(key or proof.key)
    if signer is None:
        raise InvalidInputError(
            "that is no public key", fix="give the word that `tidemill audit key` prints"
        )
    _, made = told_checkpoint(proof.checkpoint, f"the checkpoint in {path}")
    problems = list(_unsigned(record, proof, signer))
    if proof.entry is not None:
        problems += _of_entry(proof.entry, made)
        what = _told(proof.entry, made)
    else:
        _, old = told_checkpoint(proof.since, f"the older checkpoint in {path}")
        if old.origin != made.origin or not is_consistent(
            (old.size, made.size), (old.root, made.root), proof.since_path
        ):
            problems.append("the newer checkpoint does not go on from the older one")
        what = (
            f"{made.origin} had {old.size:,} blocks at {old.at:%Y-%m-%d %H:%M} and {made.size:,} at"
            f" {made.at:%Y-%m-%d %H:%M}; none of the first was changed"
        )
    return Proven(
        what=what, checkpoint=proof.checkpoint, key=str(signer),
        problems=tuple(Problem(where=path, what=problem) for problem in problems),
    )  # fmt: skip


def _read(path: str) -> Proof:
    text = read_text(path)
    try:
        proof = msgspec.json.decode(text, type=Proof)
    except msgspec.DecodeError as error:
        raise InvalidInputError(
            f"{path} is no proof: {error}", fix="give a file that `tidemill audit prove` wrote"
        ) from None
    if proof.format != FORMAT or (proof.entry is None) == (not proof.since):
        raise InvalidInputError(
            f"{path} is a proof of another form ({proof.format[:40]})",
            fix="check it with the release that made it",
        )
    return proof


def _unsigned(record: Record, proof: Proof, signer: PublicKey) -> Iterator[str]:
    for name, text in (("checkpoint", proof.checkpoint), ("older checkpoint", proof.since)):
        if not text:
            continue
        note, _ = told_checkpoint(text, f"the {name}")
        # the older one may have been signed before the key was rotated: it is only compared
        if name == "checkpoint" and signer_of(record, note, [signer]) is None:
            yield f"the {name} was not signed by {signer}"


def _of_entry(entry: ProvenEntry, made: Checkpoint) -> Iterator[str]:
    block = entry.block
    if not _is_hex(entry.salt, *entry.entry_path, *entry.block_path, block.root, block.hash):
        yield "a digest in it is not hexadecimal"
        return
    digest = entry_digest(
        entry.kind, entry.subject, entry.payload.encode(), bytes.fromhex(entry.salt)
    )
    if not is_included(digest, entry.position, block.entries, entry.entry_path, block.root):
        yield "the entry is not in its block: what it says was changed"
    told = block_hash(block.sequence, block.previous, block.root, block.entries, block.at)
    if told != block.hash:
        yield "the block was changed: its hash is not that of its content"
    place = block.sequence - 1
    if not is_included(block.hash, place, made.size, entry.block_path, made.root):
        yield "the block is not in the record of the checkpoint"


def _is_hex(*texts: str) -> bool:
    try:
        return all(bytes.fromhex(text) or not text for text in texts)
    except ValueError:
        return False


def _told(entry: ProvenEntry, made: Checkpoint) -> str:
    return (
        f"{entry.kind} {entry.subject}, written {entry.block.at:%Y-%m-%d %H:%M:%S}, is entry"
        f" {entry.position} of block {entry.block.sequence:,} of {made.origin}: {entry.payload}"
    )


def _wanted(record: Record, pointer: str) -> tuple[str, str, dict[str, object]]:
    """Return kind and subject of the entry, and what its payload says."""
    target = find_target(record, pointer)
    if target.run is not None:
        kind = "run-opened" if target.run.sealed_at is None else "run-sealed"
        return kind, target.run.id, {}
    if target.version is None:
        raise InvalidInputError(
            f"{pointer} is no fact of the journal by itself",
            fix="prove a version (model:delay@3), an alias (model:delay@champion) or a run:"
            " those that hold it are in `tidemill why`",
        )
    selector = pointer.rpartition("@")[2] if "@" in pointer else ""
    ref = str(target.version.ref)
    if selector and is_alias(selector) and parse_pointer(
        pointer, project=record.project
    ).word == selector:  # fmt: skip
        return "alias-moved", ref, {"alias": selector}
    return "ref-versioned", ref, {"number": target.version.number}


def _newest(record: Record, kind: str, subject: str, says: dict[str, object]) -> Entry | None:
    where = (Where("subject", "=", subject), Where("kind", "=", kind))
    found: Entry | None = None
    for entry in every(record.ports.ledger, Query(Entry, where=where, limit=PAGE_ROWS)):
        told = msgspec.json.decode(entry.payload or b"{}")
        if all(told.get(name) == value for name, value in says.items()):
            found = entry
    return found
