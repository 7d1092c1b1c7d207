"""Counts of levels merge in any order, in bounded memory."""

from collections import Counter
from functools import reduce

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.kernels.category_counts import (
    MAX_LEVELS,
    CategoryCounts,
    category_counts,
    merged_categories,
    top_levels,
)


@given(st.lists(st.text(max_size=2), max_size=80), st.integers(0, 80), st.integers(0, 5))
def test_counts_are_those_of_the_whole_column(values, cut, nulls):
    parts = [
        category_counts(Counter(values[:cut]), nulls=nulls),
        category_counts(Counter(values[cut:])),
    ]
    whole = category_counts(Counter(values), nulls=nulls)
    assert merged_categories(*parts) == whole == merged_categories(*parts[::-1])
    assert whole.rows == len(values) + nulls
    assert whole.distinct == len(set(values))
    assert whole.other == 0


def test_a_key_column_keeps_a_sample_that_does_not_depend_on_the_order():
    counts = {f"plane {i}": 1 + i % 3 for i in range(20_000)}
    names = sorted(counts)
    parts = [category_counts({name: counts[name] for name in names[i::5]}) for i in range(5)]
    whole = category_counts(counts)
    assert reduce(merged_categories, parts) == whole == reduce(merged_categories, parts[::-1])
    assert len(whole.levels) == MAX_LEVELS
    assert not whole.is_complete
    assert whole.distinct == pytest.approx(20_000, rel=0.06)
    assert all(
        counts[name] == count for name, count in zip(whole.levels, whole.counts, strict=True)
    )
    assert whole.other + sum(whole.counts) == whole.rows


def test_top_levels_come_by_count_then_name_and_a_state_survives_json():
    found = category_counts({"UA": 5, "AA": 5, "DL": 9, "B6": 1}, nulls=2)
    assert top_levels(found, 3) == ("DL", "AA", "UA")
    assert msgspec.json.decode(msgspec.json.encode(found), type=CategoryCounts) == found
