"""Steps are plain functions: they are tested without tidemill running."""

import polars as pl
from pipeline import split
from raw import COLUMNS, GRAPES, write_raw_files


def test_every_grape_is_on_both_sides(tmp_path) -> None:
    wines = pl.read_csv(write_raw_files(tmp_path) / "wines.csv")
    fitted, held_out = split(wines)
    assert wines.columns == ["wine_id", *COLUMNS, "grape"]
    assert set(fitted["grape"]) == set(held_out["grape"]) == set(GRAPES)
    assert not set(fitted["wine_id"]) & set(held_out["wine_id"])
