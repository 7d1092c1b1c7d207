"""Findings: what a judge counted, said rule by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.check import Finding
from tidemill.core.text import counted
from tidemill.core.times import parse_span

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tidemill.core.check import State
    from tidemill.practices.validation.judge import Judge, RuleCount

QUARANTINED = "quarantined"
"""The rule on the share of rows that are put aside."""


def row_findings(judge: Judge, *, broken: State) -> Iterator[Finding]:
    """Yield one finding a row rule; `broken` is its state where rows broke it."""
    for count in judge.counts.values():
        yield Finding(
            rule=count.name, state=broken if count.rows_failed else "pass",
            what=_what(judge, count), rows_checked=judge.rows, rows_failed=count.rows_failed,
            fix=f"correct these rows, or the rule {count.name} in the contract"
            if count.rows_failed else "",
        )  # fmt: skip


def quarantine_finding(judge: Judge) -> Finding:
    """Return whether few enough rows were put aside.

    One row may always be, unless the bound is 0 or no row is left: the share of a single row of a
    few is large and says nothing.
    """
    limit = judge.spec.max_quarantined_share
    most = max(int(limit * judge.rows), 1) if limit else 0
    share = judge.rows_failed / judge.rows if judge.rows else 0.0
    is_left = judge.rows_failed < judge.rows or not judge.rows_failed
    is_few = judge.rows_failed <= most and is_left
    return Finding(
        rule=QUARANTINED, state="pass" if share <= limit or is_few else "fail",
        what=f"{judge.rows_failed:,} of {counted(judge.rows, 'row')} put aside ({share:.2%}); "
        f"max_quarantined_share = {limit:.4g} lets {most:,} be",
        measured=share, bound=f"<= {limit:.4g}", rows_checked=judge.rows,
        rows_failed=judge.rows_failed,
        fix=f"correct the rows, or raise max_quarantined_share = {limit:.4g} of the contract",
    )  # fmt: skip


def table_findings(judge: Judge, *, version_rows: int, at: datetime) -> Iterator[Finding]:
    """Yield one finding a rule on the table: rows, missing shares, freshness at a time.

    Args:
        judge: has seen all rows.
        version_rows: rows of the version as a whole.
        at: effective time against which freshness is measured.
    """
    spec, kept = judge.spec, judge.rows - judge.rows_failed
    if spec.min_rows:
        yield Finding(
            rule="min_rows", state="pass" if version_rows >= spec.min_rows else "fail",
            what=f"{version_rows:,} rows", measured=float(version_rows),
            bound=f">= {spec.min_rows:,}", fix="give the whole of the data",
        )  # fmt: skip
    for column in spec.columns:
        if column.max_null_share is not None:
            share = judge.nulls[column.name] / kept if kept else 0.0
            yield Finding(
                rule=f"{column.name}.max_null_share",
                state="pass" if share <= column.max_null_share else "fail",
                what=f"{share:.2%} of {kept:,} rows are missing", measured=share,
                bound=f"<= {column.max_null_share:.4g}", rows_checked=kept,
                fix=f"find out why {column.name} is missing, or raise its max_null_share",
            )  # fmt: skip
    if spec.fresh_within:
        yield _freshness(judge, at)


def _freshness(judge: Judge, at: datetime) -> Finding:
    spec = judge.spec
    bound = f"<= {spec.fresh_within}"
    if judge.newest is None:
        return Finding(
            rule="fresh", state="not_run", what=f"no row has a {spec.fresh_column}", bound=bound,
            fix="give rows with a time",
        )  # fmt: skip
    age = at - judge.newest
    return Finding(
        rule="fresh", state="pass" if age <= parse_span(spec.fresh_within) else "fail",
        what=f"the newest {spec.fresh_column} is {judge.newest:%Y-%m-%d %H:%M} UTC",
        measured=age.total_seconds(), bound=bound,
        fix="give newer rows, or say with --at when these were current",
    )  # fmt: skip


def _what(judge: Judge, count: RuleCount) -> str:
    if not count.rows_failed:
        return ""
    shown = ", ".join(judge.place_of(row) for row in count.first_rows[:5])
    if shown.startswith("row ") and count.rows_failed > 1:
        shown = f"rows {shown.replace('row ', '')}"
    more = ", …" if count.rows_failed > 5 else ""
    example = f": {count.text[:40]!r}" if count.text else ""
    return f"{shown}{more}{example}"
