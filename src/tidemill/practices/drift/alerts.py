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
from tidemill.lineage.attested import keys_under
from tidemill.ports.notifier import Notice
from tidemill.practices.drift.results import Turn, spell_turn
from tidemill.practices.monitoring.deployments import read_deployment, served_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft

ALERT = "alert"
_NOTES = 1000
_TURNED, _NEITHER = "turned", "neither"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. `again` are the days of further alarms while it was open.

    `turned` is of performance: `worse` if one of its alarms was of losses that grew, `better` if
    all were of losses that fell, else empty.
    """

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
    artifact: str = ""
    """The model that it is about, by its content."""
    turned: Turn = ""

    @property
    def is_open(self) -> bool:
        """Whether it still waits for somebody."""
        return self.status == "running"

    def __str__(self) -> str:
        state = "open" if self.is_open else f"resolved: {self.resolved}"
        again = f", again on {', '.join(self.again)}" if self.again else ""
        again += f", {spell_turn(self.turned)}" if self.turned else ""
        return (
            f"alert run:{self.run[-8:]} {self.check} of {self.deployment} ({self.model}) since "
            f"{self.day}{again}, {state}\n  {self.because}"
        )

    __repr__ = __str__


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

    __repr__ = __str__


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
    turned: tuple[Turn, ...] = ()
    """Of each day."""


def open_alerts(record: Record, name: str = "", check: str = "") -> tuple[Alert, ...]:
    """Return the open alerts of a deployment and a check (empty: of all), newest first."""
    return find_alerts(record, name, check, only_open=True)


def find_alerts(
    record: Record, name: str = "", check: str = "", *, only_open: bool = False
) -> tuple[Alert, ...]:
    """Return alerts of a deployment and a check (empty: of all), newest first.

    An alert of a model that another has replaced is resolved, also before anybody has written so.
    """
    found = _written_alerts(record, name, check, only_open=only_open)
    deployments = {alert.deployment for alert in found if alert.is_open}
    serving = {one: _serving(record, one) for one in deployments}
    told = tuple(_as_of_now(alert, serving.get(alert.deployment)) for alert in found)
    return tuple(alert for alert in told if alert.is_open) if only_open else told


def _as_of_now(alert: Alert, serving: _Serving | None) -> Alert:
    if not alert.is_open or serving is None or not serving.replaces(alert):
        return alert
    return msgspec.structs.replace(alert, status="done", resolved=serving.because)


def _written_alerts(
    record: Record, name: str = "", check: str = "", *, only_open: bool = False
) -> tuple[Alert, ...]:
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
    """Open an alert in the commit of the run that found it, or note it on the one that is open.

    Which one is open is asked of the journal: no second one opens where its key was taken away.
    """
    key = f"alert:{record.project}/{raised.deployment}:{raised.check}"
    holder = record.ports.ledger.keys([key]).get(key)
    before = keys_under(record, key).get(key)
    waiting = _written_alerts(record, raised.deployment, raised.check, only_open=True)
    opened = {alert.run for alert in waiting}
    if before in opened:
        run.add(*_noted(record, before, "again", raised.days), *_turned(record, before, raised))
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
        *_turned(record, alert, raised),
    )  # fmt: skip
    run.require(KeyIs(key=key, run=holder))
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
    known_alerts = _written_alerts(record)
    found = [one for one in known_alerts if len(digits) >= 6 and one.run.endswith(digits)]
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
    serving = _serving(record, name, at)
    closed = []
    for alert in _written_alerts(record, name, only_open=True) if serving else ():
        if serving and serving.replaces(alert):
            try:
                _close(record, alert, serving.because, at)
            except ConflictError:  # somebody resolved it meanwhile
                continue
            closed.append(alert)
    return tuple(closed)


class _Serving(msgspec.Struct, frozen=True):
    """The model that a deployment serves, and since when."""

    artifact: str
    since: datetime
    because: str

    def replaces(self, alert: Alert) -> bool:
        """Whether an alert is about a model that this one has replaced."""
        return alert.artifact != self.artifact and alert.at <= self.since


def _serving(record: Record, name: str, at: datetime | None = None) -> _Serving | None:
    try:
        version = served_now(record, name, at)
    except NotFoundError:
        return None
    served = read_deployment(record, version.artifact)
    because = f"{served.short_name} has been deployed instead ({version})"
    return _Serving(artifact=served.artifact, since=version.at, because=because)


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


def _turned(record: Record, alert: RunId, raised: Raised) -> list[Fact]:
    return [
        Noted(
            subject=alert, key=f"{_TURNED}:{day}", text=turn or _NEITHER, actor=record.actor,
            at=record.now(),
        )
        for day, turn in zip(raised.days, raised.turned, strict=False)
    ]  # fmt: skip


def _turn(texts: set[str]) -> Turn:
    if "worse" in texts:
        return "worse"
    return "better" if texts == {"better"} else ""


def _alert_of(record: Record, run: Run) -> Alert:
    where = (Where("subject", "=", run.id),)
    notes = record.ports.ledger.find(Query(Note, where=where, limit=_NOTES))
    again = sorted(note.text for note in notes if note.key.startswith("again:"))
    resolved = [note.text for note in notes if note.key == "resolved"]
    turns = {note.text for note in notes if note.key.startswith(f"{_TURNED}:")}
    return Alert(
        run=run.id, deployment=str(run.params.get("deployment", "")),
        check=str(run.params.get("check", "")), model=str(run.params.get("model_version", "")),
        window=str(run.params.get("window", "")), day=str(run.params.get("day", "")),
        because=run.because, at=run.at, status=run.status, again=tuple(again),
        resolved=resolved[-1] if resolved else "", artifact=str(run.params.get("model", "")),
        turned=_turn(turns),
    )  # fmt: skip
