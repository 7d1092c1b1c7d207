"""What to do about a column that neither data to be scored nor views have."""

from tidemill.practices.delivery.missing_columns import missing_column_fix


def test_a_column_that_is_nearly_there_is_named() -> None:
    assert "is it 'area'" in missing_column_fix("aera", ["area", "town"])


def test_else_what_there_is_and_what_would_bring_it() -> None:
    told = missing_column_fix("temp_last", ["area", "town"])
    assert "its columns are area, town" in told
    assert "a declared view that gives 'temp_last'" in told


def test_where_the_code_cannot_be_read_that_is_told_first() -> None:
    assert "views.py:3 cannot be" in missing_column_fix("aera", ["area"], "views.py:3 cannot be")
