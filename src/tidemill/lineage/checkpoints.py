"""Checkpoints: how long the journal is and what it says, in one short text that can be signed.

A checkpoint names the record, the number of its blocks, and the root of the Merkle tree over their
hashes. Whoever keeps one elsewhere can tell a record that was cut off, rolled back or rewritten
from one that grew; and each fact before it can be proved by a few hashes.

Source of the text: C2SP, "Checkpoint" (https://c2sp.org/tlog-checkpoint); the tree is over BLAKE3.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.merkle import merkle_root
from tidemill.core.query import Block, Query, Where
from tidemill.core.times import parse_time
from tidemill.lineage.paging import every

if TYPE_CHECKING:
    from tidemill.ports.ledger import Ledger

PAGE_ROWS = 20_000
_DIGEST_BYTES = 32


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a journal: its record, blocks, tree root, and when it was so."""

    origin: str
    """Which record: `tidemill/` and the beginning of its first block's hash."""
    size: int
    root: str
    at: datetime

    @property
    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(bytes.fromhex(self.root)).decode("ascii")
        return f"{self.origin}\n{self.size}\n{root}\nat {self.at.isoformat()}\n"


def parse_checkpoint(text: str) -> Checkpoint | None:
    """Return the checkpoint that a signed text is; None: it is none."""
    lines = text.splitlines()
    if len(lines) != 4 or not lines[3].startswith("at ") or not lines[1].isdecimal():
        return None
    try:
        root = base64.b64decode(lines[2], validate=True)
        found = Checkpoint(
            origin=lines[0], size=int(lines[1]), root=root.hex(), at=parse_time(lines[3][3:])
        )
    except (binascii.Error, ValueError, InvalidInputError):
        return None
    return found if len(root) == _DIGEST_BYTES and found.text == text else None


def origin_of(first: str) -> str:
    """Return what a record is called for good, from the hash of its first block."""
    return f"tidemill/{first[:16]}"


def block_hashes(ledger: Ledger, size: int | None = None) -> list[str]:
    """Return the hashes of the blocks in order; of the first `size`, where it is given.

    A block that is missing breaks off the list: what comes after it proves nothing.
    """
    where = () if size is None else (Where("sequence", "<=", size),)
    found: list[str] = []
    for block in every(ledger, Query(Block, where=where, limit=PAGE_ROWS)):
        if block.sequence != len(found) + 1:
            break
        found.append(block.hash)
    return found


def checkpoint_of(hashes: list[str], at: datetime) -> Checkpoint:
    """Return the checkpoint over blocks with these hashes.

    Raises:
        ValueError: there are none.
    """
    return Checkpoint(
        origin=origin_of(hashes[0]), size=len(hashes), root=merkle_root(hashes), at=at
    )


def against_checkpoint(kept: Checkpoint, hashes: list[str]) -> str:
    """Return how a journal contradicts a checkpoint that was kept; "": it goes on from it."""
    if not hashes:
        return "the record has no journal at all"
    if origin_of(hashes[0]) != kept.origin:
        return f"this is another record ({origin_of(hashes[0])}), or its first block was changed"
    if len(hashes) < kept.size:
        return (
            f"{kept.size - len(hashes):,} blocks are missing at the end: there were {kept.size:,}"
            f" at {kept.at:%Y-%m-%d %H:%M}, and {len(hashes):,} are there. The record was cut off,"
            " or an older copy of it was put back"
        )
    if merkle_root(hashes[: kept.size]) != kept.root:
        return f"the first {kept.size:,} blocks are not those of {kept.at:%Y-%m-%d %H:%M}"
    return ""
