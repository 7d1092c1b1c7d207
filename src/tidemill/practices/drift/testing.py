"""Testing a window for drift: each day once, in order, under one promise for everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.core.artifact import Artifact
from tidemill.core.check import Finding, State, Verdict
from tidemill.core.errors import ConflictError, InvalidInputError
from tidemill.core.facts import RefAt
from tidemill.core.ref import Version
from tidemill.core.times import parse_window
from tidemill.lineage.artifacts import find_artifact, put_value, read_value
from tidemill.lineage.attested import Kept, kept
from tidemill.lineage.policies import VERDICT
from tidemill.lineage.writing import find_ref, newest_version, opened
from tidemill.practices.drift.alerts import (
    Raised,
    raise_alert,
    resolve_superseded,
    tell_alert,
)
from tidemill.practices.drift.earlier import Earlier
from tidemill.practices.drift.reference import (
    NoReference,
    Reference,
    data_reference,
    performance_reference,
)
from tidemill.practices.drift.results import (
    DATA,
    PERFORMANCE,
    Alarm,
    DriftCheck,
    DriftResult,
    Effect,
    spell_turn,
    turn_of,
)
from tidemill.practices.drift.states import (
    DETECTOR,
    Detector,
    Known,
    detector_of,
    detector_ref,
    moved,
    new_detector,
    put_detector,
)
from tidemill.practices.drift.tested_days import TestedDays, data_days, performance_days
from tidemill.practices.drift.watched import effects_of
from tidemill.practices.monitoring.deployments import ServedModel, read_deployment
from tidemill.practices.monitoring.seals import PREDICTIONS
from tidemill.practices.monitoring.window_rows import WindowRows, labelled_rows, window_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tidemill.core.run import RunId
    from tidemill.core.times import Window
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft

RESULT = "drift"
SHARE = 0.5
"""Of the promised alarms, for each of the two checks."""


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of a model's days gives, before it is written."""

    known: Known
    reference_artifact: Artifact | None
    after: Detector
    check: DriftCheck
    raised: Raised | None


def drift_of_window(
    record: Record, name: str, *, window: str, reference: str = "", at: datetime | None = None
) -> DriftResult:
    """Return what the days of a window say; writes each check of each model once.

    A model that came without a sample or an evaluation is tested against its days before, or those
    of `reference`.

    Raises:
        InvalidInputError: the window is not over.
        NotFoundError: nothing was predicted in it.
    """
    span, moment = parse_window(window), record.moment(at)
    if span.end > moment:
        raise InvalidInputError(
            f"the window {span} is not over at {moment:%Y-%m-%dT%H:%M:%SZ}",
            fix="wait for its end, or give an earlier one: --window START..END",
        )
    resolve_superseded(record, name, at=moment)
    rows = window_rows(record, name, span, moment)
    before = parse_window(reference) if reference else None
    frame = labelled_rows(record, rows).collect(engine="streaming").sort("at", "prediction_id")
    frame = frame.drop("unknown_label", strict=False)
    checks, is_new = [], False
    for served, own in _models(record, frame):
        for check in (DATA, PERFORMANCE):
            answer, was_new = _checked(record, rows, served, own, (check, before))
            checks.append(answer)
            is_new = is_new or was_new
    return DriftResult(name=name, window=str(span), checks=tuple(checks), is_new=is_new)


def _models(record: Record, frame: pl.DataFrame) -> Iterator[tuple[ServedModel, pl.DataFrame]]:
    """Yield each model of the window with all rows, and a column that says which are its own."""
    for model in frame["model"].unique(maintain_order=True).to_list():
        is_own = pl.col("model") == model
        deployment = frame.filter(is_own)["deployment"].last()
        yield read_deployment(record, str(deployment)), frame.with_columns(is_own=is_own)


def _checked(
    record: Record,
    rows: WindowRows,
    served: ServedModel,
    frame: pl.DataFrame,
    asked: tuple[str, Window | None],
) -> tuple[DriftCheck, bool]:
    check, _ = asked
    key = f"{check}:{record.project}/{rows.name}:{served.artifact}:{rows.window}"
    before = kept(record, key)
    known = _recalled(record, before)
    if known is not None:
        return known, False
    record.tell.progress(f"{check} of {served.short_name}, {rows.window}")
    tested = _tested(record, rows, served, frame, asked)
    if isinstance(tested, DriftCheck):
        return tested, False
    try:
        return _written(record, rows, served, tested, before), True
    except ConflictError:  # somebody tested it meanwhile
        known = _recalled(record, kept(record, key))
        if known is None:
            raise
        return known, False


def _tested(
    record: Record,
    rows: WindowRows,
    served: ServedModel,
    frame: pl.DataFrame,
    asked: tuple[str, Window | None],
) -> Tested | DriftCheck:
    """Return what the days say; a `DriftCheck` where they can say nothing (yet)."""
    check, before = asked
    known = detector_of(record, rows.name, check, served.artifact)
    artifact = None
    if known is None:
        reference = _reference(record, rows, served, frame, asked)
        if isinstance(reference, NoReference):
            return _not_run(rows, served, check, reference)
        known, artifact = new_detector(record, check, reference, served.short_name)
    elif before is not None and known.reference.window != str(before):
        raise InvalidInputError(
            f"{check} of {served.short_name} has its reference already:"
            f" {known.reference.window or 'what the model came with'}",
            fix="leave --reference out, or compare two windows: tidemill drift compare OLD NEW",
        )
    days = _days(rows, served, known, frame, check)
    if days.why_not:
        lacking = NoReference(why=days.why_not, waits=days.waits)
        return _not_run(rows, served, check, lacking)
    alarms = record.settings.number("drift.alarms_per_year")
    after, outcomes = moved(known, days.scores, window=str(rows.window), alarms=alarms * SHARE)
    found = tuple(
        Alarm(
            day=day, evidence=o.evidence, threshold=o.threshold, suspects=o.suspects,
            turned=turn_of(o.suspects) if check == PERFORMANCE else "",
        )
        for day, o in outcomes
        if o.is_alarm
    )  # fmt: skip
    return _told(rows, served, Tested(
        known=known, reference_artifact=artifact, after=after, raised=None,
        check=DriftCheck(
            check=check, state=_state(found, len(outcomes)), model=served.short_name,
            window=str(rows.window), days=len(outcomes), evidence=after.evidence,
            threshold=after.threshold, reference_days=known.reference.days, alarms=found,
            skipped=days.skipped, effects=_effects(known.reference, found, days),
            promise=promise(alarms, check, rows.name), notes=known.reference.notes,
            waits=not outcomes,
        ),
    ))  # fmt: skip


def promise(alarms: float, check: str, name: str) -> str:
    """Return the promise that a check keeps, in words."""
    return (
        f"at most {alarms:g} false alarms a year over everything watched of {name}, "
        f"{alarms * SHARE:g} of them for {check}, however often one looks"
    )


def _reference(
    record: Record,
    rows: WindowRows,
    served: ServedModel,
    frame: pl.DataFrame,
    asked: tuple[str, Window | None],
) -> Reference | NoReference:
    """Return what the model came with as its reference; else its days before."""
    check, before = asked
    own = frame.filter(pl.col("is_own"))
    usual = own.group_by(pl.col("at").dt.date()).len()["len"].median()
    rows_a_day = int(float(str(usual)))
    why = ""
    if before is None:
        found = (
            performance_reference(record, served)
            if check == PERFORMANCE
            else data_reference(record, served, rows_a_day=rows_a_day)
        )
        if isinstance(found, Reference):
            return found
        why = found
    earlier = Earlier(record, rows, served, before)
    other = earlier.performance() if check == PERFORMANCE else earlier.data(rows_a_day)
    if why and isinstance(other, NoReference):
        return NoReference(why=f"{why}; {other.why}", waits=other.waits)
    return other


def _days(
    rows: WindowRows, served: ServedModel, known: Known, frame: pl.DataFrame, check: str
) -> TestedDays:
    if check == PERFORMANCE:
        return performance_days(rows, known, frame)
    return data_days(served, known, frame)


def _state(alarms: tuple[Alarm, ...], days: int) -> State:
    if not days:
        return "not_run"
    return "fail" if alarms else "pass"


def _effects(
    reference: Reference, alarms: tuple[Alarm, ...], days: TestedDays
) -> tuple[Effect, ...]:
    if reference.watched is None or not alarms:
        return ()
    suspects = [one.name for alarm in alarms for one in alarm.suspects]
    return tuple(effects_of(reference.watched, suspects, days.counts))


def _not_run(rows: WindowRows, served: ServedModel, check: str, lacking: NoReference) -> DriftCheck:
    return DriftCheck(
        check=check, state="not_run", model=served.short_name, window=str(rows.window), days=0,
        notes=(lacking.why,), waits=lacking.waits,
    )  # fmt: skip


def _told(rows: WindowRows, served: ServedModel, tested: Tested) -> Tested:
    """Add what people are told, where there is an alarm."""
    check = tested.check
    if not check.alarms:
        return tested
    suspects = dict.fromkeys(s.name for alarm in check.alarms for s in alarm.suspects)
    raised = Raised(
        deployment=rows.name, check=check.check, model=served.artifact,
        model_version=served.short_name, window=check.window,
        days=tuple(alarm.day for alarm in check.alarms), verdict=VERDICT,  # type: ignore[arg-type]
        turned=tuple(alarm.turned for alarm in check.alarms),
        because=f"{check.check} on {check.alarms[0].day}: {_because(check, list(suspects))}",
    )  # fmt: skip
    return msgspec.structs.replace(tested, raised=raised)


def _because(check: DriftCheck, suspects: list[str]) -> str:
    turned = spell_turn(check.alarms[0].turned)
    return ", ".join([*([turned] if turned else []), *suspects[:3]])


def _verdict(record: Record, rows: WindowRows, tested: Tested, served: ServedModel) -> Artifact:
    check = tested.check
    days = ", ".join(alarm.day for alarm in check.alarms)
    turns = ", ".join(dict.fromkeys(spell_turn(a.turned) for a in check.alarms if a.turned))
    told = f", {turns}" if turns else ""
    what = f"an alarm on {days}{told}" if days else f"no alarm in {check.days} days"
    finding = Finding(
        rule="e-detector", state=check.state, what=f"{what}; {check.promise}",
        measured=check.evidence, bound=f"< {check.threshold:g}", rows_checked=check.days,
        rows_failed=len(check.alarms),
        fix="tidemill why of the alert; then train again, or repair the source" if days else "",
    )  # fmt: skip
    verdict = Verdict(
        check=check.check, subjects=(served.artifact, *(s.artifact for s in rows.seals)),
        state=check.state, findings=(finding,), at=rows.at,
    )  # fmt: skip
    return put_value(record, VERDICT, verdict, summary={"check": check.check, "state": check.state})


def _written(
    record: Record, rows: WindowRows, served: ServedModel, tested: Tested, before: Kept
) -> DriftCheck:
    verdict = _verdict(record, rows, tested, served)
    raised = tested.raised and msgspec.structs.replace(tested.raised, verdict=verdict.id)
    name = f"{rows.name} {rows.window} {tested.check.check}"
    alert: RunId | None = None
    with opened(record, kind="drift", name=name, at=rows.at) as run:
        _used(run, rows, served, tested)
        run.made(verdict, name=VERDICT)
        if tested.reference_artifact is not None:
            run.made(tested.reference_artifact, name="reference")
        detector = run.made(put_detector(record, tested.after), name=DETECTOR)
        run.version(detector_ref(record, rows.name, tested.check.check), detector, always=True)
        if raised is not None:
            alert = raise_alert(record, run, raised)
        answer = msgspec.structs.replace(tested.check, verdict=verdict.id, alert=alert or "")
        run.made(put_value(record, RESULT, answer), name=RESULT)
        run.figure("evidence", answer.evidence)
        run.figure("alarms", len(answer.alarms))
        before.give(run)
        run.require(_unmoved(record, rows.name, tested))
    if raised is not None and alert is not None:
        tell_alert(record, alert, raised)
    return answer


def _used(run: RunDraft, rows: WindowRows, served: ServedModel, tested: Tested) -> None:
    run.used(served.artifact, name="model", source=served.run)
    for seal in rows.seals:
        run.used(seal.artifact, name=PREDICTIONS, source=seal.run)
    reference = tested.known.reference
    source = None if reference.window else served.run
    run.used(reference.made_from, name="made from", source=source)
    version = tested.known.version
    if version is not None:
        run.used(version.artifact, name=DETECTOR, source=version.run)


def _unmoved(record: Record, name: str, tested: Tested) -> RefAt:
    """The detector must not have moved meanwhile: no day may be counted twice."""
    ref = detector_ref(record, name, tested.check.check)
    newest = newest_version(record, ref)
    if isinstance(newest, Version):
        return RefAt(ref=ref, number=newest.number)
    return RefAt(ref=ref, number=None if find_ref(record, ref) is None else 0)


def _recalled(record: Record, before: Kept) -> DriftCheck | None:
    """Return what was found, by the journal alone: no day may be counted twice."""
    result = before.artifact(RESULT)
    return read_value(record, find_artifact(record, result), DriftCheck) if result else None
