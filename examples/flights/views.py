"""What was known of plane, route, carrier, airport and weather at a flight's scheduled departure.

A delay in the air is known at the landing, one on the ground at the departure, the weather half an
hour after it was observed; the timetable always. One definition serves training and the server.
"""

from datetime import datetime

import polars as pl

import tidemill as tm

LATE_MINUTES = 15


def with_late(flights: pl.LazyFrame) -> pl.LazyFrame:
    """Add whether a flight landed late."""
    return flights.with_columns(is_late=pl.col("arr_delay") > LATE_MINUTES)


@tm.feature_view(
    source="flights",
    entity="tailnum",
    time="landed_at",
    features={
        "plane_last_delay": tm.latest("arr_delay", ttl="1d"),
        "plane_flights_1d": tm.count("1d"),
        "plane_delay_1d": tm.average("arr_delay", "1d"),
        "plane_delay_14d": tm.average("arr_delay", "14d"),
    },
)
def plane_history(flights: pl.LazyFrame) -> pl.LazyFrame:
    return flights


@tm.feature_view(
    source="flights",
    entity=("origin", "dest"),
    time="landed_at",
    features={
        "route_late_1d": tm.share("is_late", "1d"),
        "route_late_14d": tm.share("is_late", "14d"),
    },
)
def route_history(flights: pl.LazyFrame) -> pl.LazyFrame:
    return with_late(flights)


@tm.feature_view(
    source="flights",
    entity=("carrier", "origin"),
    time="landed_at",
    features={
        "carrier_late_6h": tm.share("is_late", "6h"),
        "carrier_late_14d": tm.share("is_late", "14d"),
    },
)
def carrier_history(flights: pl.LazyFrame) -> pl.LazyFrame:
    return with_late(flights)


@tm.feature_view(
    source="flights",
    entity="dest",
    time="landed_at",
    features={"dest_late_3h": tm.share("is_late", "3h")},
)
def dest_history(flights: pl.LazyFrame) -> pl.LazyFrame:
    return with_late(flights)


@tm.feature_view(
    source="flights",
    entity="origin",
    time="departed_at",
    features={
        "origin_departures_1h": tm.count("1h"),
        "origin_delay_1h": tm.average("dep_delay", "1h"),
        "origin_departures_3h": tm.count("3h"),
        "origin_delay_3h": tm.average("dep_delay", "3h"),
    },
)
def origin_congestion(flights: pl.LazyFrame) -> pl.LazyFrame:
    return flights


@tm.feature_view(
    source="weather",
    entity="origin",
    time="observed_at",
    known="reported_at",
    features={
        "temp": tm.latest("temp", ttl="6h"),
        "dewp": tm.latest("dewp", ttl="6h"),
        "humid": tm.latest("humid", ttl="6h"),
        "wind_speed": tm.latest("wind_speed", ttl="6h"),
        "precip": tm.latest("precip", ttl="6h"),
        "precip_6h": tm.total("precip", "6h"),
        "pressure": tm.latest("pressure", ttl="6h"),
        "visib": tm.latest("visib", ttl="6h"),
    },
)
def origin_weather(weather: pl.LazyFrame) -> pl.LazyFrame:
    return weather


@tm.feature_view(
    source="planes",
    entity="tailnum",
    features={"plane_built": tm.latest("year"), "plane_seats": tm.latest("seats")},
)
def plane_facts(planes: pl.LazyFrame) -> pl.LazyFrame:
    return planes


@tm.on_demand_view(columns={"scheduled_at": datetime}, features=("hour", "weekday", "hour_band"))
def calendar(rows: pl.LazyFrame) -> pl.LazyFrame:
    local = pl.col("scheduled_at").dt.convert_time_zone("America/New_York").dt
    hour, weekday = local.hour().cast(pl.Int64), local.weekday().cast(pl.Int64)
    return rows.with_columns(hour=hour, weekday=weekday, hour_band=pl.format("{}h", hour // 4 * 4))


VIEWS = [
    plane_history,
    route_history,
    carrier_history,
    dest_history,
    origin_congestion,
    origin_weather,
    plane_facts,
    calendar,
]
