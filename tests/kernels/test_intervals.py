"""Intervals and the distributions behind them."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tidemill.core.errors import UsageError
from tidemill.kernels.intervals import (
    beta_cdf,
    beta_quantile,
    clopper_pearson_interval,
    logit_interval,
    mean_estimate,
    normal_cdf,
    normal_quantile,
    share_estimate,
    student_t_cdf,
    student_t_quantile,
    two_sided_z,
    wilson_interval,
)

shares = st.floats(1e-6, 1 - 1e-6)
shapes = st.floats(0.2, 500)


@given(shares)
def test_normal_quantile_and_cdf_undo_each_other(share):
    assert normal_cdf(normal_quantile(share)) == pytest.approx(share, rel=1e-9)
    assert normal_quantile(share) == pytest.approx(NormalDist().inv_cdf(share))


def test_normal_functions_are_exact_far_out():
    assert normal_cdf(-10) == pytest.approx(stats.norm.cdf(-10), rel=1e-12)
    assert normal_quantile(0) == -math.inf
    assert normal_quantile(1) == math.inf


@given(shares, shapes, shapes)
def test_beta_cdf_and_quantile_agree_with_scipy(share, a, b):
    assert beta_cdf(share, a, b) == pytest.approx(stats.beta.cdf(share, a, b), rel=1e-7, abs=1e-12)
    x = beta_quantile(share, a, b)
    assert stats.beta.cdf(x, a, b) == pytest.approx(share, abs=1e-6) or x == pytest.approx(
        stats.beta.ppf(share, a, b), abs=1e-12
    )


@given(st.floats(0.001, 0.999), st.integers(1, 400))
def test_student_t_agrees_with_scipy(share, degrees):
    t = student_t_quantile(share, degrees)
    assert t == pytest.approx(stats.t.ppf(share, degrees), rel=1e-5, abs=1e-6)
    assert student_t_cdf(t, degrees) == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(("successes", "rows"), [(0, 10), (3, 10), (10, 10), (7, 300), (299, 300)])
def test_intervals_of_a_share_agree_with_scipy(successes, rows):
    exact = stats.binomtest(successes, rows).proportion_ci(0.95, method="exact")
    score = stats.binomtest(successes, rows).proportion_ci(0.95, method="wilson")
    assert clopper_pearson_interval(successes, rows) == pytest.approx(tuple(exact), abs=1e-9)
    assert wilson_interval(successes, rows) == pytest.approx(tuple(score), abs=1e-12)


def test_a_share_of_no_rows_is_not_a_number_and_may_be_anything():
    nothing = share_estimate("precision", 0, 0)
    assert math.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0.0, 1.0)
    assert clopper_pearson_interval(0, 0) == (0.0, 1.0)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_logit_interval_holds_its_value_and_stays_inside_0_and_1(value, error):
    low, high = logit_interval(value, error)
    assert 0 <= low <= value * (1 + 1e-9) + 1e-300
    assert value * (1 - 1e-9) <= high <= 1


def test_equal_weights_change_nothing_but_doubled_rows_do():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    plain = mean_estimate("loss", values)
    assert mean_estimate("loss", values, np.full(4, 3.0)).high == pytest.approx(plain.high)
    assert plain.value == 3.75
    assert plain.high - plain.value == pytest.approx(1.959964 * values.std(ddof=1) / 2)


def test_a_confidence_that_is_none_names_the_fix():
    with pytest.raises(UsageError, match=r"0\.95 for 95 %"):
        two_sided_z(95)
