"""What a backtest says: which way its difference goes, and never a zero with a sign."""

import pytest

from tidemill.practices.training.backtest import Backtest


@pytest.mark.parametrize(
    ("metric", "minus"), [("auc", "served minus other"), ("log_loss", "other minus served")]
)
def test_the_difference_is_named_and_zero_has_no_minus(metric: str, minus: str) -> None:
    told = str(Backtest(
        model="model:delay@1", window="2013-06", metric=metric, served=0.7, other=0.7,
        gain=-1e-9, low=-2e-9, high=1e-3, rows=1000, days=30,
    ))  # fmt: skip
    words = " ".join(told.split())
    assert minus in words
    assert "-0.0000" not in told
    assert "above 0 what served was better" in words
