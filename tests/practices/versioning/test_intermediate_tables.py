"""Tables that are no version, such as those between steps, are taken out like any other."""

import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.writing import opened
from tidemill.practices.versioning.operations import frame, get_data
from tidemill.practices.versioning.tables import store_table

ROWS = pl.DataFrame({"id": [1, 2, 3], "x": [0.5, None, 2.0]})


def made(record, *frames: pl.DataFrame) -> str:
    """Return the run of a step that made tables."""
    with opened(record, kind="step", name="split") as run:
        run.made(put_value(record, "note", {"a": 1}), name="note")
        for number, one in enumerate(frames):
            stored = store_table(record.ports.objects, one)
            run.made(stored.artifact, name=f"part{number}", objects=stored.objects)
    return f"run:{run.id}"


def test_a_table_between_steps_is_taken_out_by_its_id_or_by_its_run(record, tmp_path) -> None:
    run = made(record, ROWS)
    shown = get_data(record, run)
    assert (shown.version[:4], shown.rows, shown.columns) == ("td1:", 3, ("id", "x"))
    for name, ref in (("a", shown.version), ("b", run), ("c", run[:4] + run[-8:])):
        out = tmp_path / f"{name}.parquet"
        assert get_data(record, ref, out=str(out)).rows == 3
        assert pl.read_parquet(out).equals(ROWS)
        assert frame(record, ref).frame.equals(ROWS)


def test_a_run_that_made_several_tables_names_them(record) -> None:
    run = made(record, ROWS, ROWS.head(1))
    with pytest.raises(InvalidInputError, match="made several tables") as told:
        frame(record, run)
    assert "(part0)" in told.value.fix
    assert "(part1)" in told.value.fix
    with pytest.raises(InvalidInputError, match="made no table"):
        frame(record, made(record))


def test_an_artifact_that_is_no_table_or_is_not_there_is_said(record) -> None:
    made(record, ROWS)
    with pytest.raises(NotFoundError, match="no artifact td1:"):
        get_data(record, "td1:" + "0" * 12)
    note = put_value(record, "note", {"a": 1})
    with pytest.raises(InvalidInputError, match="is no table whose rows are here"):
        get_data(record, note.id)
