"""An on-demand view whose values depend on the other rows that ask is caught, with the row."""

import numpy as np
import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.practices.features.on_demand import on_demand_view
from tidemill.practices.integration.row_wise import row_wise_finding

ROWS = pl.DataFrame({"area": np.random.default_rng(0).uniform(20, 200, 500)})
area = pl.col("area")


def view(expression: pl.Expr, **changes):
    declare = on_demand_view(columns={"area": float}, features="size", name="home")
    return declare(changes.get("function", lambda rows: rows.with_columns(size=expression)))


@pytest.mark.parametrize("expression", [area * 2, area > 100, pl.lit(7), area.log1p().round(2)])
def test_a_view_of_its_own_row_passes(expression) -> None:
    finding = row_wise_finding(view(expression), ROWS)
    assert (finding.state, finding.rule) == ("pass", "leak:home")


@pytest.mark.parametrize(
    ("expression", "how"),
    [
        (area - area.mean(), "alone"),
        (area.rank(), "alone"),
        (area.shift(-1), "in another order"),
        (pl.int_range(pl.len()), "in another order"),
        (pl.len() + area * 0, "alone"),
    ],
)
def test_a_view_of_other_rows_is_caught_with_feature_row_and_way(expression, how) -> None:
    finding = row_wise_finding(view(expression), ROWS)
    assert finding.state == "fail"
    assert "home depends on the other rows that ask: size of area = " in finding.what
    assert finding.what.endswith(how) or "order" in finding.what
    assert "view home" in finding.fix


def test_a_view_that_sorts_behind_a_select_is_caught() -> None:
    sorting = view(area, function=lambda rows: rows.sort("area").select(size=area * 2))
    assert row_wise_finding(sorting, ROWS).state == "fail"


def test_a_view_that_fails_is_an_error_that_names_it() -> None:
    with pytest.raises(InvalidInputError, match="home fails"):
        row_wise_finding(view(pl.col("town")), ROWS)


def test_no_rows_tell_nothing() -> None:
    assert row_wise_finding(view(area), ROWS.head(0)).state == "pass"
