"""A challenger against a champion on sealed predictions, with everything real but the server."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tidemill.core.check import Finding, Verdict
from tidemill.core.errors import NotAllowedError, NotFoundError
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.policies import verdict_states
from tidemill.lineage.writing import opened
from tidemill.practices.monitoring.labels import add_labels
from tidemill.practices.training.comparison import compare
from tidemill.practices.versioning.registry import register_model, store_model

START = datetime(2013, 1, 1, tzinfo=UTC)
WINDOW = "2013-02-01..2013-03-01"
AFTER = datetime(2013, 3, 2, tzinfo=UTC)


def registered(world, rows: pl.DataFrame, until: str, *, name="delay", seed=1):
    """A model as a pipeline registers it: with its report, and `until` among the parameters."""
    first = world.train(rows, name="scratch", seed=seed)
    artifact, objects = store_model(world.record.ports.objects, world.model)
    edges = world.record.ports.ledger.edges([first.run], "down", 1)
    report = next(e.artifact for e in edges if e.name == "report")
    with opened(world.record, kind="pipeline", name="delay", params={"until": until}) as run:
        pending = register_model(
            world.record, name, artifact, run=run, report=report, objects=objects
        )
    return pending.version


def pass_gates(world, version, state="pass"):
    finding = Finding(rule="r", state=state, what="said")
    verdict = Verdict(
        check="gates", subjects=(version.artifact,), state=state, findings=(finding,), at=START
    )
    summary = {"check": "gates", "state": state, "subject": version.artifact}
    with opened(world.record, kind="check", name="gates") as run:
        run.used(version.artifact)
        run.made(put_value(world.record, "verdict", verdict, summary=summary))


@pytest.fixture
def served(world, days_of_rows):
    """A champion that has learned from labels half of which were turned, and its month."""
    poor = days_of_rows(START, 14, rows=20, flip=0.45)
    champion = registered(world, poor, "2013-02-01")
    world.deploy(champion)
    month = days_of_rows(datetime(2013, 2, 1, tzinfo=UTC), 28, rows=40, seed=7)
    world.predict(month)
    labels = month.select("flight", "late", arrived=pl.col("when") + timedelta(days=1))
    add_labels(
        world.record, "delay", labels, key="flight", label="late", arrived="arrived", at=AFTER
    )
    return champion, poor, month


def test_a_better_challenger_is_found_better_and_the_verdict_is_its_own(
    world, served, days_of_rows
) -> None:
    champion, _, _ = served
    better = registered(world, days_of_rows(START, 30, rows=60, seed=3), "2013-02-01")
    pass_gates(world, better)
    found = compare(world.record, str(better), str(champion), window=WINDOW, at=AFTER)
    assert found.is_better, str(found)
    assert found.difference > 0 < found.low
    assert found.confidence == 0.95
    assert found.rows == 28 * 40
    logged = next(f for f in found.findings if f.rule == "logged")
    assert (logged.state, logged.rows_checked) == ("pass", 28 * 40)
    assert verdict_states(world.record, better.artifact)["comparison"] == found.state
    assert "comparison" not in verdict_states(world.record, champion.artifact)
    assert "is better than" in str(found)
    again = compare(world.record, str(better), str(champion), window=WINDOW, at=AFTER)
    assert again.is_unchanged
    assert again.verdict == found.verdict


def test_each_look_of_another_challenger_at_a_window_costs_alpha(
    world, served, days_of_rows
) -> None:
    champion, poor, _ = served
    confidences = []
    for seed in (3, 4):
        one = registered(world, poor.head(200 + seed), "2013-02-01", seed=seed)
        pass_gates(world, one)
        found = compare(world.record, str(one), str(champion), window=WINDOW, at=AFTER)
        confidences.append(found.confidence)
    assert confidences == [0.95, 0.975]


def test_a_challenger_that_has_seen_the_window_is_refused(world, served, days_of_rows) -> None:
    champion, _, month = served
    cheat = registered(world, month, "2013-03-01")
    with pytest.raises(NotAllowedError, match="may have learned"):
        compare(world.record, str(cheat), str(champion), window=WINDOW, at=AFTER)


def test_without_its_gates_a_challenger_is_not_looked_at(world, served, days_of_rows) -> None:
    champion, _, _ = served
    better = registered(world, days_of_rows(START, 30, seed=3), "2013-02-01")
    found = compare(world.record, str(better), str(champion), window=WINDOW, at=AFTER)
    assert (found.state, found.difference) == ("not_run", None)
    assert "tidemill check" in found.findings[0].fix
    pass_gates(world, better)
    found = compare(world.record, str(better), str(champion), window=WINDOW, at=AFTER)
    assert found.confidence == 0.95  # nothing was looked at before


def test_labels_count_as_they_were_known(world, served, days_of_rows) -> None:
    champion, poor, _ = served
    with pytest.raises(NotFoundError, match="sealed"):
        compare(world.record, str(champion), str(champion), window="2013-05", at=AFTER)
    one = registered(world, poor.head(250), "2013-02-01", seed=5)
    pass_gates(world, one)
    early = datetime(2013, 3, 1, tzinfo=UTC)
    found = compare(world.record, str(one), str(champion), window=WINDOW, at=early)
    assert found.rows == 27 * 40 + 1  # the last day's labels come a day later
