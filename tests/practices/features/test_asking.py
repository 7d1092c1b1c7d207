"""Asking for features in the ways of Python: dicts, lists of dicts, times as text."""

import polars as pl
import pytest

from tidemill.app.places import open_record
from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_time
from tidemill.practices.features.operations import get_features, push_rows, vectors
from tidemill.practices.features.operations import materialize_views as materialize
from tidemill.practices.versioning.data import ingest

VIEWS = """
import tidemill as tm


@tm.feature_view(
    source="flights", entity="plane", time="landed_at",
    features={"built": tm.latest("built"), "landings": tm.count("30d")},
)
def planes(flights):
    return flights
"""
AT = parse_time("2013-03-01")
ROWS = [
    {"plane": "N1", "landed_at": "2013-02-01T10:00:00Z", "built": 1999},
    {"plane": "N1", "landed_at": "2013-02-02", "built": 1999},
]


@pytest.fixture
def planes(tmp_path):
    (tmp_path / "tidemill.toml").write_text('[project]\nname = "flights"\n')
    (tmp_path / "views.py").write_text(VIEWS)
    record = open_record(tmp_path, environment={"TIDEMILL_ACTOR": "ada"})
    ingest(record, "flights", pl.DataFrame(ROWS), at=AT)
    materialize(record, at=AT)
    yield record
    record.ports.close()


def test_a_dict_of_keys_is_as_good_as_name_equals_value(planes) -> None:
    asked = get_features(planes, entity={"plane": "N1"}, at=AT)
    assert asked == get_features(planes, entity=("plane=N1",), at=AT)
    assert asked.values == {"built": 1999, "landings": 2}


def test_a_year_is_shown_without_a_comma(planes) -> None:
    assert "1999" in str(get_features(planes, entity={"plane": "N1"}, at=AT))


def test_rows_may_be_a_list_of_dicts_and_their_time_text(planes) -> None:
    push_rows(planes, "planes", [{**ROWS[0], "landed_at": "2013-02-03T01:00:00+01:00"}], at=AT)
    found = vectors(
        planes, [{"plane": "N1", "at": "2013-03-01"}, {"plane": "N2", "at": AT.isoformat()}]
    )
    assert found.frame.rows() == [(1999, 3), (None, 0)]


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (1_365_811_200_000, "probably milliseconds"),
        (1_365_811_200, "probably seconds"),
        ("noon", "'noon' is not a date or time"),
    ],
)
def test_what_is_no_time_is_told_with_its_probable_unit(planes, at, told) -> None:
    with pytest.raises(InvalidInputError, match=told):
        vectors(planes, [{"plane": "N1", "at": at}])
