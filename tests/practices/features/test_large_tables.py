"""A million rows go through add, check and training set in memory that does not grow with them."""

import subprocess
import sys

import pytest

CODE = """
import re, sys
from pathlib import Path
import polars as pl
import tidemill.practices.features.partitions as partitions
from tidemill.app.places import open_record
from tidemill.practices.features.declare import count, feature_view, total
from tidemill.practices.validation.operations import add_data
from tidemill.practices.versioning.data import scan_data
from tidemill.practices.versioning.tables import RowBatches, store_table

def peak_mb():
    text = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+)", text)[1]) / 1024

@feature_view(source="t", entity="who", time="at",
              features={"seen": count("7d"), "sum": total("x", "7d")})
def view(rows):
    return rows

rows, folder = int(sys.argv[2]), Path(sys.argv[1])
number = pl.int_range(rows, eager=True)
mixed = number.hash(3)
frame = pl.DataFrame({
    "id": number, "who": (mixed % 5000).cast(pl.Int64),
    "at": (1_600_000_000_000_000 + number * 1_000_000).cast(pl.Datetime("us", "UTC")),
    "x": (mixed % 1000).cast(pl.Float64), "note": "n" + (mixed % 900_000).cast(pl.String),
})
frame.write_csv(folder / "t.csv")
del frame, number, mixed
if Path("/proc/self/clear_refs").exists():
    Path("/proc/self/clear_refs").write_text("5")
record = open_record(folder)
added = add_data(record, "t", str(folder / "t.csv"), key=("id",))
assert (added.rows, added.rows_quarantined) == (rows, 0)
source = scan_data(record, "t")
values = partitions.view_batches(
    view, source, source.select("who", "at"), "at", in_memory_rows=0, part_rows=200_000
)
stored = store_table(record.ports.objects, RowBatches(values))
assert stored.manifest.rows == rows
record.ports.close()
print(peak_mb())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_peak_memory_of_a_million_rows_is_bounded(project) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(project), "1000000"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 700
