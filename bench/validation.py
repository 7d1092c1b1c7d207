"""CPU seconds a million rows of judging, profiling and key checks. Run: python bench/validation.py

Budget: 2 CPU seconds a million rows of 12 columns under 20 rules, key and profile included, and
less than 300 MB more memory however many rows go by.
"""

import resource
import time
from collections.abc import Iterator

import numpy as np
import polars as pl

from tidemill.kernels import row_rules
from tidemill.kernels.row_rules_numpy import failed_numpy
from tidemill.practices.validation.contract import Contract, column, rule, spec_of
from tidemill.practices.validation.judge import Judge
from tidemill.practices.validation.profile import Profiler
from tidemill.practices.validation.seen_keys import SeenKeys

ROWS, BATCH = 4_000_000, 65_536


class Trips(Contract):
    key = ("id",)

    id: str
    origin: str = column(one_of=["EWR", "JFK", "LGA"])
    dest: str = column(pattern="[A-Z]{3}")
    a: int = column(between=(0, 1000))
    b: int = column(between=(0, 1000))
    c: int | None = column(between=(0, 1000))
    d: int | None = column(between=(0, 1000))
    x: float = column(between=(-10, 10))
    y: float = column(between=(-10, 10))
    z: float | None = column(between=(-10, 10))
    flag: bool
    w: float | None
    both = rule("c is None or a <= c or x < y * 2 + 1 or not flag")


def batches() -> Iterator[pl.DataFrame]:
    rng = np.random.default_rng(7)
    for start in range(0, ROWS, BATCH):
        rows = min(BATCH, ROWS - start)
        yield pl.DataFrame(
            {
                "id": "trip-" + pl.Series(np.arange(start, start + rows)).cast(pl.String),
                "origin": rng.choice(["EWR", "JFK", "LGA"], rows),
                "dest": rng.choice(["ABC", "XYZ", "bad", "BOS"], rows, p=[0.4, 0.3, 0.001, 0.299]),
                **{name: rng.integers(0, 1000, rows) for name in "abcd"},
                **{name: rng.normal(size=rows) for name in "xyz"},
                "flag": rng.random(rows) < 0.5,
                "w": rng.normal(size=rows),
            }
        )


def measured(name: str, work) -> None:
    spent, rows = 0.0, 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for batch in batches():
        start = time.process_time()
        work(batch, rows)
        spent += time.process_time() - start
        rows += batch.height
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{name:22} {spent / rows * 1e6:6.2f} CPU s per M rows, {grown:5.0f} MB more memory")


def main() -> None:
    without_key = type("Keyless", (Trips,), {"key": ()})
    judge, keyless = Judge(spec_of(Trips)), Judge(spec_of(without_key))
    keys, profiler = SeenKeys(["id"]), Profiler(["id"])
    measured("rules", keyless.judge)
    measured("key alone", lambda batch, _: keys.repeated(batch))
    measured("profile", lambda batch, _: profiler.update(batch))
    measured("rules and key", judge.judge)
    judge.close()
    keys.close()
    one = next(batches()).head(1)
    rules = [row_rules.between("a", "int", 0, 1000), row_rules.one_of("origin", "str", ["EWR"])]
    columns = {name: one[name].to_numpy().astype(object if name == "origin" else None)
               for name in ("a", "origin")}  # fmt: skip
    valid = {name: np.ones(1, dtype=np.bool_) for name in columns}
    start = time.process_time()
    for _ in range(2000):
        for each in rules:
            failed_numpy(each, columns, valid)
    spent = (time.process_time() - start) / 2000 / len(rules)
    print(f"{'a rule of a request':22} {spent * 1e6:6.1f} us")


if __name__ == "__main__":
    main()
