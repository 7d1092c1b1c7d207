"""What to do about a column that data to be scored do not have."""

import textwrap

from tidemill.practices.delivery.missing_columns import missing_column_fix

VIEW = """
    import tidemill as tm

    @tm.feature_view(source="weather", entity="town", time="at")
    def history(rows):
        return rows

"""


def test_a_feature_of_a_view_is_no_misspelt_column(record, project):
    (project / "views_of_weather.py").write_text(
        textwrap.dedent(VIEW).replace(
            'time="at"', 'time="at", features={"temp_last": tm.latest("temp")}'
        )
    )
    told = missing_column_fix(record, "temp_last", ["temp", "town"])
    assert "temp_last is a feature of the view history" in told
    assert "rename" not in told
    assert "is it 'area'" in missing_column_fix(record, "aera", ["area", "town"])
