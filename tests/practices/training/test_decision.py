"""Triggers decide by a pure function: ten years of happenings in a moment."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.core.times import parse_span
from tidemill.practices.training.calendar import filled, latest_window, newest_due
from tidemill.practices.training.decision import FAILURES, Cause, Past, decide
from tidemill.practices.training.trigger import Trigger

START = datetime(2013, 1, 1, tzinfo=UTC)
YEARS = timedelta(days=3650)


def trigger(**given) -> Trigger:
    known = {"name": "t", "kind": "data", "pipeline": "p", "model": "m", "ref": "flights"}
    return Trigger(**(known | given))


def cause(key: str, **given) -> Cause:
    return Cause(key=key, what=f"because of {key}", **given)


@st.composite
def histories(draw):
    """Ticks over ten years, each with what is seen at it, and how the training it starts ends."""
    times = sorted(draw(st.lists(st.integers(0, YEARS // timedelta(hours=1)), max_size=60)))
    return [
        (
            START + timedelta(hours=hours),
            draw(st.lists(st.sampled_from("abcdefgh"), max_size=3)),
            draw(st.sampled_from(["done", "failed", "running"])),
            timedelta(hours=draw(st.integers(0, 200))),
        )
        for hours in times
    ]


@settings(max_examples=200, deadline=None)
@given(histories(), st.sampled_from(["0s", "6h", "30d"]), st.sampled_from(["1h", "90d", ""]))
def test_over_ten_years_each_cause_is_answered_once_and_the_guards_hold(
    history, cooldown, retry
) -> None:
    rule = trigger(cooldown=cooldown, retry=retry)
    fired: set[str] = set()
    failed: set[str] = set()
    seen: dict[str, Cause] = {}
    end: datetime | None = None
    failed_end: datetime | None = None
    failures, running_until = 0, None
    for now, keys, ending, took in history:
        seen |= {key: cause(key) for key in keys}
        is_running = running_until is not None and now < running_until
        past = Past(
            fired=frozenset(fired), failed=frozenset(failed), last_end=end, is_running=is_running,
            failures=failures, failed_end=failed_end,
        )  # fmt: skip
        ruling = decide(rule, list(seen.values()), past, now)
        assert decide(rule, list(seen.values()), past, now) == ruling  # the same, asked again
        unanswered = set(seen) - fired
        if ruling.action == "idle":
            assert not unanswered
        elif ruling.action == "hold":
            assert ruling.why
            rests = end is not None and now < end + parse_span(cooldown)
            waits = unanswered <= failed and (not retry or now < failed_end + pause_of(rule, past))
            assert failures >= FAILURES or is_running or rests or waits
        else:
            assert {c.key for c in ruling.causes} == unanswered  # several causes, one training
            assert not is_running
            assert failures < FAILURES
            assert end is None or now >= end + parse_span(cooldown)
            if unanswered <= failed:
                assert now >= failed_end + pause_of(rule, past)
            if ending == "failed":
                failed |= unanswered
                failures, failed_end = failures + 1, now + took
            else:
                fired |= unanswered
                failed, failures, failed_end, end = set(), 0, None, now + took
            running_until = end if ending == "running" else None


def pause_of(rule: Trigger, past: Past) -> timedelta:
    return parse_span(rule.retry) * 2 ** (past.failures - 1)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["day", "week", "month", "30d", "36h"]),
    st.integers(0, 48),
    st.lists(st.integers(0, YEARS // timedelta(minutes=1)), min_size=2, max_size=50),
)
def test_a_schedule_plans_the_same_instants_whoever_looks_and_however_often(
    every, offset_h, minutes
) -> None:
    offset = timedelta(hours=offset_h)
    for minute in minutes:
        now = START + timedelta(minutes=minute)
        planned = newest_due(every, offset, now)
        assert planned <= now
        # nothing lies between: the planned time is the newest at every instant until the next one
        for share in (0.0, 0.5, 1.0):
            between = planned + (now - planned) * share
            assert newest_due(every, offset, between) == planned


def test_ten_years_of_months_are_120_instants() -> None:
    found = {
        newest_due("month", timedelta(hours=6), START + timedelta(hours=h)) for h in range(87_648)
    }
    assert len([f for f in found if f >= START]) == 120


@pytest.mark.parametrize(
    ("length", "at", "window"),
    [
        ("month", datetime(2013, 4, 1, tzinfo=UTC), "2013-03-01..2013-04-01"),
        ("month", datetime(2013, 4, 30, 23, tzinfo=UTC), "2013-03-01..2013-04-01"),
        ("month", datetime(2013, 1, 15, tzinfo=UTC), "2012-12-01..2013-01-01"),
        ("week", datetime(2013, 4, 3, tzinfo=UTC), "2013-03-25..2013-04-01"),
        ("day", datetime(2013, 4, 3, 5, tzinfo=UTC), "2013-04-02..2013-04-03"),
        ("30d", datetime(2013, 4, 3, 5, tzinfo=UTC), "2013-03-04..2013-04-03"),
    ],
)
def test_the_latest_complete_window(length, at, window) -> None:
    assert str(latest_window(length, at)) == window


def test_parameters_are_filled_with_the_window() -> None:
    window = latest_window("month", datetime(2013, 4, 2, tzinfo=UTC))
    given = {"until": "{window.start}", "note": "{window.start} to {window.end}", "trees": 3}
    assert filled(given, window, START) == {
        "until": "2013-03-01", "note": "2013-03-01 to 2013-04-01", "trees": 3,
    }  # fmt: skip


def test_a_cause_that_is_not_enough_is_held_with_what_is_missing() -> None:
    ruling = decide(trigger(), [cause("a", lacking="3 rows, 10 are needed")], Past(), START)
    assert (ruling.action, ruling.reason) == ("hold", "not-enough")
    assert "10 are needed" in ruling.why


def test_a_person_overrules_pause_and_cooldown_but_not_a_training_in_flight() -> None:
    rule = trigger(kind="manual", cooldown="30d")
    past = Past(last_end=START, failures=9)
    assert decide(rule, [cause("a")], past, START).action == "fire"
    running = Past(is_running=True)
    assert decide(rule, [cause("a")], running, START).reason == "in-flight"
