"""Check report: what every gate said, as people read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.check import State
from tidemill.core.text import table
from tidemill.practices.integration.verdicts import Gate
from tidemill.practices.versioning.unpassed import GATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.check import Finding


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every gate that was asked. `has_passed` only if each of them passed or warned."""

    state: State
    gates: tuple[Gate, ...]

    @property
    def has_passed(self) -> bool:
        """Whether what asked may go on."""
        return self.state in {"pass", "warn"}

    @property
    def combined(self) -> tuple[Gate, ...]:
        """What all gates together say of each model."""
        return tuple(gate for gate in self.gates if gate.name == GATES)

    def __str__(self) -> str:
        lines = []
        for gate in self.gates:
            if gate.name == GATES:
                continue
            how = "unchanged" if gate.is_unchanged else f"{gate.seconds:.1f} s"
            lines.append(f"{gate.name} {gate.subject}: {gate.state.replace('_', ' ')} ({how})")
            lines += [f"  {line}" for line in _told(gate.findings)]
            lines += [f"  fix {f.rule}: {f.fix}" for f in gate.findings if _asks(f)]
        lines.append(f"check: {self.state.replace('_', ' ')}")
        asked = {gate.name for gate in self.gates}
        if "model" in asked and GATES not in asked:
            lines.append(
                f"note: asked was only {' and '.join(sorted(asked))}; the check "
                f"{GATES!r} of policies and triggers asks code, data and model"
            )
        return "\n".join(lines)

    __repr__ = __str__


def _told(findings: Sequence[Finding]) -> list[str]:
    """Return what is worth reading: a rule that only holds is counted, a figure is shown."""
    shown = [f for f in findings if f.state != "pass" or f.measured is not None]
    held = len(findings) - len(shown)
    other = " other" if shown else ""
    lines = [f"{held}{other} rule{' holds' if held == 1 else 's hold'}"] if held else []
    if shown:
        rows = [[f.rule, f.state.replace("_", " "), f.bound, _first(f)] for f in shown]
        lines += table(["rule", "", "bound", "what"], rows).split("\n")
    return lines


def _first(finding: Finding) -> str:
    return finding.what.partition("\n")[0]


def _asks(finding: Finding) -> bool:
    return bool(finding.fix) and finding.state != "pass"
