"""Data that lack what a model takes are scored with the features of the declared views."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.task import Task
from tidemill.lineage.artifacts import find_artifact
from tidemill.lineage.refs import resolve
from tidemill.lineage.writing import opened
from tidemill.practices.delivery import joined_rows
from tidemill.practices.delivery.scoring import predict_data
from tidemill.practices.features.partitions import view_batches
from tidemill.practices.monitoring.agreement import feature_agreement
from tidemill.practices.monitoring.feature_values import feature_origins
from tidemill.practices.monitoring.figures import report_window
from tidemill.practices.monitoring.labels import add_labels
from tidemill.practices.monitoring.predictions import find_prediction
from tidemill.practices.versioning.data import ingest
from tidemill.practices.versioning.formats.python_model import PythonModel
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.operations import frame as rows_of
from tidemill.practices.versioning.registry import register_model, store_model
from tidemill.practices.versioning.signatures import infer_signature

VIEWS = """
from datetime import datetime

import polars as pl

import tidemill as tm


@tm.feature_view(source="orders", entity="shop", time="ordered_at",
                 features={"orders_1d": tm.count("1d"), "units_last": tm.latest("units")})
def history(orders):
    return orders


@tm.on_demand_view(columns={"ordered_at": datetime}, features=("hour", "band"))
def calendar(rows):
    hour = pl.col("ordered_at").dt.hour().cast(pl.Int64)
    return rows.with_columns(hour=hour, band=pl.format("{}h", hour // 6 * 6))
"""
START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = 300


class Sum:
    """Answers the sum of its numbers, so that each of them tells."""

    def predict(self, inputs):
        return sum(np.nan_to_num(inputs.columns[name].astype(float)) for name in INPUTS)


INPUTS = ("orders_1d", "units_last", "hour", "units")


def orders(rows: int = ROWS) -> pl.DataFrame:
    random = np.random.default_rng(0)
    return pl.DataFrame(
        {"id": [f"o{row}" for row in range(rows)], "shop": random.choice(["a", "b", "c"], rows),
         "ordered_at": [START + timedelta(minutes=47 * row) for row in range(rows)],
         "units": random.integers(1, 9, rows), "hour": [99] * rows},
        schema_overrides={"ordered_at": pl.Datetime("us", "UTC")},
    )  # fmt: skip


def joined(frame: pl.DataFrame) -> pl.DataFrame:
    """What the views say, by hand."""
    expected = []
    for row in frame.iter_rows(named=True):
        known = frame.filter(shop=row["shop"]).filter(pl.col("ordered_at") <= row["ordered_at"])
        day = known.filter(pl.col("ordered_at") > row["ordered_at"] - timedelta(days=1))
        hour = row["ordered_at"].hour
        expected.append((day.height, known["units"][-1], hour, f"{hour // 6 * 6}h"))
    return pl.DataFrame(expected, schema=["orders_1d", "units_last", "hour", "band"], orient="row")


def register(record, context=("id", "shop", "ordered_at", "band"), **named) -> None:
    frame = orders(50)
    rows = pl.concat([frame.drop("hour"), joined(frame)], how="horizontal")
    named = {"time": "ordered_at", "row_key": "id"} | named
    signature = infer_signature(
        rows.select(INPUTS), context=rows.select(context) if context else None, **named
    )
    model = Model(PythonModel(Sum), signature=signature, task=Task(kind="regression", label="y"))
    with opened(record, kind="train", name="sum") as run:
        artifact, objects = store_model(record.ports.objects, model)
        run.made(artifact, objects=objects)
        register_model(record, "sum", artifact, run=run)


@pytest.fixture
def shops(record, project):
    (project / "shop_views.py").write_text(VIEWS)
    ingest(record, "orders", orders(), at=LATER)
    return record


def test_rows_are_scored_with_what_the_views_knew_at_their_time(shops) -> None:
    register(shops)
    scored = predict_data(shops, "model:sum", "data:orders", at=LATER)
    rows, wanted = rows_of(shops, scored.predictions).frame, joined(orders())
    assert rows.select(wanted.columns).equals(wanted)
    assert rows["score"].to_list() == [
        sum(row) for row in wanted.select(INPUTS[:3]).with_columns(orders()["units"]).rows()
    ]
    assert "joined at the time of each row: history of data:orders@1; calendar" in str(scored)
    whole = feature_agreement(shops, "sum-orders", window="2026-01", at=LATER)
    assert (whole.differing, len(whole.features)) == (0, 4)
    found = find_prediction(shops, rows["prediction_id"][40])
    lines = feature_origins(shops, found).lines
    assert "hour = 7 from ordered_at of the row that asked (calendar)" in lines


def test_a_window_joins_its_rows_only_and_their_places_are_those_of_the_version(shops) -> None:
    register(shops)
    scored = predict_data(shops, "model:sum", "data:orders", window="2026-01-03", at=LATER)
    rows = rows_of(shops, scored.predictions).frame
    is_wanted = orders()["ordered_at"].dt.day() == 3
    assert rows["data_row"].to_list() == is_wanted.arg_true().to_list()
    assert rows["orders_1d"].to_list() == joined(orders()).filter(is_wanted)["orders_1d"].to_list()


def test_a_report_and_labels_take_them_like_served_ones(shops) -> None:
    register(shops)
    predict_data(shops, "model:sum", "data:orders", at=LATER)
    labels = orders().select("id", label=pl.col("units").cast(pl.Float64))
    add_labels(shops, "sum-orders", labels, key="id", at=LATER)
    report = report_window(shops, "sum-orders", window="2026-01", at=LATER)
    assert (report.rows, report.labelled) == (ROWS, ROWS)


def test_why_names_the_versions_that_were_joined_and_their_rows(shops) -> None:
    register(shops, context=("id", "ordered_at"))  # the key is not logged
    scored = predict_data(shops, "model:sum", "data:orders", at=LATER)
    ingest(shops, "orders", orders().with_columns(units=0), at=LATER + timedelta(days=1))
    found = find_prediction(shops, rows_of(shops, scored.predictions).frame["prediction_id"][40])
    origins = feature_origins(shops, found)
    assert not origins.notes
    told = {one.feature: one for one in origins.features}
    assert set(told) == {"orders_1d", "units_last", "hour"}
    assert told["orders_1d"].is_equal
    assert (told["units_last"].source, told["units_last"].rows) == ("data:orders@1", (41,))
    # the data have an hour of their own, and nothing else was wanted of the calendar
    assert "hour = 99, but 7 from ordered_at of the row that asked (calendar)" in str(told["hour"])
    assert "note: hour is the column of data:orders@1; the view calendar" in str(scored)


def test_a_view_that_was_changed_since_is_told(shops, project) -> None:
    register(shops)
    scored = predict_data(shops, "model:sum", "data:orders", at=LATER)
    found = find_prediction(shops, rows_of(shops, scored.predictions).frame["prediction_id"][40])
    from shop_views import history

    history.__dict__["digest"] = "b3:other"
    assert feature_origins(shops, found).notes == (
        "history was changed since these rows were scored",
    )


def test_what_was_joined_is_on_the_run_with_the_code_and_decides_what_is_scored_already(
    shops,
) -> None:
    register(shops)
    first = predict_data(shops, "model:sum", "data:orders@1", at=LATER)
    again = predict_data(shops, "model:sum", "data:orders@1", at=LATER)
    assert (again.is_new, again.predictions, again.views) == (False, first.predictions, first.views)
    used = {edge.name: edge for edge in shops.ports.ledger.edges([first.run], "up", 1)}
    assert {"model", "data", "code", "environment", "view:history", "view:calendar"} <= set(used)
    assert used["source:orders"].artifact == resolve(shops, "data:orders@1").artifact
    assert find_artifact(shops, used["view:history"].artifact).kind == "view"

    ingest(shops, "orders", orders(40), append=True, at=LATER + timedelta(days=1))
    newer = predict_data(shops, "model:sum", "data:orders@1")
    assert (newer.is_new, newer.predictions) == (True, "predictions:sum-orders@2")
    assert "history of data:orders@2" in str(newer)
    assert not predict_data(shops, "model:sum", "data:orders@1", at=LATER).is_new


def test_more_rows_than_memory_holds_are_joined_part_by_part(shops, monkeypatch) -> None:
    register(shops)
    monkeypatch.setattr(
        joined_rows, "view_batches",
        lambda *given: view_batches(*given, in_memory_rows=-1, part_rows=100),
    )  # fmt: skip
    scored = predict_data(shops, "model:sum", "data:orders", at=LATER)
    rows, wanted = rows_of(shops, scored.predictions).frame, joined(orders())
    assert rows.select(wanted.columns).equals(wanted)


def test_columns_of_the_data_stand_where_no_view_is_needed(shops) -> None:
    register(shops)
    whole = pl.concat([orders().drop("hour"), joined(orders())], how="horizontal")
    ingest(shops, "whole", whole.with_columns(orders_1d=7), at=LATER)
    scored = predict_data(shops, "model:sum", "data:whole", at=LATER)
    assert scored.views == ()
    assert set(rows_of(shops, scored.predictions).frame["orders_1d"]) == {7}


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ("shop", r"data:bare@1 has no column 'shop', a key of the view history.*'orders_1d'"),
        ("ordered_at", r"no column 'ordered_at', the time at which the view history is asked"),
        ("units", r"data:bare@1 has no column 'units', which model:sum@1 takes"),
    ],
)
def test_rows_that_cannot_ask_are_refused_with_view_key_and_data(shops, without, told) -> None:
    register(shops)
    ingest(shops, "bare", orders().drop("hour", without), at=LATER)
    with pytest.raises(InvalidInputError, match=told):
        predict_data(shops, "model:sum", "data:bare", at=LATER)
    assert not shops.ports.ledger.keys(["scored:"])


def test_a_model_without_a_time_cannot_ask_a_view_of_the_past(shops) -> None:
    register(shops, context=("id", "band"), time="")
    with pytest.raises(InvalidInputError, match="model:sum@1 names no time, at which the view his"):
        predict_data(shops, "model:sum", "data:orders", at=LATER)


def test_a_source_that_had_no_version_yet_is_told_with_its_view(shops) -> None:
    register(shops)
    with pytest.raises(NotFoundError, match="the view history: "):
        predict_data(shops, "model:sum", "data:orders@1", at=START)


def test_code_that_cannot_be_read_is_told_where_a_column_is_missing(shops, project) -> None:
    register(shops)
    (project / "broken.py").write_text("import tidemill\n\nundefined\n")
    with pytest.raises(InvalidInputError, match="no column 'orders_1d'") as told:
        predict_data(shops, "model:sum", "data:orders", at=LATER)
    assert "broken.py:3" in told.value.fix
