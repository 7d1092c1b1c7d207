"""The keys that sign checkpoints: public halves as versions of a ref, private ones elsewhere.

The ref is in the journal like every other, so that a key cannot be replaced unseen. A new key is
signed by the one before it, unless that is lost, which the record then says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import CorruptError, InvalidInputError, NotFoundError
from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Ref, RefName, Version
from tidemill.core.text import table
from tidemill.lineage.artifacts import find_artifact, put_value, read_value
from tidemill.lineage.checkpoints import block_hashes, origin_of
from tidemill.lineage.journal import Problem
from tidemill.lineage.leases import sole
from tidemill.lineage.refs import versions
from tidemill.lineage.writing import opened
from tidemill.wire.signed_note import PublicKey, Signature, SignedNote, parse_key, parse_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.core.artifact import Artifact
    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record

KIND, NAME = "key", "audit"
_WAIT_S = 30.0


class AuditKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key as the record keeps it; `endorsed`: the key before it signed it."""

    key: str
    endorsed: str = ""
    """A signature of the key before it, of `key`, in the form of a note's line."""

    def __str__(self) -> str:
        rows: list[tuple[str, object]] = [
            ("public key", self.key),
            ("signed by the one before", "yes" if self.endorsed else "no"),
        ]
        return table(["audit key", self.key.partition("+")[0]], rows)

    __repr__ = __str__


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the key that signs checkpoints, and whether its private half is here."""

    version: str
    key: str
    is_here: bool

    def __str__(self) -> str:
        where = "here" if self.is_here else "not on this machine"
        return f"{self.version}, its private half is {where}\n{self.key}"

    __repr__ = __str__


def key_ref(record: Record) -> RefName:
    """Return the ref of the record's keys: one a record, in the project that signed first."""
    where = (Where("ref.kind", "=", KIND), Where("ref.name", "=", NAME))
    found = record.ports.ledger.find(Query(Ref, where=where, order=(Order("created_at"),), limit=1))
    return found[0].ref if found else RefName(kind=KIND, project=record.project, name=NAME)


def known_keys(record: Record) -> list[tuple[Version, PublicKey]]:
    """Return every key that the record ever signed with, newest first.

    Raises:
        CorruptError: one is no public key.
    """
    return [(version, _public(record, version)) for version in versions(record, key_ref(record))]


def own_key(record: Record) -> PublicKey:
    """Return the key that signs now; the first use makes it.

    Raises:
        NotFoundError: the record was never written to.
    """
    found = known_keys(record)
    if found:
        return found[0][1]
    with sole(record, "audit key", wait_s=_WAIT_S):
        found = known_keys(record)
        return found[0][1] if found else _added(record, because="the first checkpoint", old=None)


def rotate_key(record: Record, because: str) -> KeyRow:
    """Make a new key the record's, signed by the old one where its private half is here.

    Raises:
        InvalidInputError: no reason.
    """
    if not because.strip():
        raise InvalidInputError("a new key needs a reason", fix='--because "..."')
    with sole(record, "audit key", wait_s=_WAIT_S):
        found = known_keys(record)
        _added(record, because=because, old=found[0][1] if found else None)
    return newest_key(record)


def newest_key(record: Record) -> KeyRow:
    """Return the key that signs now.

    Raises:
        NotFoundError: nothing was ever signed.
    """
    found = known_keys(record)
    if not found:
        raise NotFoundError("the record has no key yet", fix="tidemill audit checkpoint makes it")
    version, key = found[0]
    return KeyRow(version=str(version), key=str(key), is_here=record.ports.signer.has(key.raw))


def signed(record: Record, text: str) -> SignedNote:
    """Return a text signed with the record's key."""
    key = own_key(record)
    raw = record.ports.signer.sign(key.raw, text.encode())
    return SignedNote(text=text, signatures=(Signature(name=key.name, key_id=key.id, raw=raw),))


def signer_of(record: Record, note: SignedNote, keys: list[PublicKey]) -> PublicKey | None:
    """Return the key of these that signed a note; None: none of them."""
    for one in note.signatures:
        for key in keys:
            is_named = (one.name, one.key_id) == (key.name, key.id)
            if is_named and record.ports.signer.is_signed(key.raw, note.text.encode(), one.raw):
                return key
    return None


def key_problems(record: Record) -> Iterator[Problem]:
    """Yield the keys that are none, or that say the one before signed them where it did not."""
    before: PublicKey | None = None
    for version in reversed(versions(record, key_ref(record))):
        kept = read_value(record, find_artifact(record, version.artifact), AuditKey)
        key = parse_key(kept.key)
        if key is None:
            yield Problem(where=str(version), what="is no public key")
        elif kept.endorsed and not _is_endorsed(record, kept, before):
            yield Problem(where=str(version), what="was not signed by the key before it")
        before = key


def _is_endorsed(record: Record, kept: AuditKey, before: PublicKey | None) -> bool:
    note = parse_note(f"{kept.key}\n\n{kept.endorsed}\n")
    return note is not None and before is not None and signer_of(record, note, [before]) is not None


def show_key(record: Record, artifact: Artifact) -> AuditKey:
    """Return a key as it was kept."""
    return read_value(record, artifact, AuditKey)


def _added(record: Record, *, because: str, old: PublicKey | None) -> PublicKey:
    first = block_hashes(record.ports.ledger, 1)
    if not first:
        raise NotFoundError(
            "the record has no journal yet: there is nothing to sign", fix="write something first"
        )
    signer, ref = record.ports.signer, key_ref(record)
    key = PublicKey(name=f"{origin_of(first[0])}/{NAME}", raw=signer.make())
    endorsed = ""
    if old is not None and signer.has(old.raw):
        raw = signer.sign(old.raw, f"{key}\n".encode())
        endorsed = str(Signature(name=old.name, key_id=old.id, raw=raw))
    summary: dict[str, Scalar] = {"key": key.id, "endorsed": bool(endorsed)}
    with opened(record, kind="key", name=NAME, because=because) as run:
        value = AuditKey(key=str(key), endorsed=endorsed)
        run.version(ref, run.made(put_value(record, KIND, value, summary=summary), name=KIND))
    return key


def _public(record: Record, version: Version) -> PublicKey:
    kept = read_value(record, find_artifact(record, version.artifact), AuditKey)
    key = parse_key(kept.key)
    if key is None:
        raise CorruptError(f"{version} is no public key", fix="tidemill audit verify")
    return key
