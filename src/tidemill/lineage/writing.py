"""Writing the record: a run collects what it used and made, and its end is one commit.

    with opened(record, kind="validation", name="flights") as run:
        run.used(data, name="data")
        verdict = run.made(put_value(record, "verdict", answer), name="verdict")
        version = run.version(ref, verdict)

Leaving the block seals the run with everything it made; an error seals it as failed, with nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import CancelledError, ConflictError, TidemillError
from tidemill.core.facts import (
    ArtifactMade,
    Batch,
    Condition,
    Edge,
    Fact,
    Figured,
    RefAt,
    RefCreated,
    RunIsOpen,
    RunOpened,
    RunSealed,
    Versioned,
)
from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Ref, RefName, Version
from tidemill.core.text import printable
from tidemill.ports.ledger import ConditionFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.digest import ArtifactId, Digest
    from tidemill.core.run import RunId, Scalar, Status
    from tidemill.lineage.record import Record

_BY_NUMBER = Order("number", descending=True)

ATTEMPTS = 20
"""How often a commit that lost a race for a version number is tried again."""


class PendingVersion:
    """A version that gets its number when the run is sealed; `result` is None until then."""

    def __init__(
        self, ref: RefName, artifact: Artifact, summary: Mapping[str, Scalar], *, always: bool
    ) -> None:
        self.ref, self.artifact, self.summary, self.always = ref, artifact, summary, always
        self.result: Version | None = None
        self.is_new = False

    @property
    def version(self) -> Version:
        """The version; only after the run was sealed."""
        if self.result is None:
            message = "the version has no number before its run is sealed"
            raise RuntimeError(message)
        return self.result


class RunDraft:
    """A run being written. Nothing of it is in the record before `seal`, unless announced."""

    def __init__(self, record: Record, opened: RunOpened) -> None:
        self.record, self.opened = record, opened
        self.id: RunId = opened.run
        self._facts: list[Fact] = []
        self._conditions: list[Condition] = []
        self._objects: list[Digest] = []
        self._pending: list[PendingVersion] = []
        self._figures: list[tuple[str, float, int, datetime]] = []
        self._is_announced = False

    def announce(self) -> None:
        """Put the opening, and what was collected so far, into the record now.

        For long runs, which then can be seen, and told to be lost when their process has died.
        What `require` asked for so far is judged now: a cause's key that must be free lets one run
        open, whoever else tries.
        """
        objects = tuple(dict.fromkeys(self._objects))
        owner = self.opened.owner or self.record.ports.ledger.owner()
        self.opened = msgspec.structs.replace(self.opened, owner=owner)
        self._commit((self.opened, *self._facts), tuple(self._conditions), objects)
        self._facts, self._conditions = [], []
        self._is_announced = True

    @property
    def is_announced(self) -> bool:
        """Whether the run is in the record already."""
        return self._is_announced

    def used(self, artifact: ArtifactId, *, name: str = "", source: RunId | None = None) -> None:
        """Say that the run used an artifact, and the run that it took it from."""
        self._facts.append(
            Edge(run=self.id, artifact=artifact, role="used", name=name, source=source)
        )

    def made(
        self, artifact: Artifact, *, name: str = "", objects: tuple[Digest, ...] = ()
    ) -> Artifact:
        """Say that the run made an artifact; `objects` must be stored besides its manifest."""
        self._facts.append(ArtifactMade(artifact=artifact))
        self._facts.append(Edge(run=self.id, artifact=artifact.id, role="made", name=name))
        self._objects += [*objects, *([artifact.manifest] if artifact.manifest else [])]
        return artifact

    def version(
        self,
        ref: RefName,
        artifact: Artifact,
        *,
        summary: Mapping[str, Scalar] | None = None,
        always: bool = False,
    ) -> PendingVersion:
        """Give a ref its next version. Equal to the newest adds nothing, unless `always`."""
        pending = PendingVersion(ref, artifact, summary or artifact.summary, always=always)
        self._pending.append(pending)
        return pending

    def figure(self, key: str, value: float, *, step: int = 0, at: datetime | None = None) -> None:
        """Record a figure."""
        self._figures.append((key, float(value), step, at or self.opened.at))

    def add(self, *facts: Fact) -> None:
        """Add any other facts to the run's commit."""
        self._facts += facts

    def needs(self, *objects: Digest) -> None:
        """Make the run's commit depend on objects that are stored already."""
        self._objects += objects

    def require(self, *conditions: Condition) -> None:
        """Make the run's commit depend on conditions."""
        self._conditions += conditions

    def seal(self, status: Status = "done", error: str = "") -> None:
        """End the run: everything collected becomes true together, or nothing does."""
        sealed = RunSealed(
            run=self.id,
            status=status,
            sealed_at=self.record.now(),
            error=_redacted(error)[:4000] if error else "",
        )
        start: tuple[Fact, ...] = () if self._is_announced else (self.opened,)
        base: tuple[Fact, ...] = (*start, *self._facts, *self._columns())
        still_open = (RunIsOpen(run=self.id),) if self._is_announced else ()
        for attempt in range(ATTEMPTS):
            facts, conditions = self._numbered()
            try:
                self._commit(
                    (*base, *facts, sealed),
                    (*still_open, *self._conditions, *conditions),
                    tuple(dict.fromkeys(self._objects)),
                )
            except ConditionFailedError as error_:
                if error_.condition not in conditions or attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    def fail(self, status: Status, error: str) -> None:
        """End the run without anything that it made; what it used stays known."""
        self._facts = [f for f in self._facts if isinstance(f, Edge) and f.role == "used"]
        self._conditions, self._objects, self._pending = [], [], []
        self.seal(status, error)

    def _commit(
        self,
        facts: tuple[Fact, ...],
        conditions: tuple[Condition, ...],
        objects: tuple[Digest, ...],
    ) -> None:
        self.record.ports.ledger.commit(
            Batch(facts=facts, conditions=conditions, objects=objects, at=self.record.now())
        )

    def _columns(self) -> tuple[Fact, ...]:
        if not self._figures:
            return ()
        keys, values, steps, at = zip(*self._figures, strict=True)
        return (Figured(run=self.id, keys=keys, values=values, steps=steps, at=at),)

    def _numbered(self) -> tuple[tuple[Fact, ...], tuple[Condition, ...]]:
        facts: list[Fact] = []
        conditions: list[Condition] = []
        newest: dict[RefName, Version | int] = {}
        for pending in self._pending:
            ref = pending.ref
            known = newest.get(ref)
            if known is None:
                known = newest_version(self.record, ref)
                if known == 0 and find_ref(self.record, ref) is None:
                    facts.append(
                        RefCreated(
                            ref=ref, owner=self.record.owner, actor=self.record.actor,
                            at=self.record.now(),
                        )
                    )  # fmt: skip
                    conditions.append(RefAt(ref=ref, number=None))
                else:
                    number = known.number if isinstance(known, Version) else 0
                    conditions.append(RefAt(ref=ref, number=number))
            newest[ref] = self._next(pending, known, facts)
        return tuple(facts), tuple(conditions)

    def _next(self, pending: PendingVersion, known: Version | int, facts: list[Fact]) -> Version:
        if isinstance(known, Version):
            if known.artifact == pending.artifact.id and not pending.always:
                pending.result, pending.is_new = known, False
                return known
            known = known.number
        fact = Versioned(
            ref=pending.ref, number=known + 1, artifact=pending.artifact.id, run=self.id,
            actor=self.record.actor, at=self.opened.at, recorded_at=self.record.now(),
            summary=pending.summary,
        )  # fmt: skip
        facts.append(fact)
        pending.is_new = True
        pending.result = Version(
            ref=fact.ref, number=fact.number, artifact=fact.artifact, run=fact.run,
            actor=fact.actor, at=fact.at, recorded_at=fact.recorded_at, summary=fact.summary,
        )  # fmt: skip
        return pending.result


def _redacted(error: str) -> str:
    from tidemill.kernels.secret_text import without_secrets  # noqa: PLC0415 - few runs fail

    return without_secrets(printable(error))


def find_ref(record: Record, ref: RefName) -> Ref | None:
    """Return a ref, hidden or not; None: it was never created."""
    found = record.ports.ledger.find(Query(Ref, where=(Where("ref", "=", str(ref)),), limit=1))
    return found[0] if found else None


def newest_version(record: Record, ref: RefName) -> Version | int:
    """Return the newest version of a ref, or 0 where it has none."""
    from_newest = Query(Version, where=(Where("ref", "=", str(ref)),), order=(_BY_NUMBER,), limit=1)
    found = record.ports.ledger.find(from_newest)
    return found[0] if found else 0


@contextmanager
def opened(  # noqa: PLR0913 - the attributes of a run
    record: Record,
    *,
    kind: str,
    name: str,
    at: datetime | None = None,
    because: str = "",
    cause: str = "",
    parent: RunId | None = None,
    params: Mapping[str, Scalar] | None = None,
    code: ArtifactId | None = None,
    environment: ArtifactId | None = None,
    announce: bool = False,
) -> Iterator[RunDraft]:
    """Open a run and seal it at the end of the block, `failed` or `cancelled` on an error.

    `at` is effective time. With `announce` the run is in the record while it goes on.
    """
    now = record.now()
    draft = RunDraft(
        record,
        RunOpened(
            run=record.ports.clock.new_id(), kind=kind, name=name, project=record.project,
            actor=record.actor, opened_at=now, at=at or now, parent=parent, because=because,
            cause=cause, code=code, environment=environment, params=params or {},
        ),
    )  # fmt: skip
    if announce:
        draft.announce()
    try:
        yield draft
    except (KeyboardInterrupt, CancelledError) as error:
        draft.fail("cancelled", str(error) or "interrupted")
        raise
    except ConflictError:
        if draft.is_announced:
            draft.fail("failed", "lost a race")
        raise
    except TidemillError as error:
        draft.fail("failed", error.what)
        raise
    else:
        draft.seal()
