"""Steps and views are plain functions: they are tested without tidemill running."""

from datetime import UTC, date, datetime

import polars as pl
from pipeline import labelled, minutes_saved, split
from views import calendar, with_late


def flight(number: int, scheduled: datetime, landed: datetime | None, late: int | None) -> dict:
    return {
        "flight_id": f"UA{number}", "scheduled_at": scheduled, "landed_at": landed,
        "arr_delay": late, "tailnum": "N1", "carrier": "UA", "origin": "EWR", "dest": "SFO",
        "distance": 2565,
    }  # fmt: skip


NOON = datetime(2013, 3, 1, 17, tzinfo=UTC)
EVENING = datetime(2013, 3, 1, 23, tzinfo=UTC)


def test_only_flights_that_had_landed_by_then_have_labels() -> None:
    rows = pl.DataFrame(
        [
            flight(1, NOON, EVENING, 16),
            flight(2, NOON, datetime(2013, 3, 2, 1, tzinfo=UTC), 90),
            flight(3, NOON, None, None),
        ]
    )
    told = labelled(rows, date(2013, 3, 2))
    assert told["flight_id"].to_list() == ["UA1"]
    assert told["is_late"].to_list() == [1]


def test_the_held_out_rows_come_after_those_that_are_fitted() -> None:
    days = [datetime(2013, 3, day, 12, tzinfo=UTC) for day in range(1, 11)]
    fitted, held_out = split(pl.DataFrame({"scheduled_at": days}))
    assert (fitted.height, held_out.height) == (8, 2)
    assert fitted["scheduled_at"].max() < held_out["scheduled_at"].min()


def test_the_hour_is_new_yorks() -> None:
    told = calendar(pl.LazyFrame({"scheduled_at": [NOON]})).collect()
    assert told.row(0, named=True)["hour"] == 12
    assert told["hour_band"].item() == "12h"


def test_fifteen_minutes_are_not_late() -> None:
    told = with_late(pl.LazyFrame({"arr_delay": [15, 16, None]})).collect()
    assert told["is_late"].to_list() == [False, True, None]


def test_a_false_warning_costs_what_the_business_says() -> None:
    told = minutes_saved(pl.DataFrame({"decision": [1, 1, 0], "label": [1, 0, 1]}))
    assert list(told) == [20.0, -5.0, 0.0]
