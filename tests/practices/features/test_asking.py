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


@tm.feature_view(
    source="flights", entity="plane", time="landed_at", features={"landed": tm.count("30d")},
)
def windows(flights):
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
    asked = get_features(planes, "planes", entity={"plane": "N1"}, at=AT)
    assert asked == get_features(planes, "planes", entity=("plane=N1",), at=AT)
    assert asked.values == {"built": 1999, "landings": 2}


def test_a_year_is_shown_without_a_comma(planes) -> None:
    assert "1999" in str(get_features(planes, "planes", entity={"plane": "N1"}, at=AT))


def test_rows_may_be_a_list_of_dicts_and_their_time_text(planes) -> None:
    push_rows(planes, "planes", [{**ROWS[0], "landed_at": "2013-02-03T01:00:00+01:00"}], at=AT)
    found = vectors(
        planes,
        [{"plane": "N1", "at": "2013-03-01"}, {"plane": "N2", "at": AT.isoformat()}],
        views=("planes",),
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


def test_a_time_before_what_the_store_keeps_is_refused_with_the_way_to_the_past(planes) -> None:
    materialize(planes, "windows", at=parse_time("2013-06-01"))
    with pytest.raises(InvalidInputError, match=r"known at 2013-06-01.*from 2013-05-30 on") as told:
        get_features(planes, "windows", entity={"plane": "N1"}, at=AT)
    assert "tidemill view materialize windows --at 2013-03-01" in told.value.fix
    with pytest.raises(InvalidInputError, match="asked about 2013-03-01"):
        vectors(planes, [{"plane": "N1", "at": "2013-03-01"}], views=("windows",))


def test_what_is_answered_says_as_known_when_and_what_is_missing_since(planes) -> None:
    push_rows(
        planes, "planes", [{**ROWS[0], "landed_at": "2013-03-04"}], at=parse_time("2013-03-05")
    )
    assert "planes, as known at 2013-03-05" in str(
        get_features(planes, "planes", entity={"plane": "N1"}, at=parse_time("2013-03-05"))
    )
    later = str(get_features(planes, "planes", entity={"plane": "N1"}))
    assert "rows since 2013-03-05 are not in the store" in later


def test_an_unknown_entity_and_one_that_is_too_old_are_told_apart(planes) -> None:
    late = parse_time("2013-03-09")
    materialize(planes, "windows", at=late)
    unknown = get_features(planes, "windows", entity={"plane": "N2"}, at=late)
    too_old = get_features(planes, "windows", entity={"plane": "N1"}, at=late)
    assert unknown.values == too_old.values == {"landed": 0}
    assert "knows no such entity" in str(unknown)
    assert "too old" in str(too_old)
    both = vectors(
        planes,
        [{"plane": "N1", "at": late.isoformat()}, {"plane": "N2", "at": late.isoformat()}],
        views=("windows",),
    )
    assert [(one.unknown, one.too_old) for one in both.sources] == [(1, 1)]
