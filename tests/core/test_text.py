"""Tables fit: the columns that a text has, or those of a narrow terminal."""

from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.text import WIDTH, table, within_columns

cells = st.lists(st.text("abc ", min_size=1, max_size=60), min_size=3, max_size=3)


@given(st.lists(cells, min_size=1, max_size=5), st.integers(60, 200))
def test_a_list_is_no_wider_than_the_columns_there_are(rows, columns) -> None:
    with within_columns(columns):
        drawn = table(["a", "b", "c"], rows, is_list=True)
    assert max(map(len, drawn.splitlines())) <= min(columns, WIDTH)
