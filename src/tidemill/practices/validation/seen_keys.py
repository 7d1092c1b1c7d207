"""Which keys have come before: exact to 128 bits of hash, in memory that does not grow."""

from __future__ import annotations

import mmap
import tempfile
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Run = tuple[NDArray[np.uint64], NDArray[np.uint64]]

SPILL_ROWS = 2_000_000
"""Keys of a sorted run that goes to a temporary file: 32 MiB."""

_SEEDS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)


class SeenKeys:
    """A set of keys as sorted runs of hashes; large runs lie in files that are gone at the end.

    Two different keys are taken for one with a chance below n^2 / 2^128. O(log n) a key and run.
    """

    def __init__(self, columns: Sequence[str], *, spill_rows: int = SPILL_ROWS) -> None:
        self.columns = tuple(columns)
        self._spill_rows = spill_rows
        self._runs: list[Run] = []
        self._spilled: list[Run] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Forget everything, and the temporary files."""
        self._runs, self._spilled = [], []
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def repeated(self, frame: pl.DataFrame) -> NDArray[np.bool_]:
        """Return which rows have a key that came before, in this frame or earlier; remember all.

        A key with a missing part is never the same as another one.
        """
        keys = frame.select(self.columns)
        is_known = ~keys.select(_any_null(self.columns)).to_series().to_numpy()
        values = keys.to_series() if keys.width == 1 else keys.to_struct()
        is_first = values.is_first_distinct().to_numpy()
        asked = np.flatnonzero(is_known & is_first)
        found: NDArray[np.bool_] = is_known & ~is_first
        hashes = _hashes(keys[asked])
        order = np.argsort(hashes[0])  # searching in order is several times as fast
        hashes, asked = (hashes[0][order], hashes[1][order]), asked[order]
        seen = np.zeros(len(asked), dtype=np.bool_)
        for run in (*self._runs, *self._spilled):
            seen |= _contained(run, hashes)
        found[asked[seen]] = True
        self._remember((hashes[0][~seen], hashes[1][~seen]))
        self._let_go()
        return found

    def _let_go(self) -> None:
        """Give the pages of spilled runs back: they would count as ours until memory is short."""
        for part in (part for run in self._spilled for part in run):
            pages = getattr(part, "_mmap", None)
            if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
                pages.madvise(mmap.MADV_DONTNEED)

    def _remember(self, hashes: Run) -> None:
        """Take sorted hashes as a run; each run is at least twice as long as the next."""
        if not len(hashes[0]):
            return
        self._runs.append(hashes)
        while len(self._runs) > 1 and 2 * len(self._runs[-1][0]) > len(self._runs[-2][0]):
            self._runs.append(_joined(self._runs.pop(), self._runs.pop()))
        if len(self._runs[0][0]) >= self._spill_rows:
            self._spilled.append(self._on_disk(self._runs.pop(0)))

    def _on_disk(self, run: Run) -> Run:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="tidemill-keys-")
        made = []
        for part, hashes in enumerate(run):
            path = f"{self._folder.name}/{len(self._spilled)}-{part}.npy"
            np.save(path, hashes)
            made.append(np.load(path, mmap_mode="r"))
        return made[0], made[1]


def _any_null(columns: Sequence[str]) -> pl.Expr:
    """Return whether any of the columns has no value."""
    return pl.any_horizontal(pl.col(name).is_null() for name in columns)


def _hashes(keys: pl.DataFrame) -> Run:
    first, second = (keys.hash_rows(seed=seed).to_numpy() for seed in _SEEDS)
    return first, second


def _joined(left: Run, right: Run) -> Run:
    first = np.concatenate([left[0], right[0]])
    order = np.argsort(first, kind="stable")  # merges what is sorted already
    return first[order], np.concatenate([left[1], right[1]])[order]


def _contained(run: Run, hashes: Run) -> NDArray[np.bool_]:
    left = np.searchsorted(run[0], hashes[0], side="left")
    right = np.searchsorted(run[0], hashes[0], side="right")
    found = np.zeros(len(left), dtype=np.bool_)
    for step in range(int((right - left).max(initial=0))):
        is_inside = left + step < right
        place = np.where(is_inside, left + step, 0)
        found |= is_inside & (run[1][place] == hashes[1])
    return found
