"""A pipeline trains with views, and scores a whole version with the same views as a step."""

import json

import numpy as np
import polars as pl
import pytest

from tidemill.core.times import parse_time
from tidemill.practices.versioning.data import ingest
from tidemill.practices.versioning.operations import frame as rows_of

FLOW = """
from datetime import datetime

import lightgbm
import numpy as np
import polars as pl

import tidemill as tm


@tm.feature_view(source="orders", entity="shop", time="ordered_at",
                 features={"units_1d": tm.total("units", "1d")})
def history(orders):
    return orders


@tm.on_demand_view(columns={"ordered_at": datetime}, features="hour")
def calendar(rows):
    return rows.with_columns(hour=pl.col("ordered_at").dt.hour().cast(pl.Int64))


@tm.step
def asked(orders: pl.DataFrame) -> pl.DataFrame:
    return orders.select("shop", "ordered_at", late=(pl.col("units") > 4).cast(pl.Int64))


@tm.step
def train(rows: pl.DataFrame) -> tm.Model:
    signature = tm.infer_signature(
        rows.select("units_1d", "hour"), context=rows.select("ordered_at"), time="ordered_at"
    )
    settings = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1}
    data = lightgbm.Dataset(tm.matrix(signature, rows), rows["late"].to_numpy().astype(float))
    task = tm.Task(kind="binary", label="late")
    return tm.Model(lightgbm.train(settings, data, 5), signature=signature, task=task)


@tm.pipeline
def late() -> None:
    rows = tm.training_set(
        asked(tm.data("orders")), views=[history, calendar], time="ordered_at"
    )
    model = train(rows)
    report = tm.evaluate(model, rows, time="ordered_at")
    made = tm.candidate("late", model, report=report, sample=rows)
    tm.predict_data(made, "data:orders@1", window="2026-01-02")
"""


@pytest.fixture
def orders(record, project):
    (project / "flow.py").write_text(FLOW)
    random = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"shop": random.choice(["a", "b"], 1500), "units": random.integers(1, 9, 1500)}
    ).with_columns(
        ordered_at=pl.datetime(2026, 1, 1, time_zone="UTC")
        + pl.duration(minutes=2 * pl.int_range(pl.len()))
    )
    ingest(record, "orders", frame, at=parse_time("2026-02-01"))
    return record


def test_the_step_joins_what_training_joined_and_the_gates_ask_the_view_otherwise(
    orders, tidemill
) -> None:
    done = tidemill("run", "late", "--at", "2026-02-01")
    assert done.returncode == 0, done.stderr
    assert "predict_data" in done.stdout
    scored = rows_of(orders, "predictions:late-orders").frame
    assert scored["data_row"].to_list() == list(range(720, 1440))
    assert scored["hour"].to_list() == [row // 30 % 24 for row in range(720, 1440)]
    assert scored["units_1d"].null_count() == 0
    why = tidemill("why", f"prediction:{scored['prediction_id'][7]}")
    assert "hour = 0 from ordered_at of the row that asked (calendar)" in why.stdout
    assert "data:orders@1 (history)" in why.stdout

    checked = json.loads(tidemill("check", "model:late", "--only", "model", "--json").stdout)
    found = {f["rule"]: f["state"] for gate in checked["gates"] for f in gate["findings"]}
    assert (found["leak:calendar"], found["leak:history"]) == ("pass", "pass")
