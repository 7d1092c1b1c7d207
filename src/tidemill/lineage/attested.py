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
from tidemill.core.facts import Keyed, KeyIs
from tidemill.core.journal import KEYED, RUN_SEALED, entry_digest
from tidemill.core.query import Entry, Query, Where
from tidemill.core.run import RunId
from tidemill.lineage.paging import every

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft
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


def attested(ledger: Ledger, keys: Mapping[str, RunId]) -> dict[str, Made]:
    """Return what the run of each key had made when it was sealed, as the journal says.

    Left out are keys that the newest entry gives to another run, and runs without a sound seal.
    O(keys).
    """
    runs, made = _said(ledger, [*keys, *keys.values()])
    return {key: made[run] for key, run in keys.items() if runs.get(key) == run and run in made}


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept under a unique key: whom the table gives it to, and whom the journal.

    `said` is the journal's run, where that is sealed; `made` is what it made, by the journal too.
    """

    key: str
    holder: RunId | None = None
    said: RunId | None = None
    made: Made = frozenset()

    @property
    def run(self) -> RunId | None:
        """The run of the key, as the journal attests; None: it is asked anew."""
        return self.said if self.said == self.holder else None

    def artifact(self, name: str) -> ArtifactId | None:
        """Return what the journal's run made under a name; None: nothing, or several."""
        found = [artifact for edge, artifact in self.made if edge == name]
        return found[0] if len(found) == 1 else None

    def give(self, run: RunDraft) -> None:
        """Give the key to a run with its commit, unless somebody else had it meanwhile."""
        run.add(Keyed(key=self.key, run=run.id))
        run.require(KeyIs(key=self.key, run=self.holder))


def kept(record: Record, key: str) -> Kept:
    """Return what is kept under a unique key; tells where table and journal differ.

    Who may ask anew takes `run`. Who may not (rows added or days counted twice) takes `said`, which
    a rewritten table does not change. O(log n).
    """
    ledger = record.ports.ledger
    holder = ledger.keys([key]).get(key)
    runs, _ = _said(ledger, [key])
    said = runs.get(key)
    made = _said(ledger, [said])[1] if said else {}
    if said not in made:
        said = None
    if said != holder:  # somebody may have been given it between the two looks
        holder = ledger.keys([key]).get(key)
    if said != holder:
        record.tell.line(
            f"the key {key[:40]} is not what the journal says of it: the record was changed;"
            " it is not relied on (see tidemill audit verify)"
        )
    return Kept(key=key, holder=holder, said=said, made=made.get(said or "", frozenset()))


def keys_under(record: Record, prefix: str) -> dict[str, RunId]:
    """Return the unique keys that begin with a text, as the journal gives them to runs.

    A key that was taken out of the table counts all the same; where the two differ it is told.
    O(keys).
    """
    ledger = record.ports.ledger
    where = (Where("subject", "prefix", prefix), Where("kind", "=", KEYED))
    for _ in range(2):  # somebody may write between the two looks
        said = {
            entry.subject: _keyed.decode(entry.payload or b"").run
            for entry in every(ledger, Query(Entry, where=where, limit=AT_ONCE))
            if is_sound(entry)
        }
        found = ledger.keys([prefix])
        if found == said:
            return said
    differing = sorted(key for key in {*found, *said} if found.get(key) != said.get(key))
    more = f" and {len(differing) - 1} more are" if len(differing) > 1 else " is"
    record.tell.line(
        f"the key {differing[0][:80]}{more} not what the journal says: the record was changed;"
        " what the journal says counts (see tidemill audit verify)"
    )
    return {**found, **said}


def _said(ledger: Ledger, subjects: Sequence[str]) -> tuple[dict[str, RunId], dict[str, Made]]:
    """Return what the journal's newest sound entries say: runs of keys, what sealed runs made."""
    runs: dict[str, RunId] = {}
    made: dict[str, Made] = {}
    for entry in sound_entries(ledger, subjects, (KEYED, RUN_SEALED)):
        payload = entry.payload or b""
        if entry.kind == KEYED:
            runs[entry.subject] = _keyed.decode(payload).run
        else:
            content = _sealed.decode(payload).content or _Content()
            made[entry.subject] = frozenset(
                (name, artifact) for role, name, artifact, _ in content.edges if role == "made"
            )
    return runs, made


def sound_entries(
    ledger: Ledger, subjects: Sequence[str], kinds: tuple[str, ...]
) -> Iterator[Entry]:
    """Yield the entries of subjects, oldest first, that hold what they commit to."""
    wanted = list(dict.fromkeys(subjects))
    for start in range(0, len(wanted), AT_ONCE):
        part = tuple(wanted[start : start + AT_ONCE])
        where = (Where("subject", "in", part), Where("kind", "in", kinds))
        for entry in every(ledger, Query(Entry, where=where, limit=2 * AT_ONCE)):
            if is_sound(entry):
                yield entry


def is_sound(entry: Entry) -> bool:
    """Return whether an entry holds what it commits to."""
    payload = entry.payload or b""
    return entry_digest(entry.kind, entry.subject, payload, entry.salt) == entry.digest
