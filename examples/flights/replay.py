"""Live one month as it came: rows arrive, features are read, the server is asked, flights land.

    python replay.py 2013-04 RAW_FOLDER

Everything here is what a team would write around tidemill: it feeds the online store with what has
arrived, reads each flight's features at its scheduled departure, asks the server over HTTP in
blocks, and hands in labels as flights land. A month that was lived before is not lived again.
"""

import http.client
import json
import sys
import urllib.parse
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from pipeline import CONTEXT, FEATURES
from raw import MONTHS
from views import LATE_MINUTES

import tidemill as tm

BLOCK_ROWS = 1024
SINGLE_ROWS = 50
DEPLOYMENT = "delay"
ON_LANDING = ["plane_history", "route_history", "carrier_history", "dest_history"]
LANDING = ["landed_at", "arr_delay", "arr_time", "air_time"]


class Server:
    """The model server, over one HTTP connection that is kept; the Open Inference Protocol V2."""

    def __init__(self, address: str) -> None:
        self._address = urllib.parse.urlsplit(address)
        self._connection: http.client.HTTPConnection | None = None
        self.requests = 0

    def ask(self, rows: pl.DataFrame) -> list[float]:
        """Return the probability of each row that the flight lands late."""
        body = json.dumps({"inputs": [_tensor(rows[name]) for name in FEATURES + CONTEXT]})
        connection = self._connection or http.client.HTTPConnection(
            str(self._address.hostname), self._address.port, timeout=30
        )
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/v2/models/{DEPLOYMENT}/infer", body, headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        # A server that is being replaced says that it closes: the next request takes a new way.
        closes = answer.getheader("Connection", "").lower() == "close"
        self._connection = None if closes else connection
        if answer.status != http.client.OK:
            raise SystemExit(f"the model server answered {answer.status}: {told}")
        self.requests += 1
        return list(told["outputs"][0]["data"])


def _tensor(column: pl.Series) -> dict[str, object]:
    if isinstance(column.dtype, pl.Datetime):
        column = column.dt.timestamp("us")
    datatype = {pl.String: "BYTES", pl.Float64: "FP64", pl.Boolean: "BOOL"}.get(
        type(column.dtype), "INT64"
    )
    values = column.to_list()
    return {"name": column.name, "shape": [len(values)], "datatype": datatype, "data": values}


def world(raw: Path, kind: str, month: str) -> pl.DataFrame:
    """Return the flights or the weather of a month and of those beside it, as it will have come."""
    place = MONTHS.index(month)
    files = [raw / f"{kind}-{near}.csv" for near in MONTHS[place - 1 : place + 2]]
    rows = pl.concat(
        [pl.scan_csv(file, infer_schema_length=None) for file in files], how="vertical_relaxed"
    ).collect()
    instants = [name for name in rows.columns if name.endswith("_at")]
    return rows.with_columns(pl.col(instants).str.to_datetime(time_zone="UTC", time_unit="us"))


def live(project: tm.Project, raw: Path, month: str) -> str:
    """Live a month and return what happened, in a line."""
    start = datetime.fromisoformat(f"{month}-01T00:00:00Z")
    end = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    if any(seal.window.start == start for seal in project.list_windows(DEPLOYMENT).seals):
        return f"{month} was lived before"
    flights, weather = world(raw, "flights", month), world(raw, "weather", month)
    planned = flights.filter(
        pl.col("scheduled_at") >= start, pl.col("scheduled_at") < end
    ).sort("scheduled_at", "flight_id")  # fmt: skip
    if not project.list_windows(DEPLOYMENT).seals:
        in_the_air(project, flights, start)
    server = Server(project.serving_status(DEPLOYMENT).services[0].address)
    before, late = start, 0.0
    for number, block in enumerate(planned.iter_slices(BLOCK_ROWS)):
        now = block["scheduled_at"].max()
        arrive(project, flights, weather, (before, now, f"{month}-{number}"))
        features = project.vectors(block, time="scheduled_at").frame
        asked = block.with_columns(features.get_columns())
        alone = SINGLE_ROWS if number == 0 else 0
        for row in range(alone):
            late += sum(server.ask(asked.slice(row, 1)))
        late += sum(server.ask(asked.slice(alone)))
        before = now
    arrive(project, flights, weather, (before, end, f"{month}-end"))
    hand_in_labels(project, flights, start, end)
    return (
        f"{month}: {planned.height:,} flights asked in {server.requests} requests, "
        f"{late / planned.height:.0%} told to land late"
    )


def in_the_air(project: tm.Project, flights: pl.DataFrame, start: datetime) -> None:
    """Before the first month: what had departed but not landed is in no version of the data."""
    airborne = flights.filter(pl.col("departed_at") <= start, pl.col("reported_at") > start)
    project.push_rows(
        "origin_congestion", departures_of(airborne), batch="in the air", at=start
    )  # fmt: skip


def departures_of(flights: pl.DataFrame) -> pl.DataFrame:
    """Return flights as they are known at their departure."""
    return flights.with_columns(pl.lit(None).alias(name) for name in LANDING)


def arrive(
    project: tm.Project,
    flights: pl.DataFrame,
    weather: pl.DataFrame,
    span: tuple[datetime, datetime, str],
) -> None:
    """Apply to the online store what arrived after `span[0]`, up to `span[1]`; once a batch."""
    after, until, batch = span

    def new(rows: pl.DataFrame, column: str) -> pl.DataFrame:
        return rows.filter(pl.col(column) > after, pl.col(column) <= until)

    landings = new(flights, "landed_at")
    for view in ON_LANDING:
        project.push_rows(view, landings, batch=batch, at=until)
    departures = departures_of(new(flights, "departed_at"))
    project.push_rows("origin_congestion", departures, batch=batch, at=until)
    project.push_rows("origin_weather", new(weather, "reported_at"), batch=batch, at=until)


def hand_in_labels(
    project: tm.Project, flights: pl.DataFrame, start: datetime, end: datetime
) -> None:
    """Hand in the labels of the flights that landed in the month, each as of its landing."""
    landed = flights.filter(pl.col("landed_at") >= start, pl.col("landed_at") < end)
    labels = landed.filter(pl.col("arr_delay").is_not_null()).select(
        "flight_id",
        label=(pl.col("arr_delay") > LATE_MINUTES).cast(pl.Int64),
        happened_at="landed_at",
        arrived_at="landed_at",
    )
    project.add_labels(DEPLOYMENT, labels, key="flight_id", at=end)


if __name__ == "__main__":
    with tm.open() as opened:
        print(live(opened, Path(sys.argv[2]), sys.argv[1]))
