"""What a commit costs: CPU, time and syncs of one step recorded, alone and in groups; of a hit.

    python bench/ledger.py [FOLDER]      (the folder decides which disk is measured)

A step is what a memoized no-op step writes: opened, two edges used, one artifact made, its key, its
seal, two conditions, after a lease was taken. Syncs are counted with `strace -f -c -e
trace=fsync,fdatasync` around a child of this program; without strace they are not shown.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.ledger import SqliteLedger
from tidemill.adapters.process_owner import process_owner
from tidemill.core.actor import Actor
from tidemill.core.artifact import Artifact
from tidemill.core.digest import ArtifactId, digest_of
from tidemill.core.facts import (
    ArtifactMade,
    Batch,
    Edge,
    Keyed,
    KeyIs,
    LeaseIs,
    RunOpened,
    RunSealed,
)
from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.lineage.journal import journal_report

CLOCK = SystemClock()
NOW = datetime(2013, 1, 1, tzinfo=UTC)
ACTOR = Actor(name="bench")


def step(number: int, token: int | None = None) -> Batch:
    run, key = CLOCK.new_id(), f"memo/{number:08d}"
    made = Artifact(
        id=ArtifactId(digest_of(b"%d" % number)), kind="value", size_bytes=8, inline=b""
    )
    used = [ArtifactId(digest_of(b"%d" % (number - back))) for back in (1, 2)]
    lease = () if token is None else (LeaseIs(key=f"step/{number}", token=token, release=True),)
    return Batch(
        facts=(
            RunOpened(
                run=run, kind="step", name="noop", project="bench", actor=ACTOR, opened_at=NOW,
                at=NOW, params={"trees": 200, "rate": 0.1},
            ),
            *(Edge(run=run, artifact=artifact, role="used", name="rows") for artifact in used),
            ArtifactMade(artifact=made),
            Edge(run=run, artifact=made.id, role="made", name="result"),
            Keyed(key=key, run=run),
            RunSealed(run=run, status="done", sealed_at=NOW),
        ),
        conditions=(KeyIs(key=key), *lease),
        at=NOW,
    )  # fmt: skip


def alone(ledger: SqliteLedger, steps: int) -> None:
    owner = process_owner()
    for number in range(steps):
        token = ledger.lease(f"step/{number}", owner, 60).token
        ledger.commit(step(number, token))


def together(ledger: SqliteLedger, steps: int, threads: int) -> None:
    def work(first: int) -> None:
        for number in range(first, 10_000_000 + steps, threads):
            ledger.commit(step(number))

    workers = [threading.Thread(target=work, args=(10_000_000 + i,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def hits(ledger: SqliteLedger, steps: int) -> None:
    for number in range(steps):
        (run,) = ledger.keys([f"memo/{number:08d}"]).values()
        ledger.find(Query(Run, where=(Where("id", "=", run),), limit=1))


def measured(what: str, count: int, act) -> None:
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{what:<44}{1e3 * cpu / count:9.3f} ms CPU{1e3 * wall / count:9.3f} ms wall")


def syncs(folder: Path, case: str, count: int) -> str:
    if not shutil.which("strace"):
        return "(no strace)"
    told = subprocess.run(
        ["strace", "-f", "-c", "-e", "trace=fsync,fdatasync",
         sys.executable, __file__, folder, case],
        capture_output=True, text=True, check=False,
    ).stderr  # fmt: skip
    calls = [line.split() for line in told.splitlines() if "sync" in line and "." in line]
    return f"{sum(int(row[3]) for row in calls) / count:.3f} syncs a commit"


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as place:
        ledger = SqliteLedger(Path(place) / "ledger.db", CLOCK)
        if len(sys.argv) > 2:
            alone(ledger, 500) if sys.argv[2] == "alone" else together(ledger, 500, 16)
            return
        measured("a step, alone (lease and commit)", 2000, lambda: alone(ledger, 2000))
        measured("a hit (key and run)", 2000, lambda: hits(ledger, 2000))
        measured("a step, 16 threads (commit)", 8000, lambda: together(ledger, 8000, 16))
        measured("an entry, verified", 20_000, lambda: print(journal_report(ledger).entries))
        measured("edges, 10,000 deep", 1, lambda: walk(ledger))
        print("alone:", syncs(Path(place), "alone", 500))
        print("16 threads:", syncs(Path(place), "together", 500))
        ledger.close()


def walk(ledger: SqliteLedger) -> None:
    start = ArtifactId(digest_of(b"10007999"))
    print(len(ledger.edges([start], "up", 100_000)), "edges")


if __name__ == "__main__":
    main()
