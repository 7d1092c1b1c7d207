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
import numpy as np

from tidemill.practices.versioning.model import Model, load_to_predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tidemill.core.signature import Field, Signature

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


def drawn_rows(signature: Signature, rows: int) -> dict[str, NDArray[np.generic]]:
    """Return columns of random values as the signature wants them, shape (rows,) each."""
    random = np.random.default_rng(0)
    return {field.name: _column(field, rows, random) for field in signature.inputs}


def _column(field: Field, rows: int, random: np.random.Generator) -> NDArray[np.generic]:
    if field.datatype == "BYTES":
        levels = np.array(list(field.categories or ("a",)), dtype=object)
        return random.choice(levels, rows)
    if field.datatype == "BOOL":
        return random.integers(0, 2, rows).astype(np.bool_)
    if field.datatype.startswith("FP"):
        return random.normal(size=rows).astype(f"float{field.datatype[2:]}")
    return random.integers(0, 100, rows).astype(field.datatype.lower())


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
