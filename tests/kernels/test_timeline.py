"""The timeline answers what was known at each time, exactly as reading every row would."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.timeline import TIME_LIMIT_US, Timeline
from tidemill.kernels.windows import Ticks

# The oracle reads every row for every question, by the definition alone.


def known(history, entity, at):
    return [
        i for i, (e, event, arrival, _) in enumerate(history)
        if e == entity and max(event, arrival) <= at
    ]  # fmt: skip


def oracle_latest(history, entity, at, ttl):
    rows = known(history, entity, at)
    if not rows:
        return -1
    newest = max(rows, key=lambda i: (*history[i][1:], i))
    return -1 if ttl is not None and history[newest][1] <= at - ttl else newest


def oracle_window(history, entity, at, width):
    rows = [i for i in known(history, entity, at) if history[i][1] > at - width]
    return sorted(rows, key=lambda i: (*history[i][1:], i))


MOMENTS = st.integers(-20, 40)
ROWS = st.tuples(st.sampled_from([-3, 0, 5, 2**62]), MOMENTS, MOMENTS, st.integers(0, 3))
QUERIES = st.tuples(st.sampled_from([-3, 0, 5, 2**62, 7]), st.integers(-25, 70))
VALUES = st.one_of(st.none(), st.integers(-(2**40), 2**40))


def built(history, **options):
    columns = np.array(history, dtype=np.int64).reshape(-1, 4).T
    return Timeline.build(columns[0], columns[1], columns[2], columns[3], **options)


def ticks(values):
    valid = np.array([value is not None for value in values], dtype=bool)
    return Ticks(values=np.array([v or 0 for v in values], dtype=np.int64), is_valid=valid)


@given(
    st.lists(st.tuples(ROWS, VALUES), max_size=40),
    st.lists(QUERIES, max_size=20),
    st.integers(1, 60),
)
@settings(max_examples=400, deadline=None)
def test_every_answer_is_that_of_reading_all_rows(rows, queries, width) -> None:
    history, values = [row for row, _ in rows], [value for _, value in rows]
    entities = np.array([entity for entity, _ in queries], dtype=np.int64)
    at = np.array([moment for _, moment in queries], dtype=np.int64)
    timeline = built(history)
    assert timeline.rows == len(history)
    for ttl in (None, width):
        expected = [oracle_latest(history, *query, ttl) for query in queries]
        assert timeline.latest(entities, at, ttl).tolist() == expected
    windows = [oracle_window(history, *query, width) for query in queries]
    window = timeline.window(width)
    assert window.counts(entities, at).tolist() == [len(found) for found in windows]
    sums = window.sums(entities, at, [ticks(values)])
    kept = [[values[i] for i in found if values[i] is not None] for found in windows]
    assert sums.rows.tolist() == [len(found) for found in windows]
    assert sums.sums[0].tolist() == [sum(found) for found in kept]
    assert sums.non_null[0].tolist() == [len(found) for found in kept]
    for query, expected in zip(queries, windows, strict=True):
        assert timeline.rows_in_window(*query, width).tolist() == expected


@given(st.lists(ROWS, max_size=40), st.integers(-25, 70), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_the_recent_rows_of_one_entity_answer_as_the_full_history_does(
    history, at, narrow, wide
) -> None:
    width = max(narrow, wide)
    recent = [row for row in history if row[0] == 5 and row[1] > at - width]
    online, full = built(recent), built(history)
    for ttl in (narrow, wide):
        mine, all_rows = online.latest([5], [at], ttl)[0], full.latest([5], [at], ttl)[0]
        assert (mine == -1) == (all_rows == -1)
        if mine != -1:
            assert recent[mine] == history[all_rows]
        few = online.window(ttl).sums([5], [at], [Ticks(values=_third(recent))])
        many = full.window(ttl).sums([5], [at], [Ticks(values=_third(history))])
        assert (few.rows, few.sums, few.non_null) == (many.rows, many.sums, many.non_null)


def _third(history):
    return np.array([row[2] * 3 + row[3] for row in history], dtype=np.int64)


def test_without_sequence_numbers_the_later_row_wins_a_tie() -> None:
    timeline = Timeline.build([1, 1, 1], [5, 5, 5], [5, 5, 4])
    assert timeline.latest([1], [9]).tolist() == [1]


def test_a_row_that_arrives_late_is_unknown_before_and_does_not_undo_a_newer_one_after() -> None:
    timeline = Timeline.build([1, 1], event_us=[10, 20], arrival_us=[50, 20])
    assert timeline.latest([1] * 4, [15, 20, 49, 60]).tolist() == [-1, 1, 1, 1]
    assert timeline.window(100).counts([1] * 4, [15, 20, 49, 60]).tolist() == [0, 1, 1, 2]


def test_a_window_excludes_its_start_and_includes_its_end() -> None:
    window = Timeline.build([1], [10], [10]).window(5)
    assert window.counts([1] * 4, [9, 10, 14, 15]).tolist() == [0, 1, 1, 0]


def test_times_at_the_edge_of_the_range_do_not_overflow() -> None:
    edge = TIME_LIMIT_US - 1
    timeline = Timeline.build([1, 1, 2], [-edge, edge, edge], [-edge, edge, -edge])
    at = np.array([-edge, 0, edge])
    assert timeline.latest([1, 1, 1], at, edge).tolist() == [0, -1, 1]
    assert timeline.window(edge).counts([1, 1, 2], at).tolist() == [1, 0, 1]


def test_sums_are_exact_where_only_the_prefix_sums_would_overflow() -> None:
    large = 2**62
    timeline = Timeline.build([1] * 8, np.arange(8) * 10, np.arange(8) * 10)
    column = Ticks(values=np.full(8, large, dtype=np.int64))
    sums = timeline.window(10).sums([1] * 8, np.arange(8) * 10, [column])
    assert sums.sums[0].tolist() == [large] * 8
    signs = Ticks(values=np.array([large, -large] * 4, dtype=np.int64))
    sums = timeline.window(1000).sums([1], [70], [signs, Ticks(values=-signs.values)])
    assert [column.tolist() for column in sums.sums] == [[0], [0]]


@pytest.mark.parametrize("value", [2**62, -(2**62) - 1])
def test_a_sum_beyond_64_bits_is_refused(value) -> None:
    timeline = Timeline.build([1, 1], [1, 2], [1, 2])
    with pytest.raises(InvalidInputError, match="exceeds 64 bits") as raised:
        timeline.window(10).sums([1], [2], [Ticks(values=np.array([value, value]))])
    assert "coarser tick" in raised.value.fix


REFUSED = [
    (lambda: Timeline.build([1], [1, 2], [1]), "event_us 2"),
    (lambda: Timeline.build([1], [1.5], [1]), "event_us is 1-dimensional of type float64"),
    (lambda: Timeline.build([1], [2**61], [1]), "event_us holds a time beyond"),
    (lambda: Timeline.build([1], [1], [1]).latest([1, 2], [1]), "at_us 1"),
    (lambda: Timeline.build([1], [1], [1]).latest([1], [1], ttl_us=0), "window of 0"),
    (lambda: Timeline.build([1], [1], [1]).window(2**61), "not possible"),
    (lambda: _sums(np.array([1, 2])), "history 1 rows"),
    (lambda: _sums(np.array([1.0])), "ticks are float64"),
]


def _sums(values):
    return Timeline.build([1], [1], [1]).window(1).sums([1], [1], [Ticks(values=values)])


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_what_cannot_be_answered_says_what_and_how_to_mend_it(call, message) -> None:
    with pytest.raises(InvalidInputError, match=message) as raised:
        call()
    assert raised.value.fix


def test_a_million_answers_are_those_of_reading_all_rows_of_the_entity() -> None:
    rng = np.random.default_rng(11)
    entities, rows, queries = 1_000, 60_000, 1_000_000
    ttl, width = 3_000, 5_000
    code = rng.integers(0, entities, rows)
    event = rng.integers(0, 20_000, rows) // 7 * 7  # many ties
    late = rng.integers(0, 8_000, rows) * (rng.random(rows) < 0.3)
    arrival = event + late - rng.integers(0, 500, rows) * (rng.random(rows) < 0.1)
    seq = rng.integers(0, 3, rows)
    column = Ticks(values=rng.integers(-(10**12), 10**12, rows), is_valid=rng.random(rows) < 0.8)
    asked = np.sort(rng.integers(0, entities + 5, queries))
    at = rng.integers(-100, 30_000, queries)

    start = time.process_time()
    timeline = Timeline.build(code, event, arrival, seq)
    latest, valid = timeline.latest(asked, at), timeline.latest(asked, at, ttl)
    sums = timeline.window(width).sums(asked, at, [column])
    assert time.process_time() - start < 20  # under 1 s on a quiet machine

    edges = np.searchsorted(asked, np.arange(entities + 6))
    by_entity = np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1])
    checked = 0
    for entity in range(entities + 5):
        span = slice(edges[entity], edges[entity + 1])
        mine = by_entity[entity] if entity < entities else np.array([], dtype=np.int64)
        mine = mine[np.lexsort((mine, seq[mine], arrival[mine], event[mine]))]
        moments = at[span][:, None]
        is_known = (event[mine] <= moments) & (arrival[mine] <= moments)
        places = np.where(is_known, np.arange(1, len(mine) + 1), 0).max(axis=1, initial=0)
        newest = np.concatenate([[-1], mine])[places]
        np.testing.assert_array_equal(latest[span], newest)
        is_live = (newest >= 0) & (event[newest] > at[span] - ttl)
        np.testing.assert_array_equal(valid[span], np.where(is_live, newest, -1))
        inside = is_known & (event[mine] > moments - width)
        is_there = column.is_valid[mine]
        np.testing.assert_array_equal(sums.rows[span], inside.sum(axis=1))
        np.testing.assert_array_equal(sums.non_null[0][span], (inside & is_there).sum(axis=1))
        expected = np.where(inside & is_there, column.values[mine], 0).sum(axis=1)
        np.testing.assert_array_equal(sums.sums[0][span], expected)
        checked += len(newest)
    assert checked == queries
