"""What a commit costs, in a file and in PostgreSQL; what many writers get, and how long they wait.

    python bench/ledger.py [FOLDER]      (the folder decides which disk is measured)

A step is what a memoized no-op step writes: opened, two edges used, one artifact made, its key, its
seal, two conditions, after a lease was taken. A figure is one point of an open run. All writes are
durable: PostgreSQL runs as its makers ship it, on loopback and the same disk. Syncs are counted
with `strace -f -c -e trace=fsync,fdatasync` around a child of this program; without strace they are
not shown.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

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
    Figured,
    Keyed,
    KeyIs,
    LeaseIs,
    RunOpened,
    RunSealed,
)
from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.lineage.journal import journal_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.ports.ledger import Ledger

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


def alone(ledger: Ledger, steps: int) -> None:
    owner = process_owner()
    for number in range(steps):
        token = ledger.lease(f"step/{number}", owner, 60).token
        ledger.commit(step(number, token))


def together(ledger: Ledger, steps: int, threads: int) -> None:
    def work(first: int) -> None:
        for number in range(first, 10_000_000 + steps, threads):
            ledger.commit(step(number))

    workers = [threading.Thread(target=work, args=(10_000_000 + i,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def hits(ledger: Ledger, steps: int) -> None:
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


WRITERS = ((1, 1), (1, 8), (1, 32), (8, 1))
"""Processes, and threads of each."""
SECONDS = 4.0


def opened(address: str) -> Ledger:
    if "://" not in address:
        return SqliteLedger(Path(address), CLOCK)
    from tidemill.adapters.postgres.ledger import PostgresLedger  # noqa: PLC0415 - an extra

    return PostgresLedger(address, CLOCK)


def child(address: str, what: str, threads: int) -> None:
    """Write for a while in some threads; print when each write began, and how long it took."""
    ledger, took = opened(address), []
    begin = threading.Barrier(threads)

    def work() -> None:
        batches = figures(ledger) if what == "figure" else steps_of()
        begin.wait()
        until = time.perf_counter() + SECONDS
        while (start := time.perf_counter()) < until:
            ledger.commit(next(batches))
            took.append(time.perf_counter() - start)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ledger.close()
    print(json.dumps(took))


def figures(ledger: Ledger) -> Iterator[Batch]:
    run = CLOCK.new_id()
    fact = RunOpened(
        run=run,
        kind="training",
        name="figures",
        project="bench",
        actor=ACTOR,
        opened_at=NOW,
        at=NOW,
    )
    ledger.commit(Batch(facts=(fact,), at=NOW))
    number = 0
    while True:
        number += 1
        figured = Figured(run=run, keys=("loss",), values=(0.5,), steps=(number,), at=(NOW,))
        yield Batch(facts=(figured,), at=NOW)


def steps_of() -> Iterator[Batch]:
    number = int.from_bytes(os.urandom(5), "little")
    while True:
        number += 1
        yield step(number)


def writers(address: str, what: str) -> None:
    for processes, threads in WRITERS:
        command = [sys.executable, __file__, "--child", address, what, str(threads)]
        started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(processes)]
        took = [second for one in started for second in json.loads(one.communicate()[0])]
        print(
            f"  {what}, {processes} processes, {threads:>2} threads each"
            f"{len(took) / SECONDS:9,.0f}/s"
            f"{1e3 * statistics.median(took):9.2f} ms p50{1e3 * max(took):9.1f} ms slowest"
        )


def postgres_server(folder: Path, disk: Path | None):
    path = Path(__file__).parents[1] / "tests" / "postgres_server.py"
    spec = importlib.util.spec_from_file_location("postgres_server", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if disk:
        os.environ["TEST_POSTGRES_DISK"] = str(disk)
    return module.Server(folder / "server", durable=True)


def many_writers(folder: Path, disk: Path | None) -> None:
    server = postgres_server(folder, disk)
    places = {"a file": str(folder / "writers.db"), "PostgreSQL": server.database("bench")}
    for name, address in places.items():
        print(f"durable writes in {name}, {SECONDS:g} s each")
        opened(address).close()
        for what in ("figure", "step"):
            writers(address, what)
    remote = opened(server.database("alone"))
    measured("PostgreSQL: a step, alone", 500, lambda: alone(remote, 500))
    measured("PostgreSQL: a hit (key and run)", 500, lambda: hits(remote, 500))
    remote.close()
    server.close()


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as place:
        ledger = SqliteLedger(Path(place) / "ledger.db", CLOCK)
        if len(sys.argv) > 2:
            alone(ledger, 500) if sys.argv[2] == "alone" else together(ledger, 500, 16)
            return
        many_writers(Path(place), folder)
        measured("a step, alone (lease and commit)", 2000, lambda: alone(ledger, 2000))
        measured("a hit (key and run)", 2000, lambda: hits(ledger, 2000))
        measured("a step, 16 threads (commit)", 8000, lambda: together(ledger, 8000, 16))
        measured("an entry, verified", 20_000, lambda: print(journal_report(ledger).entries))
        measured("edges, 10,000 deep", 1, lambda: walk(ledger))
        print("alone:", syncs(Path(place), "alone", 500))
        print("16 threads:", syncs(Path(place), "together", 500))
        ledger.close()


def walk(ledger: Ledger) -> None:
    start = ArtifactId(digest_of(b"10007999"))
    print(len(ledger.edges([start], "up", 100_000)), "edges")


if __name__ == "__main__":
    main()
