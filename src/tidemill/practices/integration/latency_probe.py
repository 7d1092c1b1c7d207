"""Latency probe: a process of its own that loads a model's files and times its predictions.

`python -m tidemill.practices.integration.latency_probe FOLDER` prints one line of JSON.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec

from tidemill.practices.versioning.drawn_inputs import drawn_rows
from tidemill.practices.versioning.model import Model, load_to_predict

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH_ROWS = 1024
SINGLES, BATCHES = 200, 20


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Median times of one row and of a batch of 1,024, in milliseconds, on one thread."""

    single_ms: float
    batch_ms: float


def measure(model: Model) -> Latency:
    """Return how long a loaded model takes for rows drawn from its signature."""
    single, batch = drawn_rows(model.signature, 1), drawn_rows(model.signature, BATCH_ROWS)
    return Latency(
        single_ms=_median_ms(lambda: model.predict(single), SINGLES),
        batch_ms=_median_ms(lambda: model.predict(batch), BATCHES),
    )


def _median_ms(call: Callable[[], object], times: int) -> float:
    call()
    taken = []
    for _ in range(times):
        began = perf_counter()
        call()
        taken.append(perf_counter() - began)
    return 1000.0 * statistics.median(taken)


if __name__ == "__main__":
    sys.stdout.write(
        msgspec.json.encode(measure(load_to_predict(Path(sys.argv[1])))).decode() + "\n"
    )
