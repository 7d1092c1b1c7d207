"""Scores of a day from counts over the reference's bins."""

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.kernels.category_counts import category_counts
from tidemill.kernels.day_scores import (
    FeatureBins,
    category_bins,
    day_scores,
    level_counts,
    numeric_bins,
    numeric_counts,
    score_names,
    score_weights,
)
from tidemill.kernels.sample_checks import TooFewRowsError


def _features(seed=1):
    rng = np.random.default_rng(seed)
    distance = numeric_bins("distance", rng.lognormal(size=5000), nulls=50)
    carriers = category_counts(Counter(rng.choice(["UA", "B6", "DL"], 3000).tolist()), nulls=30)
    return (distance, category_bins("carrier", carriers, levels=2))


def _scores(values, levels, *, nulls=0):
    distance, carrier = _features()
    counts = [
        numeric_counts(distance, values, nulls=nulls),
        level_counts(carrier, category_counts(Counter(levels), nulls=nulls)),
    ]
    names = score_names((distance, carrier))
    return dict(zip(names, day_scores((distance, carrier), counts), strict=True))


def test_the_reference_itself_scores_in_the_middle():
    distance, _ = features = _features()
    scores = day_scores(features, [np.array(bins.counts) for bins in features])
    found = dict(zip(score_names(features), scores, strict=True))
    assert found["distance.location"] == pytest.approx(0.5, abs=1e-9)
    assert found["distance.spread"] == pytest.approx(0.5, abs=0.01)
    assert found["distance.missing"] == pytest.approx(50 / 5050)
    assert found["distance.lower"] == pytest.approx(0.01, abs=0.006)
    assert found["distance.upper"] == pytest.approx(0.01, abs=0.006)
    assert sum(distance.counts) == 5050


@pytest.mark.parametrize(
    ("values", "score", "larger"),
    [
        (np.full(50, 1e6), "distance.location", True),
        (np.full(50, -1.0), "distance.location", False),
        (np.array([1e-9, 1e9]), "distance.spread", True),
        (np.full(50, 1.0), "distance.spread", False),
        (np.full(50, 1e6), "distance.upper", True),
        (np.full(50, -1.0), "distance.lower", True),
    ],
)
def test_a_changed_day_moves_the_score_that_is_about_it(values, score, larger):
    found = _scores(values, ["UA"])[score]
    assert found > 0.9 if larger else found < 0.1


@given(
    st.lists(st.floats(allow_nan=True), max_size=40),
    st.lists(st.sampled_from(["UA", "B6", "new"]), max_size=40),
    st.integers(0, 4),
)
def test_scores_lie_in_0_and_1_or_have_no_value(values, levels, nulls):
    scores = np.array(list(_scores(values, levels, nulls=nulls).values()))
    known = scores[~np.isnan(scores)]
    assert ((known >= 0) & (known <= 1 + 1e-12)).all()


@given(st.lists(st.floats(), max_size=40), st.integers(0, 40))
def test_counts_of_parts_add_up(values, cut):
    distance, _ = _features()
    whole = numeric_counts(distance, values)
    parts = numeric_counts(distance, values[:cut]) + numeric_counts(distance, values[cut:])
    assert (whole == parts).all()
    assert whole.sum() == len(values)


def test_new_levels_are_other_and_empty_days_have_no_scores():
    top = _features()[1].levels[0]
    found = _scores([], ["new"] * 3 + [top])
    assert found["carrier.other"] == 0.75
    assert found[f"carrier={top}"] == 0.25
    assert np.isnan(found["distance.location"])
    assert np.isnan(found["distance.missing"])


def test_every_feature_weighs_the_same():
    features = _features()
    weights = score_weights(features)
    assert len(weights) == len(score_names(features)) == 5 + 4
    assert weights[:5].sum() == pytest.approx(0.5)
    assert weights.sum() == pytest.approx(1)


def test_a_constant_column_and_a_column_without_values():
    flag = numeric_bins("flag", np.ones(100))
    counts = [numeric_counts(flag, [1.0, 1.0])]
    assert day_scores([flag], counts)[0] == pytest.approx(0.5)
    assert day_scores([flag], [numeric_counts(flag, [2.0])])[0] == 1
    with pytest.raises(TooFewRowsError, match="no reference row has a value of flag"):
        numeric_bins("flag", [np.nan])


def test_bins_survive_json():
    for bins in _features():
        assert msgspec.json.decode(msgspec.json.encode(bins), type=FeatureBins) == bins
