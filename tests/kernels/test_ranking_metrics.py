"""Area under the ROC curve, DeLong's error, average precision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.ranking_metrics import (
    area_under_curve,
    auc,
    average_precision,
    delong_covariance,
    midranks,
)
from tidemill.kernels.sample_checks import (
    MisalignedError,
    NotFiniteError,
    OneClassError,
    TooFewRowsError,
)

rows = st.lists(st.tuples(st.integers(0, 1), st.integers(-5, 5)), min_size=2, max_size=60).filter(
    lambda pairs: len({label for label, _ in pairs}) == 2
)


@given(rows)
def test_ranking_figures_agree_with_scikit_learn_also_with_ties(pairs):
    label, score = np.array(pairs).T
    assert area_under_curve(label, score) == pytest.approx(roc_auc_score(label, score))
    assert average_precision(label, score) == pytest.approx(average_precision_score(label, score))
    assert auc(label, score).value == pytest.approx(roc_auc_score(label, score))


@given(rows, st.integers(0, 100))
def test_weights_count_as_repeated_rows(pairs, seed):
    label, score = np.array(pairs).T
    weight = np.random.default_rng(seed).integers(1, 4, len(label))
    repeated = area_under_curve(np.repeat(label, weight), np.repeat(score, weight))
    assert area_under_curve(label, score, weight) == pytest.approx(repeated)


@given(rows)
def test_turning_the_scores_round_turns_the_area_round(pairs):
    label, score = np.array(pairs).T
    assert area_under_curve(label, -score) == pytest.approx(1 - area_under_curve(label, score))


def test_midranks_share_the_middle_of_ties():
    assert midranks(np.array([2.0, 1.0, 2.0, 2.0])).tolist() == [3, 1, 3, 3]


def test_delong_variance_is_that_of_the_placements():
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 80)
    score = np.round(rng.normal(size=80) + label, 1)
    positive, negative = score[label == 1], score[label == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    expected = wins.mean(1).var(ddof=1) / len(positive) + wins.mean(0).var(ddof=1) / len(negative)
    areas, covariance = delong_covariance(label, [score, -score])
    assert covariance[0, 0] == pytest.approx(expected)
    assert covariance[0, 1] == pytest.approx(-expected)
    assert areas.sum() == pytest.approx(1)


def test_the_interval_covers_the_true_area_in_about_95_of_100_windows():
    rng = np.random.default_rng(7)
    truth = 0.76024993  # P(N(1,1) > N(0,1)) = Phi(1 / sqrt 2)
    covered = 0
    for _ in range(600):
        label = rng.random(200) < 0.2
        estimate = auc(label, rng.normal(size=200) + label)
        covered += estimate.low <= truth <= estimate.high
    assert 0.92 <= covered / 600 <= 0.98


@pytest.mark.parametrize(
    ("label", "score", "error", "words"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], OneClassError, "all 3 labels of June are 1"),
        ([1], [0.1], TooFewRowsError, "June has 1 rows"),
        ([0, 1], [0.1, np.nan], NotFiniteError, "score of June .* first in row 2"),
        ([0, 1, 1], [0.1, 0.2], MisalignedError, "different lengths: 3, 2"),
        ([0, 2], [0.1, 0.2], MisalignedError, "label 2"),
    ],
)
def test_rows_that_cannot_be_ranked_name_the_window_and_the_fix(label, score, error, words):
    with pytest.raises(error, match=words) as caught:
        auc(label, score, window="June")
    assert isinstance(caught.value, InvalidInputError)
    assert caught.value.code.startswith("TM43")
    assert caught.value.fix


def test_weights_of_nothing_are_refused():
    with pytest.raises(MisalignedError, match="sum to 0"):
        area_under_curve([0, 1], [0.1, 0.2], [0, 1])
