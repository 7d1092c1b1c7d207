"""Check and Verdict: validation, gates, drift, promotion and retraining are all this.

A check that did not run has failed: `not_run` and `error` never pass.
"""

from datetime import datetime
from typing import Literal

import msgspec

from tidemill.core.digest import ArtifactId
from tidemill.core.text import table

State = Literal["pass", "fail", "warn", "not_run", "error"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's answer within a verdict: what was measured, against which bound."""

    rule: str
    state: State
    what: str
    measured: float | None = None
    interval: tuple[float, float] | None = None
    bound: str = ""
    rows_checked: int | None = None
    rows_failed: int | None = None
    fix: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a check said of its subjects; kept as an artifact of kind `verdict`.

    `confidence` is the promise that the verdict keeps (1 - false-alarm rate), where it has one.
    """

    check: str
    subjects: tuple[ArtifactId, ...]
    state: State
    findings: tuple[Finding, ...]
    at: datetime
    confidence: float | None = None

    @property
    def has_passed(self) -> bool:
        """Whether what asked for this verdict may go on."""
        return self.state in {"pass", "warn"}

    def __str__(self) -> str:
        told = tuple(f for f in self.findings if f.state != "pass" or f.measured is not None)
        held = len(self.findings) - len(told)
        other = " other" if told else ""
        counts = f"{held}{other} rule{' holds' if held == 1 else 's hold'}"
        lines = [f"{self.check}: {self.state}", *([counts] if held else [])]
        return "\n".join([*lines, *([findings_table(told)] if told else [])])

    __repr__ = __str__


_ORDER: tuple[State, ...] = ("pass", "warn", "fail", "not_run", "error")


def worst(findings: tuple[Finding, ...]) -> State:
    """Return the state of a verdict with these findings; none at all is `not_run`."""
    if not findings:
        return "not_run"
    return max((finding.state for finding in findings), key=_ORDER.index)


def findings_table(findings: tuple[Finding, ...]) -> str:
    """Return findings as people read them, one a line, and below what mends those that fail."""
    rows = [[f.rule, f.state, f.rows_failed, f.bound or "-", f.what] for f in findings]
    shown = table(["rule", "state", "rows failed", "bound", "what"], rows)
    fixes = [f"fix {f.rule}: {f.fix}" for f in findings if f.fix and f.state != "pass"]
    return "\n".join([shown, *fixes])
