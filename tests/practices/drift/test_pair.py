"""Two windows compared with nothing else set up."""

import numpy as np
import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.practices.drift.pair import compared_windows


def window(rows, *, seed, shift=0.0, missing=0.0, share=0.5):
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, rows)
    x = np.where(rng.random(rows) < missing, np.nan, x)
    return pl.DataFrame(
        {"x": x, "z": rng.gamma(2, 1, rows), "kind": np.where(rng.random(rows) < share, "a", "b"),
         "id": np.arange(rows) + seed * 10**6}
    ).with_columns(pl.col("x").fill_nan(None))  # fmt: skip


def compare(old, new, **more):
    return compared_windows(("old", old), ("new", new), **more)


@pytest.mark.parametrize(
    ("change", "column"),
    [({"shift": 0.5}, "x"), ({"missing": 0.1}, "x"), ({"share": 0.7}, "kind")],
)
def test_what_has_changed_is_named_and_nothing_else(change, column):
    pair = compare(window(800, seed=1), window(800, seed=2, **change))
    assert pair.state == "fail"
    assert pair.drifted == (column,)


def test_equal_worlds_pass_and_keys_are_not_compared():
    false = sum(
        compare(window(200, seed=2 * k + 1), window(200, seed=2 * k + 2), alpha=0.1).has_drift
        for k in range(60)
    )
    assert false <= 14  # 6 are promised
    notes = compare(window(200, seed=1), window(200, seed=2)).notes
    assert any("id is not compared" in note for note in notes)


def test_too_few_days_say_so_instead_of_passing():
    days = pl.Series("day", ["2024-01-0" + str(1 + k % 3) for k in range(200)])
    old = window(200, seed=1).with_columns(days)
    pair = compare(old, window(200, seed=2).with_columns(days), time="day")
    assert pair.state == "not_run"
    assert "too few" in pair.notes[-1]


def test_a_change_below_the_least_size_is_no_drift():
    old, new = window(20_000, seed=1), window(20_000, seed=2, shift=0.08)
    assert compare(old, new).has_drift
    assert not compare(old, new, least=0.1).has_drift


def test_groups_are_dealt_as_a_whole():
    rng = np.random.default_rng(0)

    def visits(seed):
        people = np.repeat(np.arange(30), 30)
        level = np.random.default_rng(seed).normal(size=30)
        x = level[people] + 0.2 * rng.normal(size=900)
        return pl.DataFrame({"who": [f"p{p}" for p in people], "x": x})

    by_rows = sum(compare(visits(k), visits(k + 50), columns=["x"]).has_drift for k in range(12))
    by_who = sum(
        compare(visits(k), visits(k + 50), columns=["x"], group="who").has_drift for k in range(12)
    )
    assert by_who <= 1
    assert by_rows >= 6


def test_a_column_that_is_not_there_names_the_closest():
    with pytest.raises(InvalidInputError, match="did you mean 'kind'"):
        compare(window(50, seed=1), window(50, seed=2), columns=["kinds"])


def test_in_an_empty_folder_one_command_compares_two_files(tmp_path, tidemill):
    window(300, seed=1).write_csv(tmp_path / "old.csv")
    window(300, seed=2, shift=1.0).write_csv(tmp_path / "new.csv")
    done = tidemill("drift", "compare", "old.csv", "new.csv", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "drift in 1 of 3 columns" in done.stdout
