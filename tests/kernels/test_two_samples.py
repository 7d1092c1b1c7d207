"""Tests of two windows: the promised share of false alarms, also where rows of a block move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.kernels.two_samples import (
    blocks_test,
    holm,
    level_distance,
    numeric_distance,
    rows_test,
)


def binned(values, edges):
    return np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)


@pytest.mark.parametrize("distance", [numeric_distance, level_distance])
def test_windows_of_one_world_are_told_apart_as_often_as_is_promised(distance):
    rng = np.random.default_rng(1)
    false = 0
    for _ in range(300):
        old, new = rng.normal(size=200), rng.normal(size=300)
        edges = np.quantile(np.concatenate([old, new]), np.linspace(0.05, 0.95, 12))
        test = rows_test(binned(old, edges), binned(new, edges), distance, draws=400, rng=rng)
        false += test.p_value <= 0.1
    assert false <= 45  # 30 are promised; 45 is 2.9 standard errors above


def test_days_that_move_by_themselves_alarm_by_rows_but_not_by_days():
    rng = np.random.default_rng(2)
    by_rows = by_days = 0
    for _ in range(150):
        days = rng.normal(size=(20, 1)) * 0.7 + rng.normal(size=(20, 50))
        edges = np.quantile(days, np.linspace(0.05, 0.95, 12))
        counts = np.array([binned(day, edges) for day in days])
        is_new = np.arange(20) >= 10
        old, new = counts[~is_new].sum(axis=0), counts[is_new].sum(axis=0)
        by_rows += rows_test(old, new, numeric_distance, draws=400, rng=rng).p_value <= 0.1
        test = blocks_test(counts, is_new, numeric_distance, draws=400, rng=rng)
        by_days += test.p_value <= 0.1
    assert by_days <= 27  # 15 are promised
    assert by_rows >= 60


def test_a_shift_of_a_third_of_a_deviation_is_found():
    rng = np.random.default_rng(3)
    old, new = rng.normal(size=500), rng.normal(0.33, size=500)
    edges = np.quantile(np.concatenate([old, new]), np.linspace(0.05, 0.95, 12))
    test = rows_test(binned(old, edges), binned(new, edges), numeric_distance, draws=5000, rng=rng)
    assert test.p_value < 0.001


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    assert all(0 <= p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
