"""What the three sources promise. Rows that break a rule are put aside, named with their rule."""

from datetime import datetime

import tidemill as tm

CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX",
            "WN", "YV"]  # fmt: skip


class Flights(tm.Contract):
    """One scheduled departure a row. A cancelled flight has no departure and no landing."""

    key = ("flight_id",)
    min_rows = 1

    flight_id: str
    scheduled_at: datetime
    departed_at: datetime | None
    landed_at: datetime | None
    reported_at: datetime
    carrier: str = tm.column(one_of=CARRIERS)
    flight: int = tm.column(between=(1, 9999))
    tailnum: str | None = tm.column(pattern=r"[ND][0-9A-Z]{1,6}", max_null_share=0.05)
    origin: str = tm.column(one_of=["EWR", "JFK", "LGA"])
    dest: str = tm.column(pattern=r"[A-Z]{3}")
    dep_delay: int | None = tm.column(between=(-120, 2000), max_null_share=0.1, unit="minutes")
    arr_delay: int | None = tm.column(between=(-180, 2000), max_null_share=0.1, unit="minutes")
    distance: int = tm.column(between=(50, 6000), unit="miles")

    lands_after_departure = tm.rule("landed_at is None or landed_at > departed_at")
    reported_after_schedule = tm.rule("reported_at > scheduled_at")
    departs_within_a_day = tm.rule("departed_at is None or dep_delay < 1440")


class Weather(tm.Contract):
    """One hourly observation of an airport a row."""

    key = ("origin", "observed_at")

    origin: str = tm.column(one_of=["EWR", "JFK", "LGA"])
    observed_at: datetime
    reported_at: datetime
    temp: float | None = tm.column(between=(-40, 130), unit="degrees Fahrenheit")
    dewp: float | None = tm.column(between=(-60, 100), unit="degrees Fahrenheit")
    humid: float | None = tm.column(between=(0, 100), unit="percent")
    wind_dir: int | None = tm.column(between=(0, 360), unit="degrees")
    wind_speed: float | None = tm.column(between=(0, 120), unit="miles an hour")
    wind_gust: float | None = tm.column(between=(0, 150), unit="miles an hour")
    precip: float | None = tm.column(between=(0, 10), unit="inches")
    pressure: float | None = tm.column(between=(940, 1060), unit="millibars", max_null_share=0.3)
    visib: float | None = tm.column(between=(0, 20), unit="miles")


class Planes(tm.Contract):
    """One plane a row, as registered."""

    key = ("tailnum",)

    tailnum: str = tm.column(pattern=r"[ND][0-9A-Z]{1,6}")
    year: int | None = tm.column(between=(1940, 2014), max_null_share=0.05)
    engines: int = tm.column(between=(1, 4))
    seats: int = tm.column(between=(2, 500))
