"""Tables larger than memory: add (CSV, Parquet), check, training set; peak PSS and seconds.

    python bench/large_tables.py [ROWS] [FOLDER]     default 1,000,000; the figure has 20 million

Peers, where they are installed: `dvc add` of the same file, and plain Polars reading it whole.
PSS of the command and all its children is read every 20 ms.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

BATCH_ROWS = 1_000_000
ENTITIES = 100_000

PROJECT = """
from datetime import datetime

import polars as pl
import tidemill as tm


class Events(tm.Contract):
    data = "events"
    key = ("id",)
    id: int
    card: int = tm.column(between=(0, 100_000))
    at: datetime
    amount: float = tm.column(between=(0, 1000))
    quantity: int
    is_online: bool
    city: str
    note: str


@tm.feature_view(
    source="events", entity="card", time="at",
    features={"last_amount": tm.latest("amount", ttl="30d"), "seen_7d": tm.count("7d"),
              "spent_7d": tm.total("amount", "7d")},
)
def card_history(events: pl.LazyFrame) -> pl.LazyFrame:
    return events


@tm.step
def asked(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.select("card", "at", "is_online")


@tm.step
def height(rows: pl.LazyFrame) -> int:
    return rows.select(pl.len()).collect(engine="streaming").item()


@tm.pipeline
def training():
    rows = tm.training_set(asked(tm.data("events")), views=[card_history])
    return height(rows)
"""


def batch(start: int, rows: int) -> pl.DataFrame:
    """Return made-up events from a row number on; the same on every machine."""
    row = pl.int_range(start, start + rows, eager=True)
    mixed = row.hash(7)
    return pl.DataFrame(
        {
            "id": row,
            "card": (mixed % ENTITIES).cast(pl.Int64),
            "at": (1_600_000_000_000_000 + row * 1_000_000).cast(pl.Datetime("us", "UTC")),
            "amount": ((mixed // 7) % 100_000).cast(pl.Float64) / 100,
            "quantity": ((mixed // 11) % 9).cast(pl.Int64),
            "is_online": (mixed % 3) == 0,
            "city": "city " + ((mixed // 13) % 50).cast(pl.String),
            "note": "n" + ((mixed // 17) % 10_000).cast(pl.String),
        }
    )


def make(folder: Path, rows: int) -> tuple[Path, Path]:
    """Write the events as one CSV and one Parquet file, batch by batch."""
    csv, parts = folder / "events.csv", folder / "parts"
    parts.mkdir()
    with csv.open("wb") as sink:
        for start in range(0, rows, BATCH_ROWS):
            part = batch(start, min(BATCH_ROWS, rows - start))
            part.write_csv(sink, include_header=start == 0)
            part.write_parquet(parts / f"{start:012}.parquet")
    parquet = folder / "events.parquet"
    pl.scan_parquet(parts / "*.parquet").sink_parquet(parquet)
    shutil.rmtree(parts)
    return csv, parquet


def pss_bytes(root: int) -> int:
    """Return the PSS of a process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    total = 0
    for process in parents:
        above = process
        while above not in (root, 0):
            above = parents.get(above, 0)
        if above == root:
            try:
                text = Path(f"/proc/{process}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in text.splitlines()
                         if line.startswith("Pss:")) * 1024  # fmt: skip
    return total


def measured(what: str, *command: str, cwd: Path) -> None:
    """Run a command; print seconds and peak PSS, or how it ended."""
    start, most = time.perf_counter(), 0
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, cwd=cwd, stdout=out, stderr=subprocess.STDOUT)
        while process.poll() is None:
            most = max(most, pss_bytes(process.pid))
            time.sleep(0.02)
        out.seek(0)
        told = out.read().decode(errors="replace").strip().splitlines()
    took = time.perf_counter() - start
    end = "" if process.returncode == 0 else f"  exit {process.returncode}: {' '.join(told[-3:])}"
    print(f"{what:<34} {took:8.1f} s   {most / 2**20:8.0f} MiB peak PSS{end}", flush=True)


def main() -> None:
    """Print a line a command."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    place = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    tidemill = str(Path(sys.executable).with_name("tidemill"))
    with tempfile.TemporaryDirectory(prefix="large-tables-", dir=place) as name:
        folder = Path(name)
        csv, parquet = make(folder, rows)
        print(f"{rows:,} rows x 8 columns: CSV {csv.stat().st_size / 1e6:,.0f} MB,"
              f" Parquet {parquet.stat().st_size / 1e6:,.0f} MB")  # fmt: skip
        project = folder / "project"
        project.mkdir()
        (project / "tidemill.toml").write_text('[project]\nname = "large"\n')
        (project / "events.py").write_text(PROJECT)
        measured("data add CSV", tidemill, "data", "add", "raw", str(csv), cwd=project)
        measured("data add CSV, contract and key", tidemill, "data", "add", "events", str(csv),
                 cwd=project)  # fmt: skip
        measured("data add Parquet", tidemill, "data", "add", "parquet", str(parquet), cwd=project)
        measured("data check", tidemill, "data", "check", "data:events", cwd=project)
        measured("training set of one view", tidemill, "run", "training", cwd=project)
        dvc = shutil.which("dvc")
        if dvc:
            subprocess.run([dvc, "init", "--no-scm", "-q"], cwd=folder, check=True)
            measured("peer: dvc add CSV", dvc, "add", "-q", str(csv), cwd=folder)
        code = "import polars as pl, sys; pl.read_csv(sys.argv[1], try_parse_dates=True)"
        measured("peer: Polars reads the CSV whole", sys.executable, "-c", code, str(csv),
                 cwd=folder)  # fmt: skip


if __name__ == "__main__":
    main()
