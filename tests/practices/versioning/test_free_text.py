"""Text that people wrote is no category."""

import polars as pl
import pytest

from tidemill.practices.versioning.signatures import infer_signature

BODIES = [f"dear sir, number {i}" for i in range(150)]


@pytest.mark.parametrize("rows", [pl.DataFrame({"body": BODIES}), {"body": BODIES}])
def test_a_column_of_many_levels_nearly_all_once_is_text(rows):
    assert infer_signature(rows).inputs[0].categories is None


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("c", BODIES[:90]),
        pl.Series("c", BODIES * 2),
        pl.Series("c", BODIES, dtype=pl.Categorical),
    ],
)
def test_few_levels_levels_that_come_again_and_declared_categories_stay_categories(column):
    assert infer_signature(column.to_frame()).inputs[0].categories
