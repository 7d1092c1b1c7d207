"""Numbers that a format cannot take are bad input, named by column and row."""

import numpy as np
import pytest
from made_models import MAKERS

from tidemill.core.errors import InvalidInputError


@pytest.mark.parametrize("value", [1e39, -1e39, float("inf")])
def test_xgboost_names_the_row_of_a_number_beyond_float32(value: float) -> None:
    model = MAKERS["xgboost-json"]("regression")
    names = [field.name for field in model.signature.inputs]
    rows = {name: np.zeros(3) for name in names}
    rows[names[0]] = np.array([0.0, 0.0, value])
    with pytest.raises(InvalidInputError, match="row 3"):
        model.predict(rows)
    rows[names[0]] = np.array([0.0, np.nan, 3e38])
    assert len(model.predict(rows)["score"]) == 3
