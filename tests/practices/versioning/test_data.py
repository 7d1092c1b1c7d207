"""A source becomes the next version: all of it or nothing, once, and never over another's work."""

import subprocess
import sys
from datetime import UTC, datetime

import msgspec
import polars as pl
import pytest

from tidemill.core.errors import CheckFailedError, InvalidInputError, NotFoundError
from tidemill.core.query import Query
from tidemill.core.ref import Version
from tidemill.lineage.comparison import difference
from tidemill.lineage.writing import opened
from tidemill.practices.versioning.data import ingest, open_data, scan_data
from tidemill.practices.versioning.tables import store_table

JANUARY = datetime(2024, 1, 31, tzinfo=UTC)
FEBRUARY = datetime(2024, 2, 29, tzinfo=UTC)


def rows(start: int, end: int) -> pl.DataFrame:
    return pl.DataFrame({"id": range(start, end), "x": [n / 7 for n in range(start, end)]})


def test_a_snapshot_is_version_one_and_the_same_again_adds_nothing(record) -> None:
    first = ingest(record, "sales", rows(0, 10), at=JANUARY)
    again = ingest(record, "sales", rows(0, 10), at=FEBRUARY)
    assert (first.version.number, first.is_new, first.rows) == (1, True, 10)
    assert (again.version.number, again.is_new) == (1, False)


def test_rows_known_as_something_else_are_data_too_and_can_be_compared(record) -> None:
    with opened(record, kind="step", name="split") as run:
        stored = store_table(record.ports.objects, rows(0, 3))
        run.made(msgspec.structs.replace(stored.artifact, kind="sample"), objects=stored.objects)
    first = ingest(record, "sales", rows(0, 3))
    second = ingest(record, "sales", rows(0, 4))
    assert first.version.artifact == stored.artifact.id
    found = difference(record, f"data:sales@{first.version.number}", "data:sales")
    assert (second.version.number, found.is_same_content) == (2, False)


def test_an_older_content_gets_a_new_number(record) -> None:
    for content in (rows(0, 3), rows(0, 4), rows(0, 3)):
        last = ingest(record, "sales", content)
    assert last.version.number == 3


def test_appends_grow_the_newest_version_and_are_found_by_date(record) -> None:
    ingest(record, "sales", rows(0, 10), append=True, at=JANUARY)
    second = ingest(record, "sales", rows(10, 15), append=True, at=FEBRUARY)
    assert (second.rows, second.rows_added) == (15, 5)
    assert scan_data(record, "data:sales").collect().equals(rows(0, 15))
    assert open_data(record, "data:sales@2024-02-01").version.number == 1
    assert open_data(record, "sales", at=JANUARY).rows == 10


def test_a_delivery_that_was_appended_before_adds_nothing_unless_asked(record) -> None:
    ingest(record, "sales", rows(0, 10), append=True)
    ingest(record, "sales", rows(10, 15), append=True)
    repeated = ingest(record, "sales", rows(0, 10), append=True)
    assert (repeated.is_new, repeated.version.number, repeated.rows_added) == (False, 1, 0)
    assert ingest(record, "sales", rows(0, 10), append=True, again=True).rows == 25


def test_a_file_is_read_as_a_stream_and_named(record, tmp_path) -> None:
    path = tmp_path / "sales.csv"
    rows(0, 500).write_csv(path)
    done = ingest(record, "sales", path)
    assert (done.rows, done.source) == (500, "sales.csv")


class Refusing:
    def begin(self, base) -> None:
        self.base = base

    def watch(self, batch, first_row, file):
        return batch.filter(pl.col("id") % 2 == 0)

    def finish(self, run, stored) -> None:
        raise CheckFailedError("half of it is odd", fix="send even rows")


def test_a_source_that_a_watcher_refuses_leaves_no_version(record) -> None:
    with pytest.raises(CheckFailedError):
        ingest(record, "sales", rows(0, 10), watchers=[Refusing()])
    with pytest.raises(NotFoundError):
        open_data(record, "data:sales")
    assert record.ports.ledger.find(Query(Version)) == []


def test_an_append_of_other_columns_names_them(record) -> None:
    ingest(record, "sales", rows(0, 3), append=True)
    with pytest.raises(InvalidInputError, match="x is missing"):
        ingest(record, "sales", rows(3, 4).drop("x"), append=True)


APPENDER = """
import sys, pathlib
import polars as pl
from tidemill.app.places import open_record
from tidemill.practices.versioning.data import ingest

record = open_record(pathlib.Path(sys.argv[1]), environment={"TIDEMILL_ACTOR": "ada"})
for start in range(int(sys.argv[2]), int(sys.argv[2]) + 5):
    rows = range(start * 10, start * 10 + 10)
    ingest(record, "shared", pl.DataFrame({"id": rows}), append=True)
record.ports.close()
"""


def test_processes_that_append_at_once_lose_nothing(record, project) -> None:
    workers = [
        subprocess.Popen([sys.executable, "-c", APPENDER, project, str(first)])
        for first in (0, 5, 10)
    ]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    everything = scan_data(record, "data:shared").collect()["id"].sort()
    assert everything.to_list() == list(range(150))
    assert open_data(record, "data:shared").version.number == 15


def test_a_source_without_rows_never_replaces_what_is_there(record, tmp_path) -> None:
    ingest(record, "sales", rows(0, 3))
    path = tmp_path / "empty.csv"
    path.write_text("id,x\n")
    with pytest.raises(InvalidInputError, match=r"empty\.csv has no rows"):
        ingest(record, "sales", path)
    assert open_data(record, "sales").rows == 3
