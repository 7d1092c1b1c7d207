"""Operational figures of a window: requests, latency, throughput, errors, broken rules, use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tidemill.practices.monitoring.report import ReportFigure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidemill.practices.monitoring.seals import Seal

NEEDED = (
    "received_at", "status", "contract_bits", "is_first_of_request", "queue_us", "model_us",
)  # fmt: skip
QUANTILES = (0.5, 0.95, 0.99)


def operation_figures(rows: pl.DataFrame, rules: Sequence[str]) -> Iterator[ReportFigure]:
    """Yield what the sealed rows of a window tell of operation.

    Args:
        rows: the columns `NEEDED`, shape (rows, 6).
        rules: names of the contract's rules, in the order of the bits.
    """
    requests = rows.filter(pl.col("is_first_of_request"))
    yield _count("requests", requests.height)
    yield _count("rows", rows.height)
    latency = (requests["queue_us"] + requests["model_us"]) / 1000
    for share in QUANTILES:
        value = latency.quantile(share, "higher")
        yield ReportFigure(
            name=f"latency_p{share * 100:g}", value=value, rows=requests.height, unit="ms"
        )
    yield _throughput(rows)
    for status in ("rejected", "failed"):
        yield _count(f"rows_{status}", rows.filter(pl.col("status") == status).height)
    for place, rule in enumerate(rules[:64]):
        broken = (rows["contract_bits"].to_numpy() >> place) & 1
        yield ReportFigure(
            name=f"rule.{rule}", value=float(broken.sum()), rows=rows.height, unit="rows"
        )


def server_figures(seals: Sequence[Seal], everything: Sequence[Seal]) -> Iterator[ReportFigure]:
    """Yield CPU time and memory of the server, as they were when the seals were made.

    CPU time is what the process used since the seal before these; a process that was started
    since then has used all of its own.
    """
    known = [seal for seal in seals if seal.server is not None]
    if not known or known[-1].server is None:
        return
    now = known[-1].server
    earlier = [s.server for s in everything if s.number < known[0].number and s.server is not None]
    used = now.cpu_s
    if earlier and (earlier[-1].process, earlier[-1].restarts) == (now.process, now.restarts):
        used -= earlier[-1].cpu_s
    yield ReportFigure(name="cpu_s", value=used, unit="s")
    yield ReportFigure(name="resident_bytes", value=float(now.resident_bytes), unit="bytes")


def _count(name: str, value: int) -> ReportFigure:
    return ReportFigure(name=name, value=float(value), rows=value)


def _throughput(rows: pl.DataFrame) -> ReportFigure:
    """Rows by the recorded time from the first request to the last."""
    received = rows["received_at"].cast(pl.Int64).to_numpy()
    span_us = int(received.max() - received.min()) if len(received) else 0
    if not span_us:
        return ReportFigure(name="rows_per_second", value=None, why="one request only")
    return ReportFigure(
        name="rows_per_second", value=rows.height / (span_us / 1e6), rows=rows.height
    )
