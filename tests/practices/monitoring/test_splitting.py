"""A split honours times, entities and weights."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.errors import InvalidInputError
from tidemill.practices.monitoring.splitting import split

shapes = st.tuples(st.integers(20, 200), st.integers(5, 15), st.integers(0, 5))


def rows_of(shape):
    rows, people, seed = shape
    rng = np.random.default_rng(seed)
    who = np.concatenate([np.arange(people), rng.integers(0, people, rows - people)])
    return pl.DataFrame(
        {"row": range(rows), "who": who, "day": rng.integers(0, 15, rows),
         "weight": rng.gamma(1, 1, rows)}
    )  # fmt: skip


@given(shapes)
def test_no_entity_is_on_both_sides_and_no_row_is_lost(shape):
    rows = rows_of(shape)
    fit, held = split(rows, group="who", fraction=0.3)
    assert not set(fit["who"]) & set(held["who"])
    assert sorted([*fit["row"], *held["row"]]) == rows["row"].to_list()


@given(shapes)
def test_with_times_everything_held_out_is_newer(shape):
    fit, held = split(rows_of(shape), time="day")
    assert fit["day"].max() < held["day"].min()


@given(shapes)
def test_the_share_held_out_is_one_of_weights(shape):
    rows = rows_of(shape)
    _, held = split(rows, weight="weight", fraction=0.4)
    share = held["weight"].sum() / rows["weight"].sum()
    assert 0.4 - 1e-9 <= share <= 0.4 + rows["weight"].max() / rows["weight"].sum() + 1e-9


def test_the_same_seed_gives_the_same_split_and_another_one_another():
    rows = rows_of((200, 10, 1))
    assert split(rows, seed=1)[1].equals(split(rows, seed=1)[1])
    assert not split(rows, seed=1)[1].equals(split(rows, seed=2)[1])


@pytest.mark.parametrize(("given", "what"), [({"group": "whom"}, "who"), ({"fraction": 2}, "2")])
def test_what_cannot_be_split_says_why(given, what):
    with pytest.raises(InvalidInputError, match=what):
        split(rows_of((30, 5, 0)), **given)


def test_a_pandas_frame_is_split_into_pandas_frames_and_an_arrow_table_into_polars_frames():
    pandas, pyarrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    rows = rows_of((60, 8, 3))
    fit, held = split(rows, group="who")
    frame = rows.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    fit_too, held_too = split(frame, group="who")
    assert (list(fit_too["row"]), list(held_too["row"])) == (list(fit["row"]), list(held["row"]))
    assert split(pyarrow.table(rows), group="who")[1].equals(held)


def test_what_is_no_frame_is_told():
    with pytest.raises(InvalidInputError, match="a list is no frame"):
        split([1, 2, 3])
