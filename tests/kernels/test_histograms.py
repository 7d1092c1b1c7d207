"""Statistics of columns: the same bits in any order, quantiles within their bound."""

import math
from functools import reduce

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.core.errors import UsageError
from tidemill.kernels.histograms import (
    MAX_BINS,
    RELATIVE_ERROR,
    NumberStatistics,
    bin_middles,
    log_histogram,
    merged_histograms,
    merged_statistics,
    number_statistics,
    quantile,
)

chunks = st.lists(st.lists(st.floats(width=64), max_size=20), min_size=1, max_size=8)
ordinary = st.floats(-1e150, 1e150).filter(lambda x: x == 0 or abs(x) > 1e-300)


@given(chunks, st.randoms())
def test_chunks_merge_to_the_same_bits_in_any_order(parts, random):
    states = [number_statistics(part, nulls=len(part) % 3) for part in parts]
    straight = reduce(merged_statistics, states, NumberStatistics())
    random.shuffle(states)
    while len(states) > 1:
        states.append(merged_statistics(states.pop(0), states.pop(random.randrange(len(states)))))
    assert msgspec.json.encode(merged_statistics(states[0], NumberStatistics())) == (
        msgspec.json.encode(straight)
    )


@given(st.lists(ordinary, min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_within_its_bound_of_the_value_at_its_rank(values, share):
    exact = np.sort(values)[math.floor(share * (len(values) - 1))]
    found = quantile(number_statistics(values), share)
    assert abs(found - exact) <= RELATIVE_ERROR * abs(exact)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60), st.integers(1, 59))
def test_mean_and_deviation_agree_with_numpy_and_do_not_cancel(values, cut):
    shifted = np.array(values) + 1e9
    found = merged_statistics(number_statistics(shifted[:cut]), number_statistics(shifted[cut:]))
    assert found.mean == pytest.approx(shifted.mean(), rel=1e-14)
    centred = np.array([float(value) for value in shifted - 1e9])
    assert found.standard_deviation == pytest.approx(centred.std(ddof=1), rel=1e-6, abs=1e-6)


def test_counts_tell_null_nan_infinite_zero_and_negative_apart():
    found = number_statistics([1.0, -2.0, 0.0, -0.0, math.nan, math.inf, -math.inf], nulls=3)
    assert (found.rows, found.nulls, found.nans, found.infinities) == (10, 3, 1, 2)
    assert (found.zeros, found.negatives, found.finite) == (2, 2, 4)
    assert (found.minimum, found.maximum, found.mean) == (-math.inf, math.inf, -0.25)
    assert sum(found.histogram.counts) == 6
    assert quantile(found, 0) == -math.inf
    assert quantile(found, 1) == math.inf


def test_an_empty_column_has_no_figures():
    found = number_statistics([])
    assert (found.mean, found.standard_deviation, quantile(found, 0.5)) == (None, None, None)
    assert len(bin_middles(found.histogram)) == 0
    with pytest.raises(UsageError, match="share in"):
        quantile(found, 2)


def test_huge_values_keep_a_finite_mean():
    found = number_statistics([1e308, 1e308, -1e308])
    assert found.mean == pytest.approx(1e308 / 3)
    assert found.standard_deviation == pytest.approx(1e308 / math.sqrt(3) * 2)


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_bins_are_joined_in_pairs_above_the_limit_whatever_the_order(seed):
    rng = np.random.default_rng(seed)
    values = np.exp(rng.uniform(-200, 200, 60_000)) * rng.choice([-1, 1], 60_000)
    whole = log_histogram(values)
    assert len(whole.keys) <= MAX_BINS
    assert whole.level > 0
    parts = [log_histogram(part) for part in np.array_split(values, 5)]
    assert reduce(merged_histograms, parts) == whole
    assert reduce(merged_histograms, parts[::-1]) == whole


def test_a_state_survives_json():
    found = number_statistics([1.5, -2.5, 1e-9], nulls=1)
    again = msgspec.json.decode(msgspec.json.encode(found), type=NumberStatistics)
    assert again == found
