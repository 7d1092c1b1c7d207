"""Regression metrics against scikit-learn, and their intervals."""

import numpy as np
import pytest
from sklearn import metrics

from tidemill.kernels.regression_metrics import regression_metrics
from tidemill.kernels.sample_checks import MisalignedError, NotFiniteError, TooFewRowsError


def _rows(seed, rows=400):
    rng = np.random.default_rng(seed)
    label = rng.normal(100, 5, rows)
    return label, label + rng.normal(0.5, 2, rows)


@pytest.mark.parametrize("blocks", [None, np.arange(400) % 20])
def test_regression_metrics_agree_with_scikit_learn(blocks):
    label, output = _rows(1)
    mae, rmse, r2 = regression_metrics(label, output, blocks=blocks)
    assert mae.value == pytest.approx(metrics.mean_absolute_error(label, output))
    assert rmse.value == pytest.approx(metrics.root_mean_squared_error(label, output))
    assert r2.value == pytest.approx(metrics.r2_score(label, output))
    for one in (mae, rmse, r2):
        assert one.low < one.value < one.high
        assert one.method == ("normal" if blocks is None else "block-bootstrap")


def test_normal_intervals_cover_the_truth_in_about_95_of_100_windows():
    rng = np.random.default_rng(4)
    label, output = _rows(2, 100_000)
    truths = [one.value for one in regression_metrics(label, output)]
    covered = np.zeros(3)
    for _ in range(400):
        rows = rng.integers(0, 100_000, 300)
        found = regression_metrics(label[rows], output[rows])
        covered += [one.low <= truth <= one.high for one, truth in zip(found, truths, strict=True)]
    assert (covered / 400 >= 0.91).all()
    assert (covered / 400 <= 0.985).all()


def test_rows_that_move_together_by_day_need_blocks():
    rng = np.random.default_rng(5)
    day = np.repeat(np.arange(30), 100)
    error = np.repeat(rng.normal(size=30), 100) + 0.1 * rng.normal(size=3000)
    label = rng.normal(size=3000)
    by_row, by_day = (
        regression_metrics(label, label + error, blocks=blocks)[0] for blocks in (None, day)
    )
    assert by_day.high - by_day.low > 5 * (by_row.high - by_row.low)


def test_a_constant_label_has_no_r2_and_a_perfect_model_no_error():
    *_, r2 = regression_metrics([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    assert np.isnan(r2.value)
    mae, rmse, r2 = regression_metrics([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (mae.value, rmse.high, r2.value) == (0, 0, 1)


@pytest.mark.parametrize(
    ("label", "output", "blocks", "error"),
    [
        ([1.0], [1.0], None, TooFewRowsError),
        ([1.0, 2.0], [1.0, np.inf], None, NotFiniteError),
        ([1.0, 2.0], [1.0, 2.0, 3.0], None, MisalignedError),
        ([1.0, 2.0], [1.0, 2.0], ["a", "a"], TooFewRowsError),
    ],
)
def test_rows_that_do_not_fit_name_the_window(label, output, blocks, error):
    with pytest.raises(error, match="last week"):
        regression_metrics(label, output, blocks=blocks, window="last week")
