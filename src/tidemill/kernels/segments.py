"""Many sorted lists laid end to end, bisected all at once: one list an entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Segments:
    """Sorted values by segment: `codes` ascend from 0, `values` ascend within a code."""

    def __init__(self, codes: NDArray[np.int64], values: NDArray[np.int64], segments: int) -> None:
        self._values = values
        self._edges = np.zeros(segments + 1, dtype=np.int64)
        np.cumsum(np.bincount(codes, minlength=segments), out=self._edges[1:])

    def starts(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where each segment begins among the values laid end to end."""
        return self._edges[codes]

    def counts_at_most(
        self, codes: NDArray[np.int64], bounds: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return how many values of each query's segment are <= its bound, shape (queries,).

        A code of -1 is a segment without values. O(q log n), without any combined key that could
        overflow: a bisection that moves all queries one step at a time.
        """
        if len(self._edges) <= 2:  # one entity, as in serving
            counts = np.searchsorted(self._values, bounds, side="right")
            return np.where(codes >= 0, counts, 0)
        is_known = codes >= 0
        low = np.where(is_known, self._edges[codes], 0)
        starts = low.copy()
        length = np.where(is_known, self._edges[codes + 1] - low, 0)
        for _ in range(int(length.max(initial=0)).bit_length()):
            half = length >> 1
            middle = low + half
            # A query that is done (length 0) looks at its own end, which may be past the values.
            is_below = self._values[np.minimum(middle, len(self._values) - 1)] <= bounds
            is_below &= length > 0
            low = np.where(is_below, middle + 1, low)
            length = np.where(is_below, length - half - 1, half)
        return low - starts
