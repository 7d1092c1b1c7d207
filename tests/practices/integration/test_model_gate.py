"""The gates of a real model: report, size, time in a process of its own, its sample."""

from datetime import UTC, datetime

import pytest

from tidemill.lineage.policies import verdict_states
from tidemill.lineage.refs import resolve
from tidemill.practices.integration.bounds import Bounds
from tidemill.practices.integration.model_gates import model_gate
from tidemill.practices.integration.project_check import combined_gate

START = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.fixture
def version(world, days_of_rows):
    return world.train(days_of_rows(START, 20))


def states(gate):
    return {f.rule: f.state for f in gate.findings}


def test_a_model_is_measured_and_the_same_again_is_unchanged(world, version) -> None:
    record, bounds = world.record, Bounds(max_latency_ms=200.0)
    first = model_gate(record, version, bounds)
    assert first.state in {"pass", "warn"}, first.findings
    assert {"min_auc", "slices", "calibration", "size", "latency", "batch_latency"} <= set(
        states(first)
    )
    again = model_gate(record, version, bounds)
    assert again.is_unchanged
    assert (again.verdict, again.findings) == (first.verdict, first.findings)
    assert verdict_states(record, version.artifact)["model"] == first.state
    assert resolve(record, "model:delay").number == version.number


def test_another_bound_is_another_question(world, version) -> None:
    strict = model_gate(
        world.record, version,
        Bounds(metrics={"min_auc": 0.999}, max_latency_ms=1e-6, max_size_mb=1e-6),
    )  # fmt: skip
    found = states(strict)
    assert strict.state == "fail"
    assert {found[name] for name in ("min_auc", "latency", "size")} == {"fail"}
    assert all(f.fix for f in strict.findings if f.state == "fail")


def test_a_verdict_that_is_found_again_is_the_newest_again(world, version) -> None:
    record, loose = world.record, Bounds(max_latency_ms=500.0, max_batch_latency_ms=2000.0)
    strict = Bounds(metrics={"min_auc": 0.999})
    first = combined_gate(record, version, [model_gate(record, version, loose)])
    combined_gate(record, version, [model_gate(record, version, strict)])
    assert verdict_states(record, version.artifact)["gates"] == "fail"
    again = combined_gate(record, version, [model_gate(record, version, loose)])
    assert again.is_unchanged
    assert again.verdict == first.verdict
    assert verdict_states(record, version.artifact)["gates"] == first.state
