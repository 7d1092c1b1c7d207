"""The paired comparison keeps its promise, also where the rows of a day move together."""

import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tidemill.core.errors import UsageError
from tidemill.kernels.comparison import (
    ComparisonPlan,
    PairedRows,
    paired_comparison,
    rows_needed,
)
from tidemill.kernels.metric_sums import wins_by_block
from tidemill.kernels.resampling import block_draws
from tidemill.kernels.sample_checks import MisalignedError, OneClassError

ALPHA = 0.05


def _binary(rng, *, blocks=30, per_block=40, skill=0.0):
    """Two models of equal skill whose favours change from day to day; `skill` helps the second."""
    day = np.repeat(np.arange(blocks), per_block)
    signal, rows = rng.normal(size=len(day)), len(day)
    label = rng.random(rows) < 1 / (1 + np.exp(1.2 - 1.3 * signal))
    favour = rng.normal(size=blocks)[day]  # on some days the one sees better, on others the other
    noise = rng.normal(size=(2, rows))
    champion = signal + np.exp(0.5 * favour) * noise[0]
    challenger = signal + np.exp(-0.5 * favour - skill) * noise[1]
    squashed = 1 / (1 + np.exp(1.2 - np.stack([champion, challenger])))
    return PairedRows(
        labels=label, champion=squashed[0], challenger=squashed[1], blocks=day, window="June"
    )


def _share_called_better(metric, simulations, **how):
    rng = np.random.default_rng(11)
    plan = ComparisonPlan(metric=metric, draws=500, alpha=ALPHA)
    found = [paired_comparison(_binary(rng, **how), plan).state for _ in range(simulations)]
    return found.count("better") / simulations


@pytest.mark.parametrize("metric", ["auc", "brier", "log_loss", "accuracy"])
@pytest.mark.parametrize("blocks", [8, 30])
def test_an_equal_challenger_is_called_better_no_more_often_than_promised(metric, blocks):
    simulations = 400
    limit = ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / simulations)
    assert _share_called_better(metric, simulations, blocks=blocks) <= limit


def test_rows_taken_as_blocks_break_the_promise_where_days_move_together():
    rng = np.random.default_rng(12)
    better = 0
    for _ in range(100):
        day = np.repeat(np.arange(20), 15)
        champion = rng.normal(size=20)[day] + rng.normal(size=300)
        rows = PairedRows(
            labels=np.zeros(300), champion=champion, challenger=np.zeros(300), blocks=np.arange(300)
        )
        better += (
            paired_comparison(rows, ComparisonPlan(metric="mean_loss", draws=200)).state == "better"
        )
    assert better / 100 > 3 * ALPHA


@pytest.mark.parametrize("metric", ["auc", "brier"])
def test_a_better_challenger_is_found(metric):
    assert _share_called_better(metric, 40, per_block=150, skill=1.0) >= 0.9


def test_the_figures_are_exact_and_the_parts_agree():
    rows = _binary(np.random.default_rng(1), skill=0.3)
    found = paired_comparison(rows, ComparisonPlan())
    assert found.champion == pytest.approx(roc_auc_score(rows.labels, rows.champion), abs=1e-12)
    assert found.challenger == pytest.approx(roc_auc_score(rows.labels, rows.challenger), abs=1e-12)
    assert found.gain == pytest.approx(found.challenger - found.champion)
    assert found.low < found.lower_bound < found.gain < found.high
    assert (found.lower_bound > 0) == (found.p_value < found.alpha)
    assert (found.rows, found.blocks) == (1200, 30)


def test_a_draw_of_blocks_has_the_exact_area_of_its_rows_also_with_ties():
    rng = np.random.default_rng(2)
    codes, label = rng.integers(0, 5, 300), (rng.random(300) < 0.4).astype(float)
    score = np.round(rng.normal(size=300) + label, 1)
    wins = wins_by_block(label, score, codes)
    for weights in block_draws(5, 4, seed=0):
        rows = np.repeat(np.arange(300), weights[codes].astype(int))
        pairs = label[rows].sum() * (1 - label[rows]).sum()
        expected = roc_auc_score(label[rows], score[rows])
        assert weights @ wins @ weights / pairs == pytest.approx(expected)


def test_a_lower_loss_is_a_gain_and_the_other_way_round_is_worse():
    rng = np.random.default_rng(3)
    label, day = rng.normal(size=2000), np.arange(2000) // 50
    near, far = label + 0.5 * rng.normal(size=2000), label + rng.normal(size=2000)
    for metric in ("mean_absolute_error", "root_mean_squared_error"):
        plan = ComparisonPlan(metric=metric)
        rows = PairedRows(labels=label, champion=far, challenger=near, blocks=day)
        assert paired_comparison(rows, plan).state == "better"
        turned = PairedRows(labels=label, champion=near, challenger=far, blocks=day)
        assert paired_comparison(turned, plan).state == "worse"


def test_a_fresher_model_within_the_margin_is_not_worse():
    rows = _binary(np.random.default_rng(4), per_block=200)
    assert paired_comparison(rows, ComparisonPlan(metric="brier", margin=0.05)).state == "not_worse"
    same = PairedRows(
        labels=rows.labels, champion=rows.champion, challenger=rows.champion, blocks=rows.blocks
    )
    assert paired_comparison(same, ComparisonPlan()).state == "undecided"


def test_few_blocks_are_a_state_and_not_an_exception():
    for blocks in (1, 7):
        found = paired_comparison(
            _binary(np.random.default_rng(5), blocks=blocks), ComparisonPlan()
        )
        assert found.state == "too_few_blocks"
        assert found.lower_bound == -np.inf
        assert rows_needed(found, 0.01) == 0
        assert "8" in found.why


def test_days_without_both_classes_are_too_few_blocks():
    label = np.zeros(100)
    label[:5] = 1
    score = np.linspace(0, 1, 100)
    rows = PairedRows(labels=label, champion=score, challenger=score, blocks=np.arange(100) // 10)
    assert paired_comparison(rows, ComparisonPlan()).state == "too_few_blocks"


def test_the_smallest_effect_tells_the_rows_that_are_needed():
    found = paired_comparison(_binary(np.random.default_rng(6)), ComparisonPlan())
    assert rows_needed(found, found.smallest_effect) == 1200
    assert rows_needed(found, found.smallest_effect / 2) == pytest.approx(4800, abs=1)


def test_the_smallest_effect_is_found_in_about_80_of_100_cases():
    rng, found = np.random.default_rng(7), []
    for _ in range(200):
        effect = rng.normal(size=30)[:, None] + rng.normal(size=(30, 20))
        error = np.sqrt((1 + 1 / 20) / 30)
        gain = error * (1.6991 + 0.8416)  # t of 29 degrees at 95 %, z at 80 %
        rows = PairedRows(
            labels=np.zeros(600), champion=(effect + gain).ravel(), challenger=np.zeros(600),
            blocks=np.repeat(np.arange(30), 20),
        )  # fmt: skip
        found.append(paired_comparison(rows, ComparisonPlan(metric="mean_loss", draws=400)))
    assert np.mean([one.smallest_effect for one in found]) == pytest.approx(gain, rel=0.05)
    assert 0.68 <= np.mean([one.state == "better" for one in found]) <= 0.9


def test_the_same_seed_gives_the_same_answer():
    rows = _binary(np.random.default_rng(8))
    assert paired_comparison(rows, ComparisonPlan()) == paired_comparison(rows, ComparisonPlan())


def test_two_thousand_draws_of_thirty_days_and_30_000_rows_take_less_than_a_second():
    rows = _binary(np.random.default_rng(9), per_block=1000)
    began = time.process_time()
    paired_comparison(rows, ComparisonPlan())
    assert time.process_time() - began < 1.0


def test_rows_and_metrics_that_do_not_fit_name_the_fix():
    rows = _binary(np.random.default_rng(10))
    with pytest.raises(UsageError, match="use one of auc, accuracy"):
        paired_comparison(rows, ComparisonPlan(metric="profit"))
    short = PairedRows(labels=rows.labels, champion=[0.5], challenger=[0.5], blocks=rows.blocks)
    for metric in ("auc", "brier"):
        with pytest.raises(MisalignedError):
            paired_comparison(short, ComparisonPlan(metric=metric))
    one = PairedRows(
        labels=np.ones(1200), champion=rows.champion, challenger=rows.challenger,
        blocks=rows.blocks, window="June",
    )  # fmt: skip
    with pytest.raises(OneClassError, match="June"):
        paired_comparison(one, ComparisonPlan())
