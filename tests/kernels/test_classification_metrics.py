"""Classification metrics against scikit-learn, and their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tidemill.kernels.classification_metrics import (
    binary_metrics,
    confusion_counts,
    mean_loss,
    multiclass_metrics,
    threshold_metrics,
)
from tidemill.kernels.row_losses import row_losses
from tidemill.kernels.sample_checks import MisalignedError, OneClassError


def _rows(seed, rows=300):
    rng = np.random.default_rng(seed)
    probability = rng.beta(1, 3, rows)
    return (rng.random(rows) < probability).astype(int), probability


@given(st.integers(0, 1000), st.floats(0.1, 0.6))
def test_binary_metrics_agree_with_scikit_learn(seed, threshold):
    label, probability = _rows(seed)
    decided = probability >= threshold
    found = {one.metric: one for one in binary_metrics(label, probability, threshold=threshold)}
    expected = {
        "auc": metrics.roc_auc_score(label, probability),
        "log_loss": metrics.log_loss(label, probability),
        "brier": metrics.brier_score_loss(label, probability),
        "accuracy": metrics.accuracy_score(label, decided),
        "precision": metrics.precision_score(label, decided, zero_division=np.nan),
        "recall": metrics.recall_score(label, decided),
        "f1": metrics.f1_score(label, decided),
        "base_rate": label.mean(),
    }
    assert {name: one.value for name, one in found.items()} == pytest.approx(expected, nan_ok=True)
    for one in found.values():
        assert np.isnan(one.value) or one.low <= one.value <= one.high


def test_weights_count_as_repeated_rows():
    label, probability = _rows(3)
    weight = np.arange(300) % 3
    repeated = np.repeat(label, weight), np.repeat(probability, weight)
    assert confusion_counts(label, probability, weights=weight) == confusion_counts(*repeated)
    weighted = mean_loss("brier", label, probability, weights=weight)
    assert weighted.value == pytest.approx(mean_loss("brier", *repeated).value)


def test_the_interval_of_f1_covers_in_about_95_of_100_windows():
    rng = np.random.default_rng(5)
    label, probability = _rows(1, 200_000)
    truth = metrics.f1_score(label, probability >= 0.4)
    covered = 0
    for _ in range(500):
        rows = rng.integers(0, 200_000, 400)
        f1 = threshold_metrics(confusion_counts(label[rows], probability[rows], threshold=0.4))[3]
        covered += f1.low <= truth <= f1.high
    assert 0.92 <= covered / 500 <= 0.98


def test_a_window_without_positive_decisions_has_no_precision():
    found = threshold_metrics(confusion_counts([0, 1], [0.1, 0.2]))
    assert np.isnan(found[1].value)
    assert found[2].value == 0


def test_multiclass_metrics_agree_with_scikit_learn_and_repeat():
    rng = np.random.default_rng(2)
    probability = rng.dirichlet([1, 1, 1], 400)
    label = np.array([rng.choice(3, p=row) for row in probability])
    found = {one.metric: one for one in multiclass_metrics(label, probability)}
    decided = probability.argmax(axis=1)
    assert found["log_loss"].value == pytest.approx(metrics.log_loss(label, probability))
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(label, decided))
    assert found["macro_f1"].value == pytest.approx(
        metrics.f1_score(label, decided, average="macro")
    )
    assert found["macro_f1"].low < found["macro_f1"].value < found["macro_f1"].high
    assert multiclass_metrics(label, probability) == tuple(found.values())
    assert found["brier"].value == pytest.approx(
        ((probability - np.eye(3)[label]) ** 2).sum(axis=1).mean()
    )


def test_a_sure_and_wrong_answer_costs_a_finite_loss():
    assert row_losses("log_loss", [1], [0.0])[0] == pytest.approx(36.04, abs=0.01)


@pytest.mark.parametrize(
    ("label", "output", "words"),
    [
        ([0, 1], [0.1, 1.5], "predict_proba"),
        ([0, 3], [[0.5, 0.5], [0.5, 0.5]], "codes from 0 to 1"),
        ([0, 0.5], [[0.5, 0.5], [0.5, 0.5]], "codes from 0 to 1"),
    ],
)
def test_outputs_that_are_no_probabilities_of_the_labels_name_the_fix(label, output, words):
    with pytest.raises(MisalignedError, match=words):
        mean_loss("log_loss", label, output)


def test_one_class_is_refused_by_the_area_but_not_by_the_losses():
    with pytest.raises(OneClassError):
        binary_metrics([0, 0], [0.1, 0.2])
    assert mean_loss("brier", [0, 0], [0.1, 0.2]).value == pytest.approx(0.025)
