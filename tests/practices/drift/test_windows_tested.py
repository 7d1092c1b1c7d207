"""Windows are tested once, day by day; what drifts raises an alert that stays until resolved."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from served_world import START, days_of_rows

from tidemill.core.errors import ConflictError, InvalidInputError, NotFoundError
from tidemill.lineage.policies import verdict_states
from tidemill.lineage.refs import versions
from tidemill.practices.drift.alerts import find_alerts, open_alerts, resolve_alert
from tidemill.practices.drift.operations import list_alerts, show_drift, test_drift
from tidemill.practices.drift.results import DATA, PERFORMANCE
from tidemill.practices.drift.states import detector_of, detector_ref
from tidemill.practices.monitoring.labels import add_labels
from tidemill.practices.training.causes import causes_of
from tidemill.practices.training.trigger import Trigger

APRIL = datetime(2013, 4, 1, tzinfo=UTC)
MAY = datetime(2013, 5, 1, tzinfo=UTC)
JUNE = datetime(2013, 6, 1, tzinfo=UTC)


@pytest.fixture
def served(world):
    """A model of 60 days, judged on other rows of the same days."""
    fitted, held_out = days_of_rows(START, 60), days_of_rows(START, 60, seed=9)
    world.deploy(world.train(fitted, report_rows=held_out))
    return world


def serve(world, first, days, *, labelled=True, at=None, **drift):
    rows = days_of_rows(first, days, seed=3, **drift)
    world.predict(rows)
    if labelled:
        told = rows.select("flight", label="late")
        add_labels(world.record, "delay", told, key="flight", at=at or first)


def states(result):
    return {check.check: check.state for check in result.checks}


def test_a_quiet_month_passes_and_is_not_tested_twice(served) -> None:
    serve(served, APRIL, 30)
    result = test_drift(served.record, "delay", window="2013-04", at=MAY)
    assert states(result) == {DATA: "pass", PERFORMANCE: "pass"}
    assert [check.days for check in result.checks] == [30, 30]
    assert "at most 1 false alarms a year" in result.checks[0].promise
    again = test_drift(served.record, "delay", window="2013-04", at=JUNE)
    assert not again.is_new
    assert again.checks == result.checks
    assert len(versions(served.record, detector_ref(served.record, "delay", DATA))) == 1
    model = served.spec.artifact
    assert verdict_states(served.record, model) == {DATA: "pass", PERFORMANCE: "pass"}
    assert "tested before" in str(again)


def test_moved_inputs_raise_an_alert_that_names_them_with_effect_sizes(served) -> None:
    serve(served, APRIL, 30, shift=1.0)
    result = test_drift(served.record, "delay", window="2013-04", at=MAY)
    (data,) = result.check(DATA)
    assert data.state == "fail"
    alarm = data.alarms[0]
    assert alarm.evidence >= alarm.threshold
    assert any(suspect.name.startswith("x.") for suspect in alarm.suspects)
    (effect,) = [one for one in data.effects if one.name == "x"]
    psi, moved = effect.sizes
    assert psi.low > 0.1
    assert moved.value == pytest.approx(1.0, abs=0.2)
    assert result.has_alarm
    alert = next(a for a in open_alerts(served.record, "delay", DATA))
    assert alert.run == data.alert
    assert (alert.day, alert.at) == (alarm.day, MAY)
    notices = [json.loads(line) for line in served.notices.read_text().splitlines()]
    assert any(alert.run[-8:] in notice["text"] for notice in notices)
    assert "ALARM" in str(result)
    assert "evidence since the last alarm " in str(data)
    assert "open" in str(list_alerts(served.record))


def test_labels_that_turn_around_raise_a_performance_alert_alone(served) -> None:
    serve(served, APRIL, 30, flip=0.4)
    result = test_drift(served.record, "delay", window="2013-04", at=MAY)
    assert states(result) == {DATA: "pass", PERFORMANCE: "fail"}
    suspects = [s.name for s in result.check(PERFORMANCE)[0].alarms[0].suspects]
    assert suspects[0] == "loss"
    assert "ALARM on" in str(result)
    assert "worse (its losses grew)" in str(result)
    (alert,) = open_alerts(served.record, "delay", PERFORMANCE)
    assert alert.turned == "worse"
    assert "worse (its losses grew), loss" in alert.because
    assert [cause.lacking for cause in causes_of_performance(served)] == [""]


def causes_of_performance(served, **given):
    rule = Trigger(name="p", kind="performance", pipeline="p", model="delay", **given)
    return causes_of(served.record, rule, START, JUNE)


def test_losses_that_fall_are_told_as_better_and_fire_only_what_asks_for_any(served) -> None:
    rows = days_of_rows(APRIL, 30, seed=3).with_columns(late=(pl.col("x") > 0).cast(pl.Int64))
    served.predict(rows)
    told = rows.select("flight", label="late")
    add_labels(served.record, "delay", told, key="flight", at=APRIL)
    result = test_drift(served.record, "delay", window="2013-04", at=MAY)
    assert states(result) == {DATA: "pass", PERFORMANCE: "fail"}
    assert "better (its losses fell)" in str(result)
    (alert,) = open_alerts(served.record, "delay", PERFORMANCE)
    assert alert.turned == "better"
    assert "better (its losses fell)" in str(alert)
    (cause,) = causes_of_performance(served)
    assert 'on = "any" would fire' in cause.lacking
    (cause,) = causes_of_performance(served, on="any")
    assert not cause.lacking
    serve(served, MAY, 31, flip=0.4)  # while it is open, losses grow: now it counts
    test_drift(served.record, "delay", window="2013-05", at=JUNE)
    (alert,) = open_alerts(served.record, "delay", PERFORMANCE)
    assert alert.turned == "worse"
    assert [cause.lacking for cause in causes_of_performance(served)] == [""]


def test_performance_waits_for_labels_and_leaves_nothing_behind_until_then(served) -> None:
    serve(served, APRIL, 30, labelled=False)
    first = test_drift(served.record, "delay", window="2013-04", at=MAY)
    assert states(first) == {DATA: "pass", PERFORMANCE: "not_run"}
    assert "0% of its rows have a label" in first.check(PERFORMANCE)[0].notes[0]
    assert first.check(PERFORMANCE)[0].waits
    assert not first.has_failed  # nobody need do anything
    assert "not run yet" in str(first)
    told = days_of_rows(APRIL, 30, seed=3).select("flight", label="late")
    add_labels(served.record, "delay", told, key="flight", at=JUNE)
    later = test_drift(served.record, "delay", window="2013-04", at=JUNE)
    assert states(later) == {DATA: "pass", PERFORMANCE: "pass"}


def test_days_with_few_rows_say_nothing_and_are_named(served) -> None:
    serve(served, APRIL, 5)
    serve(served, APRIL + timedelta(days=5), 1, rows=8)
    result = test_drift(served.record, "delay", window="2013-04", at=MAY)
    (data,) = result.check(DATA)
    assert data.days == 5
    assert [(skipped.day, skipped.why) for skipped in data.skipped] == [
        ("2013-04-06", "8 rows; 30 are needed")
    ]


def test_a_day_is_tested_in_one_window_only(served) -> None:
    serve(served, APRIL, 6)
    test_drift(served.record, "delay", window="2013-04-01..2013-04-04", at=MAY)
    whole = test_drift(served.record, "delay", window="2013-04", at=MAY)
    (data,) = whole.check(DATA)
    assert data.days == 3
    assert {skipped.why for skipped in data.skipped} == {"it was tested in another window"}


def test_an_alert_stays_one_while_alarms_go_on_and_is_resolved_with_a_reason(served) -> None:
    serve(served, APRIL, 30, shift=1.0)
    test_drift(served.record, "delay", window="2013-04", at=MAY)
    serve(served, MAY, 31, shift=1.5)
    test_drift(served.record, "delay", window="2013-05", at=JUNE)
    (alert,) = open_alerts(served.record, "delay", DATA)
    assert alert.again
    with pytest.raises(InvalidInputError, match="reason"):
        resolve_alert(served.record, alert.run, because=" ")
    done = resolve_alert(served.record, alert.run[-8:], because="the sensor was moved", at=JUNE)
    assert (done.is_open, done.resolved) == (False, "the sensor was moved")
    with pytest.raises(ConflictError):
        resolve_alert(served.record, alert.run, because="again")
    with pytest.raises(NotFoundError):
        resolve_alert(served.record, "00000000", because="none")


def test_a_new_model_gets_a_reference_of_its_own_and_ends_the_alerts_of_the_old_one(
    served,
) -> None:
    serve(served, APRIL, 30, shift=1.0)
    test_drift(served.record, "delay", window="2013-04", at=MAY)
    assert open_alerts(served.record, "delay", DATA)
    fitted = days_of_rows(APRIL, 30, shift=1.0, seed=4)
    served.deploy(served.train(fitted, seed=2, at=MAY), at=MAY)
    assert str(list_alerts(served.record)) == "no alert is open"  # told before anybody wrote it
    assert "model:delay@2" in find_alerts(served.record, "delay", DATA)[0].resolved
    serve(served, MAY, 31, shift=1.0)
    result = test_drift(served.record, "delay", window="2013-05", at=JUNE)
    (data,) = result.check(DATA)
    assert (data.model, data.state, data.reference_days) == ("model:delay@2", "pass", 30)
    assert not open_alerts(served.record, "delay", DATA)
    (ended,) = find_alerts(served.record, "delay", DATA)
    assert "model:delay@2 has been deployed" in ended.resolved
    shown = show_drift(served.record, "delay")
    assert {d.model for d in shown.detectors} == {"model:delay@1", "model:delay@2"}
    assert "last window" in str(shown)


def test_a_day_of_two_models_belongs_to_neither(served) -> None:
    serve(served, APRIL, 2)
    rows = days_of_rows(APRIL + timedelta(days=2), 1, seed=3)
    served.predict(rows[:30])
    served.deploy(served.train(days_of_rows(START, 30, seed=4), seed=2), at=APRIL)
    served.predict(rows[30:])
    serve(served, APRIL + timedelta(days=3), 2)
    result = test_drift(served.record, "delay", window="2013-04", at=MAY)
    assert [(check.model, check.days) for check in result.check(DATA)] == [
        ("model:delay@1", 2), ("model:delay@2", 2),
    ]  # fmt: skip
    for check in result.check(DATA):
        assert [s.why for s in check.skipped] == ["another model answered on it too"]


def test_a_window_that_is_not_over_is_refused(served) -> None:
    serve(served, APRIL, 2)
    with pytest.raises(InvalidInputError, match="not over"):
        test_drift(served.record, "delay", window="2013-04", at=APRIL + timedelta(days=3))


def test_fewer_rows_a_day_than_in_the_sample_are_no_drift(world) -> None:
    """Means of few rows are noisier: the sample's days are thinned to as many."""
    world.deploy(world.train(days_of_rows(START, 60, rows=300)))
    serve(world, APRIL, 30, rows=30)
    result = test_drift(world.record, "delay", window="2013-04", at=MAY)
    assert result.check(DATA)[0].state == "pass"
    known = detector_of(world.record, "delay", DATA, world.spec.artifact)
    assert known.reference.rows_a_day == 30


def test_a_model_without_companions_is_not_run_and_says_what_to_give(world) -> None:
    world.deploy(world.train(days_of_rows(START, 20), with_companions=False))
    serve(world, APRIL, 2)
    result = test_drift(world.record, "delay", window="2013-04", at=MAY)
    assert states(result) == {DATA: "not_run", PERFORMANCE: "not_run"}
    notes = " ".join(note for check in result.checks for note in check.notes)
    assert "sample=" in notes
    assert "report=" in notes
    assert not result.is_new
    assert result.has_failed
