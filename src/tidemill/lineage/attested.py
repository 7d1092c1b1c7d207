"""What the journal attests: that a unique key is that of a run, and what that run made.

Tables are read by everybody and could be written by anybody who has the file. Whoever adopts a
result by a key asks the journal's entries too, so that a rewritten key or edge costs a computation
and never gives a wrong result. Whether the entries are those that were written is for the audit
(`journal.py`) to prove.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import ArtifactId
from tidemill.core.facts import Keyed
from tidemill.core.journal import KEYED, RUN_SEALED, entry_digest
from tidemill.core.query import Entry, Query, Where
from tidemill.core.run import RunId
from tidemill.lineage.paging import every

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tidemill.ports.ledger import Ledger

AT_ONCE = 500
"""How many subjects are asked for together."""

Made = frozenset[tuple[str, ArtifactId]]
"""Name of the edge and artifact of everything that a run made."""


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a seal's content."""

    edges: tuple[tuple[str, str, ArtifactId, str], ...] = ()


class _Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of the payload of a seal's entry."""

    content: _Content | None = None


_keyed = msgspec.json.Decoder(Keyed)
_sealed = msgspec.json.Decoder(_Sealed)


def attested_keys(ledger: Ledger, keys: Mapping[str, RunId]) -> dict[str, RunId]:
    """Return those keys whose newest entry in the journal gives them to this very run. O(keys)."""
    newest = {
        entry.subject: _keyed.decode(entry.payload or b"")
        for entry in _sound_entries(ledger, KEYED, list(keys))
    }
    return {key: run for key, run in keys.items() if key in newest and newest[key].run == run}


def sealed_outputs(ledger: Ledger, runs: Sequence[RunId]) -> dict[RunId, Made]:
    """Return what each run had made when it was sealed; none for a run without a sound seal."""
    found: dict[RunId, Made] = {}
    for entry in _sound_entries(ledger, RUN_SEALED, runs):
        content = _sealed.decode(entry.payload or b"").content or _Content()
        found[RunId(entry.subject)] = frozenset(
            (name, artifact) for role, name, artifact, _ in content.edges if role == "made"
        )
    return found


def _sound_entries(ledger: Ledger, kind: str, subjects: Sequence[str]) -> Iterator[Entry]:
    """Yield the entries of subjects, oldest first, that hold what they commit to."""
    wanted = list(dict.fromkeys(subjects))
    for start in range(0, len(wanted), AT_ONCE):
        part = tuple(wanted[start : start + AT_ONCE])
        where = (Where("subject", "in", part), Where("kind", "=", kind))
        for entry in every(ledger, Query(Entry, where=where, limit=2 * AT_ONCE)):
            payload = entry.payload or b""
            if entry_digest(entry.kind, entry.subject, payload, entry.salt) == entry.digest:
                yield entry
