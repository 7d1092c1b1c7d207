"""Signed checkpoints of a record, and what one that was kept elsewhere says of it now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.lineage.checkpoints import (
    Checkpoint,
    against_checkpoint,
    block_hashes,
    checkpoint_of,
    parse_checkpoint,
)
from tidemill.lineage.journal import Problem
from tidemill.practices.governance.audit_keys import known_keys, own_key, signed, signer_of
from tidemill.wire.signed_note import parse_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.lineage.record import Record
    from tidemill.wire.signed_note import SignedNote


class SignedCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint with its signature; its text is the file to keep elsewhere."""

    is_verbatim: ClassVar[bool] = True
    note: str
    key: str
    """The public key, for whoever checks without the record."""
    size: int
    root: str

    def __str__(self) -> str:
        return self.note.removesuffix("\n")

    __repr__ = __str__


def make_checkpoint(record: Record) -> SignedCheckpoint:
    """Return a signed checkpoint of the record as it is now; the first makes the key."""
    key = own_key(record)
    at = record.now()
    made = checkpoint_of(block_hashes(record.ports.ledger), at)
    note = signed(record, made.text)
    return SignedCheckpoint(note=str(note), key=str(key), size=made.size, root=made.root)


def read_checkpoint(path: str) -> tuple[SignedNote, Checkpoint]:
    """Return the signed checkpoint in a file.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: it holds none.
    """
    return told_checkpoint(read_text(path), path)


def told_checkpoint(text: str, where: str) -> tuple[SignedNote, Checkpoint]:
    """Return the signed checkpoint that a text is; `where` it stands.

    Raises:
        InvalidInputError: it is none.
    """
    note = parse_note(text)
    made = parse_checkpoint(note.text) if note is not None else None
    if note is None or made is None:
        raise InvalidInputError(
            f"{where} is no signed checkpoint, or it was changed",
            fix="give a file that `tidemill audit checkpoint > FILE` wrote, as it wrote it",
        )
    return note, made


def read_text(path: str) -> str:
    """Return the text of a file that a caller named.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: it cannot be read as text.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}", fix="give the path of the file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"{path} cannot be read: {error}", fix="give a text file that you may read"
        ) from None


def checkpoint_problems(record: Record, path: str) -> Iterator[Problem]:
    """Yield how the record contradicts a checkpoint that was kept in a file."""
    note, kept = read_checkpoint(path)
    told = against_checkpoint(kept, block_hashes(record.ports.ledger))
    if told:
        yield Problem(where=path, what=told)
    if signer_of(record, note, [key for _, key in known_keys(record)]) is None:
        yield Problem(
            where=path,
            what="no key that the record knows signed it: the key was replaced in the record, or "
            "the checkpoint is not the record's",
        )
