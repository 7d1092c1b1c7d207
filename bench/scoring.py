"""How long scoring a whole version takes and how much memory, beside the same model in one process.

`python bench/scoring.py [ROWS]`. The peer reads the same Parquet file with Polars as a whole,
predicts once and writes the rows and scores back: what a script without tidemill would do.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl

from tidemill.app.places import open_record
from tidemill.core.task import Task
from tidemill.lineage.writing import opened
from tidemill.practices.delivery.scoring import predict_data
from tidemill.practices.versioning.data import ingest
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.registry import model_folder, register_model, store_model
from tidemill.practices.versioning.signatures import infer_signature

COLUMNS = 10
PEER = """
import sys, polars as pl, pathlib, resource, time
from tidemill.practices.versioning.model import Model
began = time.perf_counter()
rows = pl.read_parquet(sys.argv[1])
score = Model.load(pathlib.Path(sys.argv[2])).predict(rows)["score"]
rows.with_columns(score=score).write_parquet(sys.argv[3])
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def rows_of(count: int) -> pl.DataFrame:
    """Return made-up rows: ten numbers and a text."""
    random = np.random.default_rng(0)
    columns = {f"x{n}": random.normal(size=count) for n in range(COLUMNS)}
    return pl.DataFrame({**columns, "town": random.choice(["Ulm", "Köln", "Bonn"], count)})


def fitted(rows: pl.DataFrame) -> Model:
    """Return a model of 100 trees."""
    signature = infer_signature(rows)
    numbers = np.random.default_rng(1).normal(size=(len(rows), COLUMNS + 1))
    booster = lightgbm.train(
        {"objective": "regression", "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(numbers, numbers[:, 0]), 100,
    )  # fmt: skip
    return Model(booster, signature=signature, task=Task(kind="regression", label="y"))


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "tidemill.toml").write_text('[project]\nname = "bench"\n')
        record = open_record(folder, environment={})
        data = folder / "rows.parquet"
        rows_of(count).write_parquet(data)
        with opened(record, kind="train", name="m") as run:
            artifact, objects = store_model(record.ports.objects, fitted(rows_of(10_000)))
            run.made(artifact, objects=objects)
            register_model(record, "m", artifact, run=run)
        ingest(record, "rows", data)
        peer = subprocess.run(
            [sys.executable, "-c", PEER, str(data), str(model_folder(record, "model:m")),
             str(folder / "out.parquet")],
            capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        began = time.perf_counter()
        code = (
            "import sys, resource; from pathlib import Path\n"
            "from tidemill.app.places import open_record\n"
            "from tidemill.practices.delivery.scoring import predict_data\n"
            "record = open_record(Path(sys.argv[1]), environment={})\n"
            "predict_data(record, 'model:m', 'data:rows')\n"
            "for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):\n"
            "    print(resource.getrusage(who).ru_maxrss / 1024)\n"
        )
        ours = subprocess.run(
            [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
        ).stdout.split()
        took = time.perf_counter() - began
        again = time.perf_counter()
        predict_data(record, "model:m", "data:rows")
        print(f"{count:,} rows, {COLUMNS + 1} columns, 100 trees")
        print(f"peer     {float(peer[0]):6.1f} s  {float(peer[1]):6.0f} MB")
        print(
            f"tidemill {took:6.1f} s  {float(ours[0]):6.0f} MB, and {float(ours[1]):6.0f} MB in "
            "the process that scores"
        )
        print(f"again    {time.perf_counter() - again:6.3f} s (nothing to do)")
        record.ports.close()


if __name__ == "__main__":
    main()
