"""Steps and metrics are plain functions: they are tested without tidemill running."""

import pandas as pd
import polars as pl
from pipeline import split, within_50
from raw import COLUMNS, write_raw_files


def test_no_patient_is_on_both_sides(tmp_path) -> None:
    patients = pd.read_csv(write_raw_files(tmp_path) / "patients.csv")
    fitted, held_out = split(patients)
    assert list(patients.columns) == ["patient_id", *COLUMNS, "progression"]
    assert len(fitted) + len(held_out) == len(patients)
    assert not set(fitted["patient_id"]) & set(held_out["patient_id"])


def test_the_metric_counts_answers_that_are_near() -> None:
    rows = pl.DataFrame({"label": [100.0, 100.0], "prediction": [150.0, 151.0]})
    assert within_50(rows) == 0.5
