"""Verdicts of gates: each is an artifact made by a run that used what it judged, and is kept.

A gate whose inputs are equal has been judged already: its verdict is found by a key and not made
again. An `error` is never kept so: what broke may be mended without a trace in the inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.check import Finding, State, Verdict, worst
from tidemill.core.digest import ArtifactId, digest_of_value
from tidemill.core.errors import ConflictError
from tidemill.core.run import RunId
from tidemill.lineage.artifacts import find_artifact, put_value, read_value
from tidemill.lineage.attested import Kept, kept
from tidemill.lineage.policies import VERDICT, verdict_states
from tidemill.lineage.writing import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate judges: an artifact, the run that it is taken from, its place in the gate."""

    artifact: ArtifactId
    source: RunId | None = None
    name: str = ""


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One gate's answer. `verdict` is None where nothing was judged (it could not run)."""

    name: str
    subject: str
    state: State
    findings: tuple[Finding, ...]
    verdict: ArtifactId | None = None
    run: RunId | None = None
    is_unchanged: bool = False
    seconds: float = 0.0


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of which artifacts. `memo` is everything else that the answer depends on."""

    check: str
    subject: str
    judged: tuple[Judged, ...]
    memo: tuple[object, ...] = ()
    confidence: float | None = None


def ask(
    record: Record,
    question: Question,
    judge: Callable[[], Sequence[Finding]],
    *,
    at: datetime | None = None,
    attach: Callable[[RunDraft], None] | None = None,
) -> Gate:
    """Return the verdict on a question: the one that is kept, or a new one, kept from now on.

    `attach` may tie more to the run, such as the code that it judges.
    """
    clock = record.ports.clock
    key = _key(record, question)
    before = kept(record, key)
    known = _recall(record, before, question)
    if known is not None:
        return _said_again(record, before, question, known, at)
    began = clock.monotonic_s()
    findings = tuple(judge())
    state = worst(findings)
    moment = record.moment(at)
    verdict = Verdict(
        check=question.check, subjects=tuple(j.artifact for j in question.judged), state=state,
        findings=findings, at=moment, confidence=question.confidence,
    )  # fmt: skip
    artifact = verdict_artifact(record, verdict)
    try:
        with opened(record, kind="check", name=question.check, at=moment) as run:
            for one in question.judged:
                run.used(one.artifact, name=one.name, source=one.source)
            if attach is not None:
                attach(run)
            run.made(artifact, name=VERDICT)
            if state != "error":
                before.give(run)
    except ConflictError:  # somebody judged the same at the same time
        known = _recall(record, kept(record, key), question)
        if known is None:
            raise
        return known
    return Gate(
        name=question.check, subject=question.subject, state=state, findings=findings,
        verdict=artifact.id, run=run.id, seconds=clock.monotonic_s() - began,
    )  # fmt: skip


def _said_again(
    record: Record, before: Kept, question: Question, known: Gate, at: datetime | None
) -> Gate:
    """Return a verdict that is kept; where another came after it, it becomes the newest again."""
    subject = question.judged[0].artifact if question.judged else None
    if subject is None or known.verdict is None:
        return known
    if verdict_states(record, subject).get(question.check) == known.state:
        return known
    kept = find_artifact(record, known.verdict)
    moment = record.moment(at)
    with opened(record, kind="check", name=question.check, at=moment) as run:
        for one in question.judged:
            run.used(one.artifact, name=one.name, source=one.source)
        run.made(kept, name=VERDICT)
        before.give(run)
    return msgspec.structs.replace(known, run=run.id)


def verdict_artifact(record: Record, verdict: Verdict) -> Artifact:
    """Store a verdict; its summary says check, state, and whom alone it speaks of (the first)."""
    return put_value(
        record, VERDICT, verdict,
        summary={
            "check": verdict.check, "state": verdict.state,
            **({"subject": verdict.subjects[0]} if verdict.subjects else {}),
        },
    )  # fmt: skip


def read_verdict(record: Record, identity: ArtifactId) -> Verdict:
    """Return a verdict by its id."""
    return read_value(record, find_artifact(record, identity), Verdict)


def _key(record: Record, question: Question) -> str:
    artifacts = sorted(f"{one.name}={one.artifact}" for one in question.judged)
    content = digest_of_value([question.check, question.subject, artifacts, question.memo])
    return f"check:{record.project}/{content[3:]}"


def _recall(record: Record, before: Kept, question: Question) -> Gate | None:
    run, identity = before.run, before.artifact(VERDICT)
    if run is None or identity is None:
        return None
    verdict = read_verdict(record, identity)
    return Gate(
        name=question.check, subject=question.subject, state=verdict.state,
        findings=verdict.findings, verdict=identity, run=run, is_unchanged=True,
    )  # fmt: skip
