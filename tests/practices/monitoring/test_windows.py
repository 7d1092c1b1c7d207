"""Predictions are sealed exactly once, whatever comes late, and found wherever they are."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from served_world import START, World, days_of_rows

from tidemill.adapters.local.stream import MappedStream
from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.times import parse_window
from tidemill.practices.monitoring.open_days import collect_days, open_days
from tidemill.practices.monitoring.predictions import find_prediction
from tidemill.practices.monitoring.seals import known_seals, scan_window
from tidemill.practices.monitoring.windows import collect

APRIL = datetime(2013, 4, 1, tzinfo=UTC)
MAY = datetime(2013, 5, 1, tzinfo=UTC)


@pytest.fixture
def served(world):
    world.deploy(world.train(days_of_rows(START, 10)))
    return world


def test_a_window_is_sealed_once_with_every_column_that_was_logged(served) -> None:
    rows = days_of_rows(APRIL, 3)
    served.predict(rows)
    done = collect(served.record, "delay", window="2013-04", at=MAY)
    assert (done.rows, done.rows_added, done.rows_open, done.versions) == (
        180, 180, 0, ("predictions:delay@1",),
    )  # fmt: skip
    sealed = scan_window(served.record, "delay", parse_window("2013-04")).collect()
    assert sealed["flight"].sort().equals(rows["flight"].sort())
    assert sealed["x"].sort().equals(rows["x"].sort())
    assert sealed["at"].sort().equals(rows["when"].sort().rename("at"))
    assert sealed["model_version"].unique().to_list() == ["model:delay@1"]
    assert sealed["is_first_of_request"].sum() == 5
    again = collect(served.record, "delay", window="2013-04", at=MAY)
    assert again.rows_added == 0
    assert "nothing new" in str(again)


def test_rows_of_other_windows_stay_open_and_what_is_sealed_is_forgotten(served) -> None:
    served.predict(days_of_rows(APRIL, 2))
    served.predict(days_of_rows(MAY, 2))
    assert collect(served.record, "delay", window="2013-04", at=MAY).rows_open == 120
    assert sum(1 for _ in served.record.ports.stream.read("delay")) == 3
    done = collect(served.record, "delay", window="2013-05", at=datetime(2013, 6, 1, tzinfo=UTC))
    assert (done.rows, done.rows_open) == (120, 0)
    assert not list(served.record.ports.stream.read("delay"))


def test_a_block_with_rows_of_two_windows_loses_none_and_doubles_none(served) -> None:
    rows = days_of_rows(MAY - timedelta(days=1), 2, rows=20)
    served.predict(rows, per_request=40)
    june = datetime(2013, 6, 1, tzinfo=UTC)
    assert collect(served.record, "delay", window="2013-05", at=june).rows == 20
    assert collect(served.record, "delay", window="2013-04", at=june).rows == 20
    assert collect(served.record, "delay", window="2013-04", at=june).rows_added == 0
    whole = scan_window(served.record, "delay", parse_window("2013-04-01..2013-06-01")).collect()
    assert whole["flight"].sort().equals(rows["flight"].sort())


def test_late_rows_become_a_further_version_of_their_window(served) -> None:
    served.predict(days_of_rows(APRIL, 1))
    served.predict(days_of_rows(MAY, 1))  # keeps the stream open
    collect(served.record, "delay", window="2013-04", at=MAY)
    late = days_of_rows(APRIL, 1, seed=7)
    served.predict(late)
    done = collect(served.record, "delay", window="2013-04", at=MAY)
    assert (done.rows, done.rows_added, done.is_late) == (120, 60, True)
    assert [seal.is_late for seal in known_seals(served.record, "delay")] == [False, True]
    rows = scan_window(served.record, "delay", parse_window("2013-04")).collect()
    assert rows.height == rows["prediction_id"].n_unique() == 120


def test_a_day_inside_a_sealed_month_has_nothing_left_to_seal(served) -> None:
    served.predict(days_of_rows(APRIL, 2))
    collect(served.record, "delay", window="2013-04", at=MAY)
    done = collect(served.record, "delay", window="2013-04-01", at=MAY)
    assert (done.rows, done.rows_added) == (0, 0)
    assert scan_window(served.record, "delay", parse_window("2013-04-01")).collect().height == 60


def test_a_window_that_is_not_over_is_refused(served) -> None:
    with pytest.raises(InvalidInputError, match="not over"):
        collect(served.record, "delay", window="2013-04", at=APRIL)


def test_refused_requests_are_sealed_too_without_outputs(served) -> None:
    served.predict(days_of_rows(APRIL, 1, rows=5), status="rejected", bits=1)
    served.predict(days_of_rows(APRIL, 1, rows=5, seed=2))
    collect(served.record, "delay", window="2013-04", at=MAY)
    rows = scan_window(served.record, "delay", parse_window("2013-04")).collect()
    refused = rows.filter(pl.col("status") == "rejected")
    assert refused.height == refused["score"].null_count() == 5
    assert rows["score"].null_count() == 5


def test_a_prediction_is_found_by_its_row_key_in_the_tail_and_in_a_window(served) -> None:
    rows = days_of_rows(APRIL, 1)
    ids, key = served.predict(rows), f"delay/{rows['flight'][3]}"
    assert find_prediction(served.record, key).id == ids[3]
    collect(served.record, "delay", window="2013-04", at=MAY)
    found = find_prediction(served.record, key)
    assert (found.id, found.sealed) == (ids[3], "predictions:delay@1")
    with pytest.raises(NotFoundError, match="row key 'a/b c'"):
        find_prediction(served.record, "delay/a/b c")


def test_a_prediction_is_found_in_the_tail_and_in_a_window_by_whole_and_short_id(served) -> None:
    rows = days_of_rows(APRIL, 1)
    ids = served.predict(rows)
    open_one = find_prediction(served.record, ids[3])
    assert open_one.sealed == ""
    assert open_one.values("context")["flight"] == rows["flight"][3]
    collect(served.record, "delay", window="2013-04", at=MAY)
    sealed = find_prediction(served.record, ids[3][-8:])
    assert find_prediction(served.record, f"prediction:{ids[3][-12:]}") == sealed
    assert f"prediction:{ids[3]}" in str(sealed)
    assert sealed.sealed == "predictions:delay@1"
    assert sealed.logged == open_one.logged
    assert (sealed.at, sealed.deployment) == (open_one.at, open_one.deployment)
    with pytest.raises(NotFoundError):
        find_prediction(served.record, "0" * 32)
    with pytest.raises(InvalidInputError):
        find_prediction(served.record, "xyz")


def test_two_collectors_at_once_seal_no_row_twice(served, tmp_path) -> None:
    rows = days_of_rows(APRIL, 4)
    served.predict(rows)
    served.predict(days_of_rows(MAY, 1))
    other = World(tmp_path)
    barrier = threading.Barrier(2)

    def work(record):
        barrier.wait()
        return collect(record, "delay", window="2013-04", at=MAY)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(work, [served.record, other.record]))
    other.close()
    assert sorted(one.rows_added for one in done) == [0, 240]
    sealed = scan_window(served.record, "delay", parse_window("2013-04")).collect()
    assert sealed["flight"].sort().equals(rows["flight"].sort())


def test_what_was_sealed_but_not_forgotten_is_not_sealed_again(served) -> None:
    """As after a kill between the commit and the forgetting."""
    served.predict(days_of_rows(APRIL, 2))
    blocks = [block for _, block in served.record.ports.stream.read("delay")]
    collect(served.record, "delay", window="2013-04", at=MAY)
    assert len(blocks) == 3
    keep = MappedStream.forget
    served.predict(days_of_rows(APRIL, 1, seed=8))
    try:
        MappedStream.forget = lambda *_: None
        collect(served.record, "delay", window="2013-04", at=MAY)
    finally:
        MappedStream.forget = keep
    assert list(served.record.ports.stream.read("delay"))
    done = collect(served.record, "delay", window="2013-04", at=MAY)
    assert (done.rows, done.rows_added) == (180, 0)
    assert not list(served.record.ports.stream.read("delay"))


def test_every_day_that_is_over_is_sealed_and_the_one_that_goes_on_waits(served) -> None:
    rows = days_of_rows(APRIL, 4, rows=20)
    served.predict(rows, per_request=30)
    noon = APRIL + timedelta(days=3, hours=12)
    done = collect_days(served.record, at=noon)
    assert [(one.name, one.window, one.rows_added) for one in done.collected] == [
        ("delay", f"2013-04-0{day}..2013-04-0{day + 1}", 20) for day in (1, 2, 3)
    ]
    assert "no day" in str(collect_days(served.record, "delay", at=noon))
    assert open_days(served.record, "delay", MAY) == [APRIL + timedelta(days=3)]
    month = collect(served.record, "delay", window="2013-04", at=MAY)
    assert month.rows_added == 20
    whole = scan_window(served.record, "delay", parse_window("2013-04")).collect()
    assert whole["flight"].sort().equals(rows["flight"].sort())


def test_late_rows_of_a_day_are_sealed_by_the_next_look(served) -> None:
    served.predict(days_of_rows(APRIL, 2))
    collect_days(served.record, at=APRIL + timedelta(days=1))
    served.predict(days_of_rows(APRIL, 1, seed=5))
    (late,) = collect_days(served.record, at=APRIL + timedelta(days=1)).collected
    assert (late.is_late, late.rows, late.rows_added) == (True, 120, 60)
