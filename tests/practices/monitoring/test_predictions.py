"""Why a prediction is as it is: its deployment, its model, its features and their rows."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from served_world import START, days_of_rows

from tidemill.lineage.operations import why
from tidemill.lineage.record import Record
from tidemill.practices.monitoring.agreement import feature_agreement
from tidemill.practices.monitoring.feature_values import feature_origins
from tidemill.practices.monitoring.operations import KINDS, locate_prediction, show_prediction
from tidemill.practices.monitoring.predictions import find_prediction
from tidemill.practices.monitoring.windows import collect
from tidemill.practices.versioning.data import ingest

APRIL = datetime(2013, 4, 1, tzinfo=UTC)
MAY = datetime(2013, 5, 1, tzinfo=UTC)

VIEWS = """
from tidemill.practices.features.declare import feature_view, latest

@feature_view(source="gauge", entity="carrier", time="seen", features={"x": latest("x")})
def gauge(rows):
    return rows
"""


@pytest.fixture
def served(world):
    world.deploy(world.train(days_of_rows(START, 10)))
    return world


def with_kinds(record: Record) -> Record:
    import dataclasses

    return dataclasses.replace(record, kinds={kind.name: kind for kind in KINDS})


def test_why_leads_from_a_prediction_to_deployment_model_and_pipeline(served) -> None:
    ids = served.predict(days_of_rows(APRIL, 1, rows=5))
    collect(served.record, "delay", window="2013-04", at=MAY)
    told = str(why(with_kinds(served.record), f"prediction:{ids[0][-8:]}"))
    for wanted in ("score =", "deployment:delay@1", "rollout delay", "model:delay@1", "pipeline"):
        assert wanted in told
    located = locate_prediction(served.record, ids[0])
    assert located.came_from == (("deployment", "deployment:delay@1"),)
    assert "flight" in str(show_prediction(served.record, ids[0]))


def test_a_logged_feature_is_computed_again_from_the_newest_rows_as_agreement_does(served) -> None:
    (served.root / "views.py").write_text(VIEWS)
    rows = days_of_rows(APRIL, 1, rows=4)
    seen = rows.select("carrier", "x", seen=pl.col("when") - timedelta(hours=1))
    ingested = {"append": False, "key": (), "watchers": (), "because": ""}
    ingest(served.record, "gauge", seen, at=APRIL + timedelta(days=1), **ingested)
    ids = served.predict(rows)
    found = find_prediction(served.record, ids[2])
    origins = feature_origins(served.record, found)
    (used,) = origins.features
    assert (used.feature, used.is_equal, used.source) == ("x", True, "data:gauge@1")
    assert used.rows == (3,)
    assert "from row 3 of data:gauge@1" in origins.lines[0]
    ingest(served.record, "gauge", seen.with_columns(x=0.0), at=MAY, **ingested)
    collect(served.record, "delay", window="2013-04", at=MAY)
    assert "but 0.0 from row 3 of data:gauge@2" in feature_origins(served.record, found).lines[0]
    (told,) = feature_agreement(served.record, "delay", window="2013-04").features
    assert (told.source, told.differing) == ("data:gauge@2", 4)


def test_a_prediction_after_the_newest_version_says_that_rows_may_be_missing(served) -> None:
    (served.root / "views.py").write_text(VIEWS)
    old = pl.DataFrame({"carrier": ["AA"], "x": [9.0], "seen": [START]})
    ingest(served.record, "gauge", old, append=False, key=(), watchers=(), at=START, because="")
    ids = served.predict(days_of_rows(APRIL, 1, rows=4))
    origins = feature_origins(served.record, find_prediction(served.record, ids[0]))
    assert any("older than the prediction" in note for note in origins.notes)
    assert not origins.features[0].is_equal


def test_what_was_reported_only_after_a_prediction_is_found_in_the_version_that_brought_it(
    served,
) -> None:
    (served.root / "views.py").write_text(VIEWS)
    rows = days_of_rows(APRIL, 1, rows=4)
    known = pl.DataFrame({"carrier": rows["carrier"], "x": rows["x"] + 1, "seen": [START] * 4})
    told = pl.DataFrame({"carrier": rows["carrier"], "x": rows["x"], "seen": rows["when"]})
    for frame, at in (
        (known, rows["when"].max()),
        (told, MAY),
    ):  # the last hours come a month later
        ingest(served.record, "gauge", frame, append=True, key=(), watchers=(), at=at, because="")
    ids = served.predict(rows)
    for one in ids:
        (used,) = feature_origins(served.record, find_prediction(served.record, one)).features
        assert (used.is_equal, used.source) == (True, "data:gauge@2"), str(used)
