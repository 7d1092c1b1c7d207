"""What a point of a sweep costs beside its own work, and beside Optuna with a SQLite storage.

`python bench/sweep.py [POINTS]`. The step computes next to nothing, so that what is measured is the
keeping: a run, a step, figures and lineage for each point here; a trial with its value there.
"""

import sys
import tempfile
import time
from pathlib import Path

import optuna

from tidemill.app.places import open_record
from tidemill.practices.pipelines.operations import sweep

FLOW = """
import tidemill as tm

@tm.step
def fit(depth: int) -> float:
    tm.figure("auc", depth / 1e6)
    return depth / 1e6

@tm.pipeline
def flow(depth: int):
    fit(depth)
"""


def timed(work: object) -> float:
    """Return the seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peer(folder: Path, points: int) -> float:
    """Return the seconds of as many trials of Optuna, kept in SQLite."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/optuna.db", sampler=optuna.samplers.RandomSampler(seed=1)
    )
    return timed(
        lambda: study.optimize(
            lambda trial: trial.suggest_int("depth", 1, 10**6) / 1e6, n_trials=points
        )
    )


def main() -> None:
    """Measure and print."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text) / "mill"
        folder.mkdir()
        (folder / "tidemill.toml").write_text('[project]\nname = "mill"\n')
        (folder / "flow.py").write_text(FLOW)
        record = open_record(folder)
        sweep(record, "flow", grid=("depth=0",), by="auc")  # workers have started
        grid = {"depth": list(range(1, points + 1))}
        new = timed(lambda: sweep(record, "flow", points=grid, by="auc"))
        known = timed(lambda: sweep(record, "flow", points=grid, by="auc"))
        record.ports.close()
        other = peer(folder, points)
    for what, seconds in (
        ("new points", new), ("known points", known), ("Optuna, SQLite storage", other)
    ):  # fmt: skip
        sys.stdout.write(f"{what:<24} {1000 * seconds / points:7.1f} ms a point\n")


if __name__ == "__main__":
    main()
