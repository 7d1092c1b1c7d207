"""JUnit XML of gates: one test case a finding, its figures as properties; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidemill.core.check import Finding
    from tidemill.practices.integration.verdicts import Gate

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, also escaped."""


def junit_xml(gates: Sequence[Gate]) -> str:
    """Return the gates as a JUnit document: `fail` is a failure, `error` and `not_run` errors."""
    cases = [finding for gate in gates for finding in gate.findings]
    failures = sum(finding.state == "fail" for finding in cases)
    errors = sum(finding.state in {"error", "not_run"} for finding in cases)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        (
            f'<testsuites name="tidemill check" tests="{len(cases)}" failures="{failures}" '
            f'errors="{errors}">'
        ),
        *(line for gate in gates for line in _suite(gate)),
        "</testsuites>",
    ]
    return _FORBIDDEN.sub("?", "\n".join(lines)) + "\n"


def _suite(gate: Gate) -> Iterator[str]:
    failures = sum(finding.state == "fail" for finding in gate.findings)
    errors = sum(finding.state in {"error", "not_run"} for finding in gate.findings)
    yield (
        f"  <testsuite name={quoteattr(f'{gate.name} {gate.subject}'.strip())} "
        f'tests="{len(gate.findings)}" failures="{failures}" errors="{errors}" '
        f'time="{gate.seconds:.3f}">'
    )
    for finding in gate.findings:
        yield f"    <testcase classname={quoteattr(gate.name)} name={quoteattr(finding.rule)}>"
        yield from _properties(finding)
        yield from _outcome(finding)
        yield "    </testcase>"
    yield "  </testsuite>"


def _properties(finding: Finding) -> Iterator[str]:
    figures = {
        "measured": finding.measured, "bound": finding.bound or None,
        "low": finding.interval[0] if finding.interval else None,
        "high": finding.interval[1] if finding.interval else None,
        "rows_checked": finding.rows_checked, "rows_failed": finding.rows_failed,
    }  # fmt: skip
    told = {name: value for name, value in figures.items() if value is not None}
    if told:
        yield "      <properties>"
        for name, value in told.items():
            yield f"        <property name={quoteattr(name)} value={quoteattr(str(value))}/>"
        yield "      </properties>"


def _outcome(finding: Finding) -> Iterator[str]:
    text = finding.what + (f"\nfix: {finding.fix}" if finding.fix else "")
    if finding.state in {"pass", "warn"}:
        yield f"      <system-out>{escape(text)}</system-out>"
        return
    tag = "failure" if finding.state == "fail" else "error"
    first = finding.what.partition("\n")[0]
    yield f"      <{tag} message={quoteattr(first)}>{escape(text)}</{tag}>"
