"""One transaction for many batches: each by itself all or nothing, one journal block for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.adapters.sql_conditions import require, require_live
from tidemill.adapters.sql_dialect import first_line
from tidemill.adapters.sql_facts import write_facts
from tidemill.adapters.sql_writer import BatchWriter
from tidemill.core.errors import InvalidInputError, TidemillError
from tidemill.core.facts import Receipt
from tidemill.core.journal import GENESIS, Draft, block_hash, drafts, entry_digest
from tidemill.core.merkle import merkle_root
from tidemill.core.times import microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.adapters.sql_dialect import Dialect, Session
    from tidemill.core.facts import Batch
    from tidemill.ports.clock import Clock

Outcome = Receipt | TidemillError


def write_batches(
    session: Session,
    dialect: Dialect,
    clock: Clock,
    batches: Sequence[Batch],
    nodes: Mapping[str, int] | None = None,
) -> list[Outcome]:
    """Write batches inside the caller's transaction; return a receipt or the refusal of each.

    The caller commits, and answers after that. `nodes` are numbers that it knows already.
    """
    written = [_written(session, dialect, batch, nodes or {}) for batch in batches]
    entries = [draft for batch in written if isinstance(batch, list) for draft in batch]
    block = append_block(session, dialect, clock, entries) if entries else Receipt(block=None)
    nothing = Receipt(block=None)
    return [
        batch if isinstance(batch, TidemillError) else (block if batch else nothing)
        for batch in written
    ]


def _written(
    session: Session, dialect: Dialect, batch: Batch, nodes: Mapping[str, int]
) -> list[Draft] | TidemillError:
    refusals: tuple[type[Exception], ...]
    refusals = (TypeError, ValueError, OverflowError, *dialect.refusals)
    session.execute("SAVEPOINT batch")
    try:
        require(session, batch.conditions)
        require_live(session, dialect, batch.objects)
        writer = BatchWriter(session, dialect, batch, nodes)
        entries = drafts(write_facts(writer), writer.seals)
    except TidemillError as error:
        refusal = error
    except refusals as error:
        refusal = InvalidInputError(
            f"the batch holds a value that cannot be recorded: {first_line(error)}",
            fix="use UTF-8 text, 64-bit whole numbers and times with a zone",
        )
    else:
        session.execute("RELEASE SAVEPOINT batch")
        return entries
    session.execute("ROLLBACK TO SAVEPOINT batch")
    session.execute("RELEASE SAVEPOINT batch")
    return refusal


def append_block(
    session: Session, dialect: Dialect, clock: Clock, entries: Sequence[Draft]
) -> Receipt:
    """Append one block to the journal; the head is read last, so that nothing waits for it."""
    salts = [clock.salt() for _ in entries]
    digests = [
        entry_digest(entry.kind, entry.subject, entry.payload, salt)
        for entry, salt in zip(entries, salts, strict=True)
    ]
    root, at = merkle_root(digests), clock.now()
    if dialect.take_head:
        session.execute(dialect.take_head)
    head = session.execute(
        "SELECT sequence, hash FROM block ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    sequence, previous = (1, GENESIS) if head is None else (head[0] + 1, head[1])
    session.execute(
        "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?)",
        (sequence, previous, root, len(entries), microseconds(at),
         block_hash(sequence, previous, root, len(entries), at)),
    )  # fmt: skip
    session.executemany(
        "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (sequence, position, entry.kind, entry.subject, digest, salt, entry.payload)
            for position, (entry, salt, digest) in enumerate(
                zip(entries, salts, digests, strict=True)
            )
        ],
    )
    return Receipt(block=sequence, root=root)
