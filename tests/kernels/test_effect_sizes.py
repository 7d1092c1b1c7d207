"""Distances of histograms."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from tidemill.kernels.effect_sizes import (
    corrected_stability_index,
    jensen_shannon_distance,
    population_stability_index,
    wasserstein_distance,
    with_interval,
)
from tidemill.kernels.sample_checks import MisalignedError, TooFewRowsError

counts = (
    st.lists(st.integers(0, 500), min_size=6, max_size=6)
    .map(np.array)
    .filter(lambda bins: bins.sum() >= 30)
)


@given(counts, counts)
def test_psi_is_never_negative_and_does_not_depend_on_the_order_of_windows(a, b):
    assert population_stability_index(a, b) >= 0
    assert population_stability_index(a, b) == pytest.approx(population_stability_index(b, a))


@given(counts, counts, counts)
def test_jensen_shannon_is_a_metric_between_0_and_1(a, b, c):
    assert jensen_shannon_distance(a, b) == pytest.approx(
        distance.jensenshannon(a, b, base=2), abs=1e-7
    )
    assert 0 <= jensen_shannon_distance(a, b) <= 1 + 1e-12
    assert jensen_shannon_distance(a, c) <= (
        jensen_shannon_distance(a, b) + jensen_shannon_distance(b, c) + 1e-9
    )


@given(counts, counts)
def test_wasserstein_agrees_with_scipy(a, b):
    assume(a.sum() and b.sum())
    places = np.array([0.0, 1.0, 1.5, 4.0, 9.0, 9.5])
    expected = stats.wasserstein_distance(places, places, a, b)
    assert wasserstein_distance(a, b, places) == pytest.approx(expected, abs=1e-12)


def test_corrected_psi_is_about_0_where_nothing_changes_however_few_rows_there_are():
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.full(20, 5.0))
    pairs = [(rng.multinomial(5000, shares), rng.multinomial(500, shares)) for _ in range(300)]
    plain = np.mean([population_stability_index(*pair) for pair in pairs])
    corrected = np.mean([corrected_stability_index(*pair) for pair in pairs])
    assert plain > 0.03
    assert abs(corrected) < 0.005


def test_equal_windows_are_no_distance_apart_and_the_interval_says_how_sure_that_is():
    counts = np.array([120, 240, 180, 60])
    found = with_interval("stability", corrected_stability_index, counts, counts)
    assert found.value == found.low == 0.0
    assert 0.0 < found.high < 0.1


def test_the_interval_holds_the_distance_of_the_populations():
    rng = np.random.default_rng(2)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.3, 0.4])
    truth = jensen_shannon_distance((p * 1000).astype(int), (q * 1000).astype(int))
    covered = 0
    for _ in range(60):
        windows = rng.multinomial(800, p), rng.multinomial(800, q)
        found = with_interval("jensen_shannon", jensen_shannon_distance, *windows)
        covered += found.low <= truth <= found.high
    assert covered >= 52


def test_psi_of_too_few_rows_names_the_window_and_the_fix():
    enough, few = np.array([20, 20]), np.array([2, 2])
    with pytest.raises(TooFewRowsError, match=r"actual window has 4 rows; 30 are needed\n.*widen"):
        population_stability_index(enough, few)
    with pytest.raises(MisalignedError, match="reference's bins"):
        population_stability_index(enough, np.array([20, 20, 20]))
    with pytest.raises(MisalignedError, match="rising order"):
        wasserstein_distance(enough, enough, np.array([2.0, 1.0]))
