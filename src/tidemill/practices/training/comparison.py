"""Comparison: is the challenger better than the champion on the rows of a window?

Only rows that the challenger has not learned from count. A verdict of the check `comparison` is
kept; each look at a window spends alpha, and the same question asked again is no new look. A
challenger whose gates have not passed is not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.check import Finding, State
from tidemill.core.digest import ArtifactId, digest_of
from tidemill.core.errors import InvalidInputError, NotAllowedError
from tidemill.core.facts import Keyed, KeyIs
from tidemill.core.query import Query, Where
from tidemill.core.ref import Version
from tidemill.core.run import RunId
from tidemill.core.text import table
from tidemill.core.times import parse_time, parse_window
from tidemill.lineage.attested import keys_under
from tidemill.lineage.attested_facts import attested_ancestry, attested_run, require_versions
from tidemill.lineage.policies import verdict_states
from tidemill.lineage.refs import resolve
from tidemill.practices.integration.verdicts import Judged, Question, ask, read_verdict
from tidemill.practices.monitoring.windows import collect_if_over
from tidemill.practices.training.compared_rows import contest_rows, contested, window_rows
from tidemill.practices.training.contest import hold_contest, spent_alpha
from tidemill.practices.versioning.evidence import DEPTH
from tidemill.practices.versioning.unpassed import GATES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tidemill.core.times import Window
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft
    from tidemill.practices.integration.verdicts import Gate
    from tidemill.practices.training.compared_rows import WindowRows

COMPARISON = "comparison"


class ModelComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison says. `difference` is positive where the challenger is better."""

    challenger: str
    champion: str
    window: str
    state: State
    findings: tuple[Finding, ...]
    verdict: ArtifactId
    run: RunId
    confidence: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    is_unchanged: bool = False

    @property
    def is_better(self) -> bool:
        """Whether the challenger may take the champion's place."""
        return self.state in {"pass", "warn"}

    def __str__(self) -> str:
        word = "is better than" if self.is_better else "is not shown to be better than"
        told = " (the same as before)" if self.is_unchanged else ""
        head = f"{self.challenger} {word} {self.champion} in {self.window}{told}"
        rows = [[f.rule, f.state.replace("_", " "), f.what] for f in self.findings]
        promise = f"an equal challenger passes in at most {1 - self.confidence:.3g} of such looks"
        fixes = [f"  fix {f.rule}: {f.fix}" for f in self.findings if f.fix and f.state != "pass"]
        return "\n".join([head, table(["rule", "", "what"], rows), promise, *fixes])

    __repr__ = __str__


def compare(
    record: Record,
    challenger: str,
    champion: str,
    *,
    window: str,
    deployment: str = "",
    at: datetime | None = None,
) -> ModelComparison:
    """Return the verdict on a challenger, on the sealed predictions of a window.

    Raises:
        NotAllowedError: the challenger may have learned from the window's labels.
        CorruptError: a version, or the run that made it, is not as the journal has it.
        NotFoundError: nothing is sealed or labelled in the window.
        InvalidInputError: the two models do not answer one question from what was logged.
    """
    ours, theirs = (
        resolve(record, challenger, kind="model"),
        resolve(record, champion, kind="model"),
    )
    require_versions(record, ours, theirs)
    span, moment = parse_window(window), record.moment(at)
    _require_unseen(record, ours, span)
    if learned_until(record, theirs) is not None:  # a champion made elsewhere tells no time
        _require_unseen(record, theirs, span)
    served = deployment or theirs.ref.name
    collect_if_over(record, served, span, moment)
    pair = contested(record, ours, theirs)
    rows = window_rows(record, served, span, pair.challenger, moment)
    gates = gates_finding(record, ours)
    place = f"{served}:{span}"
    look = looks_at(record, place) + 1
    question = Question(
        check=COMPARISON, subject=f"{ours} against {theirs}", confidence=1.0 - spent_alpha(look),
        judged=_judged(ours, theirs, rows), memo=(str(span), _content(rows), gates.state),
    )  # fmt: skip

    may_look = gates.state in {"pass", "warn"}

    def judge() -> tuple[Finding, ...]:
        if not may_look:
            return (gates,)
        record.tell.progress(f"comparing {ours} with {theirs} on {rows.frame.height:,} rows")
        paired = contest_rows(rows, pair, span)
        return (*hold_contest(pair.challenger.task, paired, look=look).findings, gates)

    counted = count_look(record, place, look) if may_look else None
    gate = ask(record, question, judge, at=moment, attach=counted)
    return told_comparison(record, question, gate, str(span))


def told_comparison(record: Record, question: Question, gate: Gate, window: str) -> ModelComparison:
    """Return what a kept verdict says; `window` names the rows."""
    if gate.verdict is None or gate.run is None:
        message = "a comparison always keeps a verdict"
        raise RuntimeError(message)
    challenger, _, champion = question.subject.partition(" against ")
    better = next((finding for finding in gate.findings if finding.rule == "better"), None)
    low, high = (better.interval if better else None) or (None, None)
    confidence = read_verdict(record, gate.verdict).confidence
    return ModelComparison(
        challenger=challenger, champion=champion, window=window, state=gate.state,
        findings=gate.findings, verdict=gate.verdict, run=gate.run, confidence=confidence or 0.0,
        difference=better.measured if better else None, low=low, high=high,
        rows=(better.rows_checked if better else 0) or 0, is_unchanged=gate.is_unchanged,
    )  # fmt: skip


def _judged(ours: Version, theirs: Version, rows: WindowRows) -> tuple[Judged, ...]:
    """The challenger comes first: the verdict speaks of it."""
    return (
        Judged(artifact=ours.artifact, source=ours.run, name="challenger"),
        Judged(artifact=theirs.artifact, source=theirs.run, name="champion"),
        *(Judged(artifact=v.artifact, source=v.run, name=str(v)) for v in rows.sources),
    )


def _content(rows: WindowRows) -> str:
    """Return a digest of which rows have which label: labels come late and are corrected."""
    told = rows.frame.select("prediction_id", "label")
    return str(digest_of(told.write_csv().encode()))


def gates_finding(record: Record, version: Version) -> Finding:
    """Return what the gates of a version say."""
    state = verdict_states(record, version.artifact).get(GATES, "not_run")
    has_passed = state in {"pass", "warn"}
    return Finding(
        rule=GATES, state=msgspec.convert(state, State), bound="pass",
        what=f"the gates of {version} say {str(state).replace('_', ' ')}",
        fix="" if has_passed else f"tidemill check {version}",
    )  # fmt: skip


def looks_at(record: Record, what: str) -> int:
    """Return how often rows were looked at, by the journal: those of a window, or of data."""
    return len(keys_under(record, f"look:{record.project}/{what}:"))


def count_look(record: Record, what: str, look: int) -> Callable[[RunDraft], None]:
    """Return what ties a look to its run: two looks at once cannot be the same one."""
    key = f"look:{record.project}/{what}:{look}"

    def count(run: RunDraft) -> None:
        run.add(Keyed(key=key, run=run.id))
        run.require(KeyIs(key=key, run=None))

    return count


def _require_unseen(record: Record, version: Version, window: Window) -> None:
    known_until = learned_until(record, version)
    if known_until is None or known_until > window.start:
        when = "nobody knows when" if known_until is None else f"{known_until:%Y-%m-%d %H:%M}"
        raise NotAllowedError(
            f"{version} may have learned from labels of {window}: its data go on until {when}",
            fix=f"train it with --until {window.start:%Y-%m-%d}, or compare on a later window",
        )


def data_versions_behind(record: Record, version: Version) -> list[Version]:
    """Return the data versions among all that a model was made from, as the journal has them."""
    behind = tuple({edge.artifact for edge in attested_ancestry(record, version, DEPTH)})
    where = (Where("artifact", "in", behind), Where("ref.kind", "=", "data"))
    data = record.ports.ledger.find(Query(Version, where=where, limit=100_000)) if behind else []
    require_versions(record, *data)
    return data


def learned_until(record: Record, version: Version) -> datetime | None:
    """Return up to when labels can have reached a model; None: nothing in the record tells.

    That is the `until` of the run that trained it, else the newest of the data versions that it
    was made from; both as the journal has them.
    """
    trained = attested_run(record, version.run)
    until = trained.params.get("until") if trained else None
    if until is not None:
        try:
            return parse_time(str(until))
        except InvalidInputError:
            pass  # a parameter of that name with another meaning
    oldest: dict[str, datetime] = {}  # a version that came again was known when it came first
    for one in data_versions_behind(record, version):
        oldest[one.artifact] = min(one.at, oldest.get(one.artifact, one.at))
    return max(oldest.values(), default=None)
