"""Calibration bins, the corrected error, and recalibration."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tidemill.kernels.calibration import (
    SeparatedError,
    calibration_bins,
    expected_calibration_error,
    recalibration,
)
from tidemill.kernels.sample_checks import OneClassError


def _calibrated(seed, rows=3000):
    rng = np.random.default_rng(seed)
    probability = rng.beta(2, 5, rows)
    return (rng.random(rows) < probability).astype(int), probability


def test_bins_have_about_equal_mass_and_lose_no_row():
    label, probability = _calibrated(1)
    bins = calibration_bins(label, probability)
    assert [one.rows for one in bins] == [200] * 15
    assert sum(one.rows * one.share for one in bins) == pytest.approx(label.sum())
    assert all(one.low <= one.share <= one.high for one in bins)


def test_equal_probabilities_share_a_bin():
    bins = calibration_bins([0, 1, 0, 1, 1], [0.2, 0.2, 0.2, 0.2, 0.9])
    assert [one.rows for one in bins] == [4, 1]


def test_the_error_of_a_calibrated_model_is_about_0_however_few_rows_there_are():
    errors = [
        expected_calibration_error(calibration_bins(*_calibrated(seed, 600))) for seed in range(60)
    ]
    plain = [
        sum(
            b.rows * abs(b.share - b.mean_probability)
            for b in calibration_bins(*_calibrated(s, 600))
        )
        / 600
        for s in range(60)
    ]
    assert np.mean(errors) < 0.5 * np.mean(plain)


def test_the_error_of_a_wrong_model_is_its_distance():
    rng = np.random.default_rng(3)
    told = rng.uniform(0.3, 0.5, 20_000)
    label = rng.random(20_000) < told + 0.2
    error = expected_calibration_error(calibration_bins(label, told))
    assert error == pytest.approx(0.2, abs=0.01)


def test_recalibration_agrees_with_scikit_learn_and_covers_perfection():
    label, probability = _calibrated(4)
    odds = np.log(probability / (1 - probability))
    found = recalibration(label, probability)
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(odds[:, None], label)
    assert found.slope.value == pytest.approx(fitted.coef_[0, 0], abs=1e-4)
    assert found.intercept.value == pytest.approx(fitted.intercept_[0], abs=1e-4)
    assert found.slope.low < 1 < found.slope.high
    assert found.intercept.low < 0 < found.intercept.high


def test_probabilities_that_are_too_extreme_have_a_slope_below_one():
    label, probability = _calibrated(5)
    odds = 2 * np.log(probability / (1 - probability))
    assert recalibration(label, 1 / (1 + np.exp(-odds))).slope.value == pytest.approx(0.5, abs=0.06)


def test_certain_probabilities_are_taken():
    label, probability = _calibrated(6)
    probability[:2], label[:2] = [0.0, 1.0], [0, 1]
    assert np.isfinite(recalibration(label, probability).slope.value)


def test_rows_without_a_best_slope_say_so():
    with pytest.raises(SeparatedError, match="no slope is the best"):
        recalibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    with pytest.raises(SeparatedError, match="gives no slope"):
        recalibration([0, 1], [0.5, 0.5])
    with pytest.raises(OneClassError):
        recalibration([0, 0], [0.5, 0.6])
