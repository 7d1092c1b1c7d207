"""On-demand views: features of the row that asks alone, the same wherever it asks."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.app.places import open_record
from tidemill.core.errors import InvalidInputError
from tidemill.lineage.artifacts import find_artifact
from tidemill.lineage.refs import resolve
from tidemill.practices.features.on_demand import on_demand_view
from tidemill.practices.features.operations import (
    get_features,
    materialize_views,
    push_rows,
    vectors,
)
from tidemill.practices.features.row_features import as_logged, row_batches, row_features
from tidemill.practices.features.view_definitions import diff_views, put_view, show_view
from tidemill.practices.pipelines.operations import run_pipeline
from tidemill.practices.versioning.data import ingest
from tidemill.practices.versioning.tables import scan_table

COLUMNS = {"at": datetime, "area": float, "rooms": int}
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@on_demand_view(columns=COLUMNS, features=("hour", "size", "each"))
def home(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(
        hour=pl.col("at").dt.hour().cast(pl.Int64),
        size=pl.when(pl.col("area") > 100).then(pl.lit("large")).otherwise(pl.lit("small")),
        each=pl.col("area") / pl.col("rooms"),
    )


def asked(*rows) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["at", "area", "rooms", "name"], orient="row")


def test_values_are_of_the_row_alone_and_other_columns_do_not_matter() -> None:
    found = row_features(home, asked((NOON, 120.0, 4, "x"), (NOON, None, None, "y")))
    assert found.rows() == [(12, "large", 30.0), (12, "small", None)]
    assert found.columns == ["hour", "size", "each"]


@pytest.mark.parametrize(
    "spelled", ["2026-01-05T12:00:00Z", "2026-01-05T13:00:00+01:00", NOON.replace(tzinfo=None)]
)
def test_what_is_spelled_otherwise_has_the_same_values(spelled) -> None:
    rows = pl.DataFrame({"at": [spelled], "area": ["120"], "rooms": [4.0]})
    assert row_features(home, rows).rows() == [(12, "large", 30.0)]


def test_logged_times_are_whole_numbers_and_have_the_same_values() -> None:
    rows = asked((NOON, 120.0, 4, "x"))
    logged = rows.with_columns(pl.col("at").dt.timestamp("us"))
    assert row_features(home, as_logged(home, logged)).equals(row_features(home, rows))


@given(areas=st.lists(st.floats(0, 300), max_size=30), batch=st.integers(1, 8))
def test_batch_by_batch_the_values_are_those_of_the_whole(areas, batch) -> None:
    rows = pl.DataFrame(
        {"at": [NOON] * len(areas), "area": areas, "rooms": [2] * len(areas)},
        schema={"at": pl.Datetime("us", "UTC"), "area": pl.Float64, "rooms": pl.Int64},
    )
    found = pl.concat(row_batches(home, rows.lazy(), batch))
    assert found.equals(row_features(home, rows))


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda rows: rows.with_columns(hour=1, size=pl.col("town"), each=2), "home fails: .*town"),
        (lambda rows: rows.with_columns(hour=1, size=2), "home does not give 'each'"),
        (lambda rows: rows.with_columns(hour=1, size=2, each=3).head(1), "1 rows for 2"),
        (lambda rows: rows.select(hour=1, size=2, each=3), "1 rows for 2"),
        (lambda rows: rows.with_columns(hour=1, size=2, each=3).reverse(), "in another order"),
        (lambda rows: 7, "gives int"),
    ],
)
def test_a_function_that_gives_something_else_is_told_with_the_view(function, told) -> None:
    view = on_demand_view(columns=COLUMNS, features=("hour", "size", "each"), name="home")(function)
    with pytest.raises(InvalidInputError, match=told) as error:
        row_features(view, asked((NOON, 1.0, 1, "x"), (NOON, 2.0, 2, "y")))
    assert error.value.fix


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows.drop("area"), "home need a column 'area'"),
        (lambda rows: rows.with_columns(area=pl.lit("wide")), "'area'.*home is declared as float"),
        (lambda rows: rows.with_columns(area=pl.lit(NOON)), "'area'.*home is declared as float"),
        (lambda rows: rows.with_columns(at=1_700_000_000), "'at of view home' holds no times"),
    ],
)
def test_rows_without_a_column_or_of_another_type_are_told_with_the_view(change, told) -> None:
    with pytest.raises(InvalidInputError, match=told):
        row_features(home, change(asked((NOON, 1.0, 1, "x"))))


@pytest.mark.parametrize(
    ("columns", "features"),
    [({}, ("x",)), ({"a": int}, ()), ({"a": list}, ("x",)), ({"a": int}, ("a",)),
     ({"a": int}, ("x", "x"))],
)  # fmt: skip
def test_a_definition_that_cannot_be_is_refused(columns, features) -> None:
    with pytest.raises(InvalidInputError, match="the on-demand view nothing"):
        on_demand_view(columns=columns, features=features, name="nothing")(lambda rows: rows)


CODE = """
from datetime import date

import polars as pl

import tidemill as tm


@tm.feature_view(source="sales", entity="shop", time="day", features={"days": tm.count("30d")})
def history(rows):
    return rows


@tm.on_demand_view(columns={"day": date, "shop": str}, features=("weekday", "first"))
def calendar(rows):
    return rows.with_columns(
        weekday=pl.col("day").dt.weekday().cast(pl.Int64), first=pl.col("shop").str.head(1)
    )


@tm.step
def questions(sales: pl.DataFrame) -> pl.DataFrame:
    return sales.select("shop", "day")


@tm.pipeline
def sell() -> None:
    tm.training_set(questions(tm.data("sales")), views=[calendar, history], time="day")
"""
SALES = pl.DataFrame({"shop": ["Ulm", "Bonn"], "day": [date(2026, 1, 5), date(2026, 1, 6)]})


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "tidemill.toml").write_text('[project]\nname = "shop"\n')
    (tmp_path / "sell.py").write_text(CODE)
    record = open_record(tmp_path, environment={"TIDEMILL_ACTOR": "ada"})
    ingest(record, "sales", SALES, at=NOON)
    yield record
    record.ports.close()


def test_training_sets_and_vectors_have_the_same_values(shop) -> None:
    (kept,) = [s for s in run_pipeline(shop, "sell", at=NOON).steps if s.name == "side_by_side"]
    (made,) = [e for e in shop.ports.ledger.edges([kept.run], "down", 1) if e.role == "made"]
    table = find_artifact(shop, made.artifact)
    trained = scan_table(shop.ports.objects, table.manifest, table.id).collect()
    assert trained.columns == ["shop", "day", "weekday", "first", "days"]
    assert trained.select("weekday", "first").rows() == [(1, "U"), (2, "B")]
    materialize_views(shop, at=NOON + timedelta(days=1))
    found = vectors(shop, SALES, time="day").frame
    assert found.equals(trained.select(found.columns))
    alone = vectors(shop, SALES, views=("calendar",), time="no such column")
    assert alone.frame.rows() == [(1, "U"), (2, "B")]
    assert alone.sources == ()


def test_one_entity_is_asked_with_text(shop) -> None:
    told = get_features(shop, "calendar", entity=("shop=Ulm", "day=2026-01-05"))
    assert told.values == {"weekday": 1, "first": "U"}


def test_only_its_definition_is_kept_and_nothing_is_pushed(shop) -> None:
    (made,) = materialize_views(shop, "calendar", at=NOON).views
    assert (made.source, made.entities) == ("the row that asks", 0)
    version = resolve(shop, "view:calendar")
    shown = str(show_view(shop, find_artifact(shop, version.artifact)))
    assert "computed from day (date), shop (str) of the row that asks" in shown
    with pytest.raises(InvalidInputError, match="calendar is computed from the row that asks"):
        push_rows(shop, "calendar", SALES)


def test_two_definitions_differ_by_their_columns_and_features(shop) -> None:
    def made(columns, features):
        view = on_demand_view(columns=columns, features=features, name="home")(home.function)
        return put_view(shop, view)

    told = str(diff_views(shop, made({"a": int}, "x"), made({"a": float}, ("x", "y"))))
    assert "column a" in told
    assert "feature y" in told
    assert "feature x" not in told
