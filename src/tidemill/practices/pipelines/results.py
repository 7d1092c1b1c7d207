"""Results of running a pipeline, and how they look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tidemill.core.run import RunId
from tidemill.core.text import table

StepState = Literal["reused", "done", "failed", "skipped", "cancelled", "run", "unknown"]

LISTED = 20
"""Steps up to this number are listed one by one, more by name."""


class StepLine(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a pipeline run. Of a plan: `reused` (would be), `run` or `unknown`."""

    name: str
    state: StepState
    seconds: float = 0.0
    run: RunId | None = None
    """The run that made its result, of an earlier pipeline run where it was reused."""
    because: str = ""


class PipelineRun(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a pipeline. `is_reused`: nothing was written, `run` is the earlier run."""

    run: RunId | None
    pipeline: str
    status: Literal["done", "failed", "cancelled", "planned"]
    steps: tuple[StepLine, ...]
    versions: tuple[str, ...] = ()
    """Versions of refs that it made, as pointers."""
    is_reused: bool = False
    seconds: float = 0.0
    returned: Mapping[str, str] = {}
    """The plain small values that the pipeline function returned, else its last step; by name."""

    def count(self, state: StepState) -> int:
        """Return how many steps are in a state."""
        return sum(line.state == state for line in self.steps)

    def __str__(self) -> str:
        return "\n".join(
            [self._head(), "", self._table(), *self._returned(), *self._made()]
        ).rstrip()

    __repr__ = __str__

    def _head(self) -> str:
        counts = ", ".join(
            f"{self.count(state)} {word}" for state, word in _WORDS.items() if self.count(state)
        )
        if self.status == "planned":
            return f"pipeline {self.pipeline}, planned: {counts}"
        if self.is_reused and self.run:
            return f"pipeline {self.pipeline}: unchanged, same as run:{self.run[-8:]} ({counts})"
        name = f" run:{self.run[-8:]}" if self.run else ""
        return f"pipeline {self.pipeline}{name} {self.status} in {self.seconds:.1f} s ({counts})"

    def _table(self) -> str:
        if not self.steps:
            return ""
        if len(self.steps) <= LISTED:
            rows = [
                [line.name, line.state, line.seconds or None, line.because] for line in self.steps
            ]
            if not any(line.because for line in self.steps):
                return table(["step", "state", "seconds"], [row[:3] for row in rows])
            return table(["step", "state", "seconds", "because"], rows)
        grouped: dict[tuple[str, str], list[float]] = {}
        for line in self.steps:
            grouped.setdefault((line.name, line.state), []).append(line.seconds)
        return table(
            ["step", "state", "calls", "seconds"],
            [[name, state, len(s), sum(s) or None] for (name, state), s in grouped.items()],
        )

    def _returned(self) -> list[str]:
        return [f"{name}: {text}" for name, text in self.returned.items()]

    def _made(self) -> list[str]:
        return ["", *(f"made {pointer}" for pointer in self.versions)] if self.versions else []


_WORDS: dict[StepState, str] = {
    "reused": "reused", "done": "run", "failed": "failed", "skipped": "skipped",
    "cancelled": "cancelled", "run": "to run", "unknown": "unknown",
}  # fmt: skip
