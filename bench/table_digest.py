"""CPU seconds of `td1` per million rows of 14 columns, by column. Run: python bench/table_digest.py

Budget: 0.09 CPU seconds for the table; a raw BLAKE3 of the same buffers takes about 0.03.
"""

import time

import numpy as np
import polars as pl

from tidemill.kernels.table_digest import table_digest

ROWS = 1_000_000


def _table(rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    moment = rng.integers(1_356_998_400_000_000, 1_388_534_400_000_000, rows)
    return pl.DataFrame(
        {
            **{f"int{i}": rng.integers(0, 10**6, rows) for i in range(4)},
            **{f"float{i}": rng.normal(size=rows) for i in range(4)},
            "day": pl.Series(moment).cast(pl.Datetime("us")).cast(pl.Date),
            "at": pl.Series(moment).cast(pl.Datetime("us", "UTC")),
            "flag": rng.random(rows) < 0.5,
            "short": pl.Series(rng.integers(0, 300, rows)).cast(pl.String),
            "long": "a text of some length " + pl.Series(moment).cast(pl.String),
            "level": pl.Series(rng.choice(["EWR", "JFK", "LGA"], rows)).cast(pl.Categorical),
        }
    )  # fmt: skip


def _cpu_s(frame: pl.DataFrame, times: int = 5) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        table_digest(frame)
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    frame = _table(ROWS)
    print(f"{'table':8} {_cpu_s(frame):.3f} CPU s per M rows, {frame.estimated_size('mb'):.0f} MB")
    for name in frame.columns:
        print(f"{name:8} {_cpu_s(frame.select(name)):.4f}")


if __name__ == "__main__":
    main()
