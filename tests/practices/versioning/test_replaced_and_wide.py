"""Rows replaced as a whole, wide tables, odd folders, and requests that are not what they say."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from tidemill.adapters.local.object_store import LocalObjectStore
from tidemill.core.errors import InvalidInputError
from tidemill.core.signature import Field, Signature
from tidemill.practices.versioning import tables
from tidemill.practices.versioning.columns import matrix
from tidemill.practices.versioning.data import ingest, scan_data
from tidemill.practices.versioning.signatures import infer_signature
from tidemill.practices.versioning.tables import scan_table, store_table

FIRST, SECOND = pl.DataFrame({"x": [1, 2]}), pl.DataFrame({"x": [3]})


def test_what_was_appended_before_the_rows_were_replaced_is_appended_again(record) -> None:
    ingest(record, "sales", FIRST)
    ingest(record, "sales", SECOND, append=True)
    ingest(record, "sales", FIRST)
    again = ingest(record, "sales", SECOND, append=True)
    assert (again.is_new, again.rows) == (True, 3)
    assert scan_data(record, "data:sales").collect()["x"].to_list() == [1, 2, 3]
    assert not ingest(record, "sales", SECOND, append=True).is_new


def test_a_snapshot_that_changes_nothing_forgets_no_delivery(record) -> None:
    ingest(record, "sales", FIRST)
    ingest(record, "sales", SECOND, append=True)
    assert not ingest(record, "sales", pl.concat([FIRST, SECOND])).is_new
    assert not ingest(record, "sales", SECOND, append=True).is_new
    assert scan_data(record, "data:sales").collect().height == 3


def test_a_wide_table_is_written_in_fragments_of_bounded_bytes(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tables, "FRAGMENT_BYTES", 100_000)
    objects = LocalObjectStore(tmp_path / "objects")
    wide = pl.DataFrame({f"c{n}": range(300_000) for n in range(2)})
    eager, lazy = store_table(objects, wide), store_table(objects, wide.lazy())
    assert len(eager.manifest.fragments) > 1
    assert eager.artifact.id == lazy.artifact.id
    assert scan_table(objects, eager.artifact.manifest, eager.artifact.id).collect().equals(wide)


def test_rows_are_read_from_a_folder_whose_name_looks_like_a_pattern(tmp_path) -> None:
    objects = LocalObjectStore(tmp_path / "old [1] *?" / "objects")
    stored = store_table(objects, FIRST)
    assert scan_table(objects, stored.artifact.manifest, stored.artifact.id).collect().equals(FIRST)


def test_a_date_that_a_signature_takes_is_days_to_the_model() -> None:
    frame = pl.DataFrame({"day": [date(1970, 1, 3), None]})
    assert matrix(infer_signature(frame), frame)[0].tolist() == [2.0]


@pytest.mark.parametrize("values", [np.array(["12"]), np.array(["12"], dtype=object)])
def test_text_is_no_number_even_where_it_looks_like_one(values) -> None:
    takes = Signature(inputs=(Field(name="x", datatype="FP64"),), outputs=())
    with pytest.raises(InvalidInputError, match="'x' takes FP64"):
        matrix(takes, {"x": values})


def test_columns_of_different_lengths_are_named() -> None:
    fields = tuple(Field(name=name, datatype="FP64") for name in "xy")
    with pytest.raises(InvalidInputError, match="'x' has 1 rows and 'y' has 2"):
        matrix(Signature(inputs=fields, outputs=()), {"x": np.ones(1), "y": np.ones(2)})
