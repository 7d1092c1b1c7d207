"""Sums of doubles are exact: compared with fractions, over the whole range of doubles."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.kernels.float_sums import ONES, digits, exact_sums

finite = st.floats(allow_nan=False, allow_infinity=False)
small = st.floats(1e-12, 1e-3)
whole = st.integers(-(2**53), 2**53).map(float)
ties = st.builds(lambda e, s: s * 2.0**e, st.integers(-1074, 1000), st.sampled_from([1, -1, 3]))
columns = st.one_of(
    *(st.lists(kind, min_size=1, max_size=40) for kind in (finite, small, whole, ties)),
    st.lists(st.one_of(finite, small, whole, ties), min_size=1, max_size=40),
)


def summed(values):
    by_place = digits(np.array(values, dtype=np.float64))
    return exact_sums({place: part.sum(keepdims=True) for place, part in by_place.items()})


def nearest(exact: Fraction) -> float:
    try:
        return float(exact)  # correctly rounded by Python
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


@settings(max_examples=1000, deadline=None)
@given(columns)
def test_a_total_is_the_double_nearest_to_the_exact_sum(values) -> None:
    assert summed(values).totals()[0] == nearest(sum(map(Fraction, values)))


@settings(max_examples=1000, deadline=None)
@given(columns)
def test_a_mean_is_within_one_ulp_of_the_exact_mean(values) -> None:
    exact = sum(map(Fraction, values)) / len(values)
    found = float(summed(values).means(np.array([len(values)]))[0])
    assert abs(Fraction(found) - exact) <= Fraction(math.ulp(found))


@settings(max_examples=300, deadline=None)
@given(columns, columns)
def test_what_was_added_can_be_taken_away_without_a_trace(kept, gone) -> None:
    by_place = digits(np.array([*kept, *gone]))
    left = {place: part[: len(kept)].sum(keepdims=True) for place, part in by_place.items()}
    alone, count = summed(kept), np.array([len(kept)])
    assert exact_sums(left).totals().tobytes() == alone.totals().tobytes()
    assert exact_sums(left).means(count).tobytes() == alone.means(count).tobytes()


@given(columns)
def test_digits_are_small_whole_numbers_that_make_up_each_value(values) -> None:
    found = digits(np.array(values))
    assert all(np.abs(part).max() < 2**32 for part in found.values())
    for row, value in enumerate(values):
        units = sum(int(part[row]) * Fraction(2) ** (32 * p - 1088) for p, part in found.items())
        assert units == Fraction(value)


def test_whole_numbers_need_one_digit() -> None:
    assert list(digits(np.array([0.0, -17.0, 1439.0]))) == [ONES]


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([1e300, 1.0, -1e300], 1.0),
        ([2.0**53, 1.0], 2.0**53),
        ([2.0**53, 1.0, 2.0**-1074], 2.0**53 + 2),
        ([5e-324] * 3, 1.5e-323),
        ([0.1] * 10, 1.0),
        ([-0.0], 0.0),
    ],
)  # fmt: skip
def test_hard_sums_are_rounded_once(values, total) -> None:
    assert summed(values).totals()[0] == total
