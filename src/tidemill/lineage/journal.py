"""The audit of the journal: proves that nobody has rewritten the record, or says where it was.

Everything is read through the ledger's `find`, so it holds for any place. It checks the chain of
blocks (sequence, previous hash, root, count, hash), each entry (position, salted digest of its
payload), and the tables against the entries (`journal_facts.py`). What it cannot see alone is a
record cut off at its end: keep a report's `head` elsewhere and find that block in a later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.journal import GENESIS, block_hash, entry_digest
from tidemill.core.merkle import merkle_root
from tidemill.core.query import Block, Entry, Order, Query, Where
from tidemill.lineage.journal_facts import ExpectedFacts
from tidemill.lineage.paging import every

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidemill.lineage.record import Record
    from tidemill.ports.ledger import Ledger

PAGE_ROWS = 5000
_NEWEST_FIRST = Order("sequence", descending=True)
ROUNDS = 5
"""How often a record that grows during its audit is caught up with."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was written."""

    where: str
    what: str


class JournalReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit found. `head` is the hash of the newest block."""

    blocks: int
    entries: int
    head: str
    problems: tuple[Problem, ...] = ()

    @property
    def is_intact(self) -> bool:
        """Whether everything is as it was written."""
        return not self.problems


def verify_journal(record: Record) -> JournalReport:
    """Audit the record; costs one pass over journal and tables, memory for one digest a fact.

    Unique keys (a memo, a cause of a trigger) and the manifests of tables are covered; bytes are
    `artifact_audit.py`'s.
    """
    return journal_report(record.ports.ledger)


def journal_report(ledger: Ledger) -> JournalReport:
    """Audit what a ledger holds."""
    expected = ExpectedFacts()
    chain = _Chain(ledger, expected)
    chain.read()
    suspects = list(expected.differences(ledger))
    for _ in range(ROUNDS):
        if not chain.read():  # nothing was written meanwhile: what differs does so for good
            break
        suspects = [suspect for suspect in suspects if expected.still_differs(ledger, suspect)]
    problems = [*chain.problems, *(Problem(where=s.where, what=s.what) for s in suspects)]
    return JournalReport(
        blocks=chain.blocks, entries=chain.entries, head=chain.head, problems=tuple(problems)
    )


class _Chain:
    """Reads blocks with their entries in order, from where it stopped before."""

    def __init__(self, ledger: Ledger, expected: ExpectedFacts) -> None:
        self._ledger, self._expected = ledger, expected
        self.problems: list[Problem] = []
        self.blocks = self.entries = 0
        self.head = GENESIS
        self._sequence = 0

    def read(self) -> bool:
        """Read on to the journal's end; return whether there was anything new."""
        unread = Where("block", ">", self._sequence)
        # Entries first, the newest block after them: an entry seen here has its block there.
        strays = self._ledger.find(Query(Entry, where=(unread,), limit=100))
        newest = self._ledger.find(Query(Block, order=(_NEWEST_FIRST,), limit=1))
        if not newest or newest[0].sequence <= self._sequence:
            for stray in strays:
                self._tell(f"block {stray.block}", "is missing, but has entries")
            return False
        self._read_to(newest[0].sequence, is_first=self.blocks == 0)
        return True

    def _read_to(self, last: int, *, is_first: bool) -> None:
        def unread(field: str) -> tuple[Where, ...]:
            end = Where(field, "<=", last)
            return (end,) if is_first else (Where(field, ">", self._sequence), end)

        blocks = every(self._ledger, Query(Block, where=unread("sequence"), limit=PAGE_ROWS))
        entries = _Groups(every(self._ledger, Query(Entry, where=unread("block"), limit=PAGE_ROWS)))
        for block in blocks:
            for stray in entries.before(block.sequence):
                self._tell(f"block {stray.block}", "is missing, but has entries")
            self._take(block, list(entries.of(block.sequence)))

    def _tell(self, where: str, what: str) -> None:
        if not self.problems or (self.problems[-1].where, self.problems[-1].what) != (where, what):
            self.problems.append(Problem(where=where, what=what))

    def _take(self, block: Block, entries: Sequence[Entry]) -> None:
        where = f"block {block.sequence}"
        if block.sequence != self._sequence + 1:
            self._tell(where, f"comes right after block {self._sequence}: blocks are missing")
        if block.previous != self.head:
            self._tell(where, "does not follow from the block before it: one of them was changed")
        if block.hash != block_hash(
            block.sequence, block.previous, block.root, block.entries, block.at
        ):
            self._tell(where, "was changed: its hash is not that of its content")
        if [entry.position for entry in entries] != list(range(block.entries)):
            self._tell(where, f"has {len(entries)} entries in place, {block.entries} were written")
        elif _root(entries) != block.root:
            self._tell(where, "has other entries, or in another order, than were written")
        for entry in entries:
            self._check(entry)
        self.blocks += 1
        self.entries += len(entries)
        self._sequence, self.head = block.sequence, block.hash

    def _check(self, entry: Entry) -> None:
        where = f"block {entry.block}, entry {entry.position} ({entry.kind} {entry.subject})"
        if entry.payload is None:
            self._tell(where, "its payload is gone, and no erasure is journaled")
            return
        made = entry_digest(entry.kind, entry.subject, entry.payload, entry.salt)
        if made != entry.digest:
            self._tell(where, "was changed: its digest is not that of its payload")
        if not self._expected.take(entry.kind, entry.payload):
            self._tell(where, "cannot be read: its payload is not of its kind")


def _root(entries: Sequence[Entry]) -> str:
    try:
        return merkle_root([entry.digest for entry in entries])
    except ValueError:  # no entries, or a digest that is not hexadecimal
        return ""


class _Groups:
    """Entries in order, handed out block by block."""

    def __init__(self, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self._next = next(entries, None)

    def before(self, sequence: int) -> Iterator[Entry]:
        """Yield the entries of blocks before this one."""
        while self._next and self._next.block < sequence:
            yield self._next
            self._next = next(self._entries, None)

    def of(self, sequence: int) -> Iterator[Entry]:
        """Yield the entries of this block."""
        while self._next and self._next.block == sequence:
            yield self._next
            self._next = next(self._entries, None)
