"""Where Polars and NumPy once read a row rule differently, and do no more."""

import numpy as np
import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.kernels import row_rules
from tidemill.kernels.row_rules_numpy import failed_numpy
from tidemill.kernels.row_rules_polars import failed_polars


@pytest.mark.parametrize(
    ("text", "whole", "fails"),
    [
        ("i / i <= f", [0], [False]),  # NaN against nothing: missing, so it passes
        ("f >= i / i", [0], [False]),
        ("f is None and i / i == 1", [0], [True]),  # NaN against a number: false
        ("f is None and not i / i == f", [0], [False]),
    ],
)
def test_a_computed_nan_beside_a_missing_value_is_missing_to_both(text, whole, fails) -> None:
    rule = row_rules.expression("r", text, {"i": "int", "f": "float"})
    frame = pl.DataFrame(
        {"i": whole, "f": [None] * len(whole)}, schema={"i": pl.Int64, "f": pl.Float64}
    )
    columns = {"i": np.array(whole), "f": np.zeros(len(whole))}
    valid = {"i": np.ones(len(whole), dtype=bool), "f": np.zeros(len(whole), dtype=bool)}
    assert frame.select(failed_polars(rule)).to_series().to_list() == fails
    assert failed_numpy(rule, columns, valid).tolist() == fails


def test_a_count_in_digits_of_another_script_is_refused_as_a_pattern() -> None:
    with pytest.raises(InvalidInputError):
        row_rules.pattern("s", "str", "a{\N{ARABIC-INDIC DIGIT THREE}}")
