"""Gates on what serving a model costs: time of a prediction, in a process of its own, and size."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.check import Finding
from tidemill.practices.versioning.registry import model_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tidemill.core.artifact import Artifact
    from tidemill.lineage.record import Record
    from tidemill.practices.integration.bounds import Bounds

PROBE = "tidemill.practices.integration.latency_probe"
TIMEOUT_S = 120.0
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
SMALLER = "train a smaller model, or change the bound in [gates] of tidemill.toml"


class _Measured(msgspec.Struct, frozen=True, kw_only=True):
    single_ms: float
    batch_ms: float


def serving_findings(record: Record, model: Artifact, bounds: Bounds) -> tuple[Finding, ...]:
    """Return findings on the size of a model's files and on how long it takes to predict."""
    folder = model_folder(record, model)
    return (_size(folder, bounds), *_latency(folder, bounds))


def _size(folder: Path, bounds: Bounds) -> Finding:
    size_mb = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return _at_most("size", size_mb, bounds.max_size_mb, f"its files have {size_mb:.2f} MB")


def _latency(folder: Path, bounds: Bounds) -> Iterator[Finding]:
    environment = os.environ | dict.fromkeys(_THREADS, "1")
    command = [sys.executable, "-m", PROBE, str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
            env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield _broken(f"the model did not answer within {TIMEOUT_S:.0f} s", bounds)
        return
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield _broken(f"loading and asking it ended with {done.returncode}: {last}", bounds)
        return
    found = msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=_Measured)
    yield _at_most(
        "latency", found.single_ms, bounds.max_latency_ms,
        f"one row takes {found.single_ms:.3f} ms (median, one thread)",
    )  # fmt: skip
    yield _at_most(
        "batch_latency", found.batch_ms, bounds.max_batch_latency_ms,
        f"1,024 rows take {found.batch_ms:.2f} ms (median, one thread)",
    )  # fmt: skip


def _broken(what: str, bounds: Bounds) -> Finding:
    return Finding(
        rule="latency", state="error", what=what, bound=f"<= {bounds.max_latency_ms:g} ms",
        fix="load the model by hand: Model.load(folder).predict(...)",
    )  # fmt: skip


def _at_most(rule: str, measured: float, bound: float, what: str) -> Finding:
    has_passed = measured <= bound
    return Finding(
        rule=rule, state="pass" if has_passed else "fail", what=what, measured=measured,
        bound=f"<= {bound:g} {'MB' if rule == 'size' else 'ms'}", fix="" if has_passed else SMALLER,
    )  # fmt: skip
