"""What a step costs: CPU of this process and its workers, durable commits; a chain and a fan.

    python bench/pipelines.py [STEPS]

Commits are counted as blocks of the journal: one transaction, one block, one sync.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from tidemill.app.places import open_record
from tidemill.core.query import Block, Order, Query
from tidemill.practices.pipelines.operations import run_pipeline

FLOW = """
import tidemill
from tidemill.practices.pipelines.declare import pipeline, step

@step
def link(x: int, n: int) -> int:
    return x + n

@step
def gather(parts: list) -> int:
    return len(parts)

@pipeline
def chain(n: int):
    x = link(0, 0)
    for i in range(1, n):
        x = link(x, i)

@pipeline
def fan(n: int):
    gather([link(-1, i) for i in range(n)])
"""


def cpu_s() -> float:
    """Return CPU seconds of this process and of children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def blocks(record) -> int:
    """Return how many blocks the journal has."""
    query = Query(Block, order=(Order("sequence", descending=True),), limit=1)
    found = record.ports.ledger.find(query)
    return found[0].sequence if found else 0


def measure(folder: Path, name: str, steps: int, what: str) -> None:
    """Run a pipeline in a fresh record handle and print what each step cost."""
    record = open_record(folder)
    before, syncs, start = cpu_s(), blocks(record), time.perf_counter()
    result = run_pipeline(record, name, params={"n": str(steps)})
    wall = time.perf_counter() - start
    syncs = blocks(record) - syncs
    record.ports.close()  # workers end, so that their CPU is counted
    each = 1000 * (cpu_s() - before) / steps
    print(
        f"{name:6} {what:6} {steps:6} steps: {each:7.3f} ms CPU a step (workers and their start "
        f"included), {1000 * wall / steps:7.3f} ms wall, {syncs / steps:6.3f} syncs a step, "
        f"{result.count('done')} run, {result.count('reused')} reused"
    )


def peer(folder: Path, steps: int) -> None:
    """Print what joblib.Memory takes for the same chain, in this process; it syncs nothing."""
    try:
        from joblib import Memory  # noqa: PLC0415 - comes with scikit-learn, a tool of our tests
    except ImportError:
        print("joblib is not installed: no peer")
        return
    link = Memory(folder / "joblib", verbose=0).cache(_link)
    for what in ("cold", "again"):
        before, start, x = cpu_s(), time.perf_counter(), 0
        for i in range(steps):
            x = link(x, i)
        print(
            f"joblib {what:6} {steps:6} steps: {1000 * (cpu_s() - before) / steps:7.3f} ms CPU a "
            f"step, {1000 * (time.perf_counter() - start) / steps:7.3f} ms wall, no syncs"
        )


def _link(x: int, n: int) -> int:
    return x + n


def main() -> None:
    """Measure a chain and a fan, cold and again, and a peer in the same run."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "tidemill.toml").write_text('[project]\nname = "bench"\n')
        (folder / ".gitignore").write_text(".tidemill/\n")
        (folder / "flow.py").write_text(FLOW)
        os.chdir(folder)
        for name, count in (("chain", steps), ("fan", steps)):
            measure(folder, name, count, "cold")
            measure(folder, name, count, "again")
        peer(folder, steps)
        os.chdir("/")


if __name__ == "__main__":
    main()
