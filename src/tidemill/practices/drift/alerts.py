"""Alerts: a run of kind `alert` that is open until a person, or a new model, resolves it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import ArtifactId
from tidemill.core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from tidemill.core.facts import (
    Batch,
    Edge,
    Fact,
    Keyed,
    KeyIs,
    Noted,
    RunIsOpen,
    RunOpened,
    RunSealed,
)
from tidemill.core.query import Note, Order, Query, Where
from tidemill.core.run import Run, RunId
from tidemill.core.text import table
from tidemill.ports.notifier import Notice
from tidemill.practices.monitoring.deployments import read_deployment, served_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft

ALERT = "alert"
_NOTES = 1000


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. `again` are the days of further alarms while it was open."""

    run: RunId
    deployment: str
    check: str
    model: str
    window: str
    day: str
    because: str
    at: datetime
    status: str
    again: tuple[str, ...] = ()
    resolved: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it still waits for somebody."""
        return self.status == "running"

    def __str__(self) -> str:
        state = "open" if self.is_open else f"resolved: {self.resolved}"
        again = f", again on {', '.join(self.again)}" if self.again else ""
        return (
            f"alert run:{self.run[-8:]} {self.check} of {self.deployment} ({self.model}) since "
            f"{self.day}{again}, {state}\n  {self.because}"
        )


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts, newest first."""

    alerts: tuple[Alert, ...]

    def __str__(self) -> str:
        if not self.alerts:
            return "no alert is open"
        rows = [
            [f"run:{a.run[-8:]}", a.check, a.deployment, a.model, a.day, len(a.again) + 1,
             "open" if a.is_open else "resolved", a.because]
            for a in self.alerts
        ]  # fmt: skip
        head = ["alert", "check", "of", "model", "since", "alarms", "state", "because"]
        return table(head, rows)


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """What an alarm says, before it is an alert."""

    deployment: str
    check: str
    model: str
    model_version: str
    window: str
    days: tuple[str, ...]
    because: str
    verdict: ArtifactId


def open_alerts(record: Record, name: str = "", check: str = "") -> tuple[Alert, ...]:
    """Return the open alerts of a deployment and a check (empty: of all), newest first."""
    return find_alerts(record, name, check, only_open=True)


def find_alerts(
    record: Record, name: str = "", check: str = "", *, only_open: bool = False
) -> tuple[Alert, ...]:
    """Return alerts of a deployment and a check (empty: of all), newest first."""
    where = [Where("kind", "=", ALERT), Where("project", "=", record.project)]
    if only_open:
        where.append(Where("status", "=", "running"))
    order = (Order("opened_at", descending=True),)
    runs = record.ports.ledger.find(Query(Run, where=tuple(where), order=order, limit=10_000))
    return tuple(
        _alert_of(record, run)
        for run in runs
        if name in ("", run.params.get("deployment")) and check in ("", run.params.get("check"))
    )


def raise_alert(record: Record, run: RunDraft, raised: Raised) -> RunId:
    """Open an alert in the commit of the run that found it, or note it on the one that is open."""
    key = f"alert:{record.project}/{raised.deployment}:{raised.check}"
    before = record.ports.ledger.keys([key]).get(key)
    opened = {alert.run for alert in open_alerts(record, raised.deployment, raised.check)}
    if before in opened:
        run.add(*_noted(record, before, "again", raised.days))
        run.require(RunIsOpen(run=before))
        return before
    alert = record.ports.clock.new_id()
    first, *later = raised.days
    run.add(
        RunOpened(
            run=alert, kind=ALERT, name=f"{raised.deployment} {raised.check}",
            project=record.project, actor=record.actor, opened_at=record.now(), at=run.opened.at,
            because=raised.because, cause=f"{raised.check} {first}",
            params={
                "deployment": raised.deployment, "check": raised.check, "model": raised.model,
                "model_version": raised.model_version, "window": raised.window, "day": first,
            },
        ),
        Edge(run=alert, artifact=raised.verdict, role="used", name="verdict", source=run.id),
        Keyed(key=key, run=alert),
        *_noted(record, alert, "again", later),
    )  # fmt: skip
    run.require(KeyIs(key=key, run=before))
    return alert


def tell_alert(record: Record, alert: RunId, raised: Raised) -> None:
    """Notify people; an alert that nobody could be told of stays open all the same."""
    notice = Notice(
        key=f"{ALERT}:{alert}:{raised.days[-1]}", severity="alert",
        title=f"{raised.check} of {raised.deployment} ({raised.model_version})",
        text=f"{raised.because}\ntidemill why run:{alert[-8:]}",
    )  # fmt: skip
    try:
        record.ports.notifier.send(notice)
    except UnavailableError as error:
        record.tell.line(f"nobody was notified: {error.what}")


def resolve_alert(  # noqa: D417 - `record` is the context, not an argument of a face
    record: Record, alert: str, *, because: str, at: datetime | None = None
) -> Alert:
    """Resolve an alert: say what came of it and close it.

    Args:
        alert: the run of the alert, by at least its last 6 digits.
        because: what was found and done.
        at: effective time.
    """
    if not because.strip():
        raise InvalidInputError("an alert is resolved with a reason", fix='add --because "..."')
    digits = alert.rpartition(":")[2].lower()
    found = [one for one in find_alerts(record) if len(digits) >= 6 and one.run.endswith(digits)]
    if len(found) != 1:
        raise NotFoundError(f"there is no one alert {alert!r}", fix="tidemill alert list")
    (known,) = found
    if not known.is_open:
        raise ConflictError(
            f"the alert run:{known.run[-8:]} was resolved before: {known.resolved}",
            fix="tidemill alert list shows the open ones",
        )
    _close(record, known, because, record.moment(at))
    return _alert_of(record, record.ports.ledger.find(
        Query(Run, where=(Where("id", "=", known.run),), limit=1)
    )[0])  # fmt: skip


def resolve_superseded(record: Record, name: str, *, at: datetime) -> tuple[Alert, ...]:
    """Resolve the alerts of a deployment that another model serves now; returns them."""
    try:
        version = served_now(record, name, at)
    except NotFoundError:
        return ()
    served = read_deployment(record, version.artifact)
    closed = []
    for alert in open_alerts(record, name):
        model = _params(record, alert.run).get("model")
        if model != served.artifact and alert.at <= version.at:
            because = f"{served.short_name} has been deployed instead ({version})"
            try:
                _close(record, alert, because, at)
            except ConflictError:  # somebody resolved it meanwhile
                continue
            closed.append(alert)
    return tuple(closed)


def _close(record: Record, alert: Alert, because: str, at: datetime) -> None:
    now = record.now()
    record.ports.ledger.commit(
        Batch(
            facts=(
                Noted(subject=alert.run, key="resolved", text=because, actor=record.actor, at=at),
                RunSealed(run=alert.run, status="done", sealed_at=now),
            ),
            conditions=(RunIsOpen(run=alert.run),),
            at=now,
        )
    )


def _noted(record: Record, alert: RunId, word: str, days: Sequence[str]) -> list[Fact]:
    return [
        Noted(subject=alert, key=f"{word}:{day}", text=day, actor=record.actor, at=record.now())
        for day in days
    ]


def _params(record: Record, run: RunId) -> dict[str, object]:
    found = record.ports.ledger.find(Query(Run, where=(Where("id", "=", run),), limit=1))
    return dict(found[0].params) if found else {}


def _alert_of(record: Record, run: Run) -> Alert:
    where = (Where("subject", "=", run.id),)
    notes = record.ports.ledger.find(Query(Note, where=where, limit=_NOTES))
    again = sorted(note.text for note in notes if note.key.startswith("again:"))
    resolved = [note.text for note in notes if note.key == "resolved"]
    return Alert(
        run=run.id, deployment=str(run.params.get("deployment", "")),
        check=str(run.params.get("check", "")), model=str(run.params.get("model_version", "")),
        window=str(run.params.get("window", "")), day=str(run.params.get("day", "")),
        because=run.because, at=run.at, status=run.status, again=tuple(again),
        resolved=resolved[-1] if resolved else "",
    )  # fmt: skip
