"""What a model server counts, in arrays of its own, and how Prometheus reads it.

A histogram's bucket of a duration is the number of bits of its microseconds: no search, no lock,
each bound twice the one before. One thread counts (the worker), any may read.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BUCKETS = 25
"""Buckets of durations: up to 2**0 us, 2**1 us ... 2**24 us (16.8 s); longer ones are counted only
in the sum and the count."""

STAGES = ("queue", "model", "total")


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """What every figure of a server is labelled with; a handful of values, never free text."""

    deployment: str
    model: str
    version: str


class Histogram:
    """Durations by powers of two of a microsecond."""

    def __init__(self) -> None:
        self.counts = [0] * (BUCKETS + 1)
        self.sum_us = 0

    def add(self, duration_us: int) -> None:
        """Count one duration."""
        self.counts[min(max(duration_us - 1, 0).bit_length(), BUCKETS)] += 1
        self.sum_us += duration_us

    def quantile_us(self, share: float) -> int:
        """Return an upper bound of a quantile in microseconds, at most twice the true one.

        0 where nothing was counted.
        """
        wanted, seen = share * sum(self.counts), 0
        for bits, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return 1 << bits
        return 0


class ServerFigures:
    """Counters and histograms of one model server."""

    def __init__(self, labels: Labels, rules: Sequence[str]) -> None:
        self.labels = labels
        self.rows = {"ok": 0, "rejected": 0, "failed": 0}
        self.requests: dict[int, int] = {}
        self.durations = {stage: Histogram() for stage in STAGES}
        self.failed_rows = dict.fromkeys(rules, 0)
        self.dropped_blocks = 0
        self.waiting = 0

    def answered(self, status: int) -> None:
        """Count an answer by its HTTP status."""
        self.requests[status] = self.requests.get(status, 0) + 1

    def predicted(self, rows: int, outcome: str, durations_us: Mapping[str, int]) -> None:
        """Count the rows of one request and how long each stage took."""
        self.rows[outcome] += rows
        for stage, duration in durations_us.items():
            self.durations[stage].add(duration)

    def prometheus(self) -> bytes:
        """Return everything in Prometheus's text format 0.0.4."""
        return ("\n".join(self._lines()) + "\n").encode()

    def _lines(self) -> Iterator[str]:
        mine = _spelled(msgspec.to_builtins(self.labels))
        yield from _family("tidemill_predictions_total", "counter", "Rows by what became of them.")
        for outcome, rows in self.rows.items():
            yield f'tidemill_predictions_total{{{mine},status="{outcome}"}} {rows}'
        yield from _family("tidemill_requests_total", "counter", "Answers by HTTP status.")
        for status, count in sorted(self.requests.items()):
            yield f'tidemill_requests_total{{{mine},code="{status}"}} {count}'
        name = "tidemill_prediction_duration_seconds"
        yield from _family(name, "histogram", "Time of a request, by stage.")
        for stage, histogram in self.durations.items():
            yield from _histogram(name, f'{mine},stage="{stage}"', histogram)
        yield from _family(
            "tidemill_contract_failed_rows_total", "counter", "Rows that fail a contract's rule."
        )
        for rule, rows in self.failed_rows.items():
            yield f"tidemill_contract_failed_rows_total{{{mine},{_spelled({'rule': rule})}}} {rows}"
        yield from _single(
            "tidemill_prediction_log_dropped_total", "counter", "Blocks not logged: no room.",
            mine, self.dropped_blocks,
        )  # fmt: skip
        yield from _single(
            "tidemill_requests_waiting", "gauge", "Requests not yet answered.", mine, self.waiting
        )
        yield from _single(
            "process_cpu_seconds_total", "counter", "CPU time.", "", f"{cpu_seconds():.3f}"
        )
        yield from _single(
            "process_resident_memory_bytes", "gauge", "Resident memory.", "", resident_bytes()
        )


def cpu_seconds() -> float:
    """Return the CPU time of this process, user and system, in seconds."""
    times = os.times()
    return times.user + times.system


def resident_bytes() -> int:
    """Return the resident memory of this process now (on macOS: its peak), in bytes."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - the path is no file of ours
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _histogram(name: str, labels: str, histogram: Histogram) -> Iterator[str]:
    total = 0
    for bits in range(BUCKETS):
        total += histogram.counts[bits]
        yield f'{name}_bucket{{{labels},le="{(1 << bits) / 1e6:.7g}"}} {total}'
    total += histogram.counts[BUCKETS]
    yield f'{name}_bucket{{{labels},le="+Inf"}} {total}'
    yield f"{name}_sum{{{labels}}} {histogram.sum_us / 1e6:.6f}"
    yield f"{name}_count{{{labels}}} {total}"


def _family(name: str, type_: str, what: str) -> Iterator[str]:
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {type_}"


def _single(name: str, type_: str, what: str, labels: str, value: object) -> Iterator[str]:
    yield from _family(name, type_, what)
    yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"


def _spelled(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
