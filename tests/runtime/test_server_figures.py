"""Histograms by bits, ids that only grow."""

from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters.local.clock import SystemClock
from tidemill.runtime.server_figures import Histogram
from tidemill.wire.prediction_ids import PredictionIds, spelled_ids


@given(st.lists(st.integers(0, 1 << 24), min_size=1), st.floats(0, 1))
def test_a_quantile_of_a_histogram_is_an_upper_bound_and_at_most_twice_the_true_one(
    durations, share
) -> None:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    ordered = sorted(durations)
    exact = next(d for i, d in enumerate(ordered, 1) if i >= share * len(ordered))
    bound = histogram.quantile_us(share)
    assert exact <= bound <= max(2 * exact, 1)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8))
def test_prediction_ids_only_grow_and_are_version_7(sizes) -> None:
    ids = PredictionIds(SystemClock())
    texts = [text for size in sizes for text in spelled_ids(ids.take(size))]
    assert texts == sorted(set(texts))
    assert {text[12] for text in texts} == {"7"}
    assert {text[16] for text in texts} <= set("89ab")


def test_prediction_ids_carry_the_clocks_time() -> None:
    clock = SystemClock()
    before = clock.new_id()
    first = spelled_ids(PredictionIds(clock).take(1))[0]
    assert before < first
    assert abs(int(first[:12], 16) - clock.now().timestamp() * 1000) < 5000
