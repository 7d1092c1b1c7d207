"""Triggers on a real project: pipelines run in worker processes, everything is in the record."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta

import pytest

from tidemill.core.actor import Actor
from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.lineage.journal import verify_journal
from tidemill.lineage.refs import resolve
from tidemill.practices.training.operations import (
    fire_trigger,
    list_decisions,
    list_triggers,
    resume_trigger,
    tick,
)
from tidemill.practices.versioning.data import ingest

APRIL, MAY = datetime(2013, 4, 1, tzinfo=UTC), datetime(2013, 5, 1, tzinfo=UTC)

PIPELINE = """
import time
from datetime import date
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl

from tidemill.core.task import Task
from tidemill.practices.monitoring.evaluation import evaluate
from tidemill.practices.pipelines.candidate import candidate
from tidemill.practices.pipelines.declare import pipeline, step
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.signatures import infer_signature

TASK = Task(kind="binary", label="y")


@step
def rows(until: date) -> pl.DataFrame:
    random = np.random.default_rng(until.toordinal())
    x = random.normal(size=1200)
    y = (x + random.normal(size=1200) > 0).astype(np.int64)
    return pl.DataFrame({"x": x, "noise": random.normal(size=1200), "y": y})


@step
def train(table: pl.DataFrame) -> Model:
    inputs = table.select("x", "noise")
    settings = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1}
    data = lightgbm.Dataset(inputs.to_numpy(), table["y"].to_numpy().astype(float))
    return Model(
        lightgbm.train(settings, data, 10), signature=infer_signature(inputs), task=TASK
    )


@step
def broken(until: date) -> int:
    raise ValueError("no room on the disk")


@step
def slow(until: date) -> int:
    Path("started").touch()
    time.sleep(60)
    return 1


@pipeline
def good(until: date) -> None:
    table = rows(until)
    model = train(table)
    candidate("m", model, report=evaluate(model, table), sample=table)


@pipeline
def bad(until: date) -> None:
    broken(until)


@pipeline
def idle(until: date) -> None:
    pass


@pipeline
def endless(until: date) -> None:
    slow(until)
"""

MONTHLY = """
[[trigger]]
name = "monthly"
kind = "schedule"
every = "month"
pipeline = "good"
model = "m"
params = { until = "{window.start}" }
promote_first = true
"""
ROWS = """
[[trigger]]
name = "rows"
kind = "data"
ref = "events"
min_rows = 10
pipeline = "PIPELINE"
model = "m"
params = { until = "{window.start}" }
promote_first = true
cooldown = "COOLDOWN"
"""


def rows_trigger(pipeline="good", cooldown="0s") -> str:
    return ROWS.replace("PIPELINE", pipeline).replace("COOLDOWN", cooldown)


@pytest.fixture
def declare(project_folder):
    """Writes the project's triggers, beside its pipelines."""
    (project_folder / "pipeline.py").write_text(PIPELINE)
    (project_folder / "test_pipeline.py").write_text("def test_nothing():\n    pass\n")
    file = project_folder / "tidemill.toml"
    head = file.read_text() + "\n[gates]\nmax_latency_ms = 1000\n"

    def write(*triggers: str) -> None:
        file.write_text(head + "".join(triggers))

    return write


def add_events(record, rows: int, at: datetime) -> None:
    import polars as pl

    frame = pl.DataFrame({"id": range(rows), "v": [1.0] * rows})
    ingest(record, "events", frame, append=False, key=(), watchers=(), at=at, because="they came")


def runs_of(record, kind: str) -> list[Run]:
    return record.ports.ledger.find(Query(Run, where=(Where("kind", "=", kind),)))


def only(decisions):
    (decision,) = decisions.decisions
    return decision


def test_a_schedule_fires_from_its_first_planned_time_on_and_once(record, declare) -> None:
    declare(MONTHLY)
    assert only(tick(record, at=APRIL)).action == "waiting"  # what was planned before is past
    decision = only(tick(record, at=MAY))
    assert (decision.action, decision.candidate) == ("fired", "model:m@1"), str(decision)
    assert decision.promoted, str(decision)
    assert "promoted to @champion" in str(decision)
    assert only(tick(record, at=MAY + timedelta(days=3))).action == "waiting"
    (run,) = runs_of(record, "retraining")
    assert run.actor == Actor(name="monthly", kind="trigger", known_by="trigger")
    assert run.status == "done"
    assert run.cause == "monthly:2013-05-01T00:00:00+00:00"
    (pipeline,) = runs_of(record, "pipeline")
    assert (pipeline.parent, str(pipeline.params["until"])) == (run.id, "2013-04-01")
    version = resolve(record, "model:m@champion")
    assert version.at == MAY
    assert verify_journal(record).is_intact
    assert "fired" in str(list_triggers(record))
    (before,) = list_triggers(record, at=APRIL).triggers
    (after,) = list_triggers(record, at=MAY).triggers
    assert (before.fired, before.last, after.fired) == (0, "never", 1)
    again = fire_trigger(record, "monthly", because="just to see", at=MAY + timedelta(days=1))
    assert (again.promoted, "nothing to promote" in again.outcome) == (False, True)


def test_firing_by_hand_needs_a_name_and_a_reason(record, declare) -> None:
    declare(MONTHLY)
    with pytest.raises(InvalidInputError, match="needs a reason"):
        fire_trigger(record, "monthly", because=" ")
    with pytest.raises(NotFoundError, match="did you mean monthly"):
        fire_trigger(record, "montly", because="x")


def test_several_causes_at_once_are_one_training_that_names_all(record, declare) -> None:
    declare(MONTHLY.replace('"good"', '"bad"'), rows_trigger("bad"))
    tick(record, at=APRIL)
    add_events(record, 50, APRIL + timedelta(days=3))
    decision = only(tick(record, at=MAY))
    assert decision.causes == ("monthly:2013-05-01T00:00:00+00:00", "rows:data:events@1")
    (run,) = runs_of(record, "retraining")
    assert run.params["triggers"] == "monthly,rows"
    used = record.ports.ledger.edges([run.id], "up", 1)
    assert resolve(record, "data:events").artifact in {edge.artifact for edge in used}


def test_a_hold_is_recorded_once_with_its_reason(record, declare) -> None:
    declare(rows_trigger())
    add_events(record, 5, APRIL)
    for _ in range(3):
        held = only(tick(record, at=APRIL))
        assert (held.action, "10 are needed" in held.why) == ("held", True)
    assert [run.params["reason"] for run in runs_of(record, "hold")] == ["not-enough"]
    add_events(record, 7, MAY)
    assert only(tick(record, at=MAY)).action == "held"  # another version is another cause
    assert len(runs_of(record, "hold")) == 2


def test_the_cooldown_counts_effective_time_from_the_last_end(record, declare) -> None:
    declare(rows_trigger("idle", cooldown="7d"))
    add_events(record, 50, APRIL)
    assert only(tick(record, at=APRIL)).action == "fired"
    add_events(record, 90, APRIL + timedelta(days=1))
    held = only(tick(record, at=APRIL + timedelta(days=6)))
    assert (held.action, "7d" in held.why) == ("held", True)
    assert only(tick(record, at=APRIL + timedelta(days=8))).action == "fired"


def test_after_three_failures_a_trigger_waits_for_a_person(record, declare) -> None:
    declare(rows_trigger("bad", cooldown="7d"))  # a failed training has no cooldown
    for number in range(3):
        at = APRIL + timedelta(days=number)
        add_events(record, 50 + 20 * number, at)
        failed = only(tick(record, at=at))
        assert (failed.action, "no room on the disk" in failed.outcome) == ("failed", True)
        again = only(tick(record, at=at))  # the same cause is not tried again at once
        assert again.action == "held"
    assert "trigger resume rows" in again.why
    add_events(record, 500, MAY)
    paused = only(tick(record, at=MAY))
    assert (paused.action, "trigger resume rows" in paused.why) == ("held", True)
    (listed,) = list_triggers(record).triggers
    assert (listed.is_paused, listed.fired, listed.failed) == (True, 3, 3)
    assert "no room on the disk" in str(list_triggers(record))
    assert resume_trigger(record, "rows", because="a new disk").failures == 3
    assert not list_triggers(record).triggers[0].is_paused
    assert only(tick(record, at=MAY)).action == "failed"  # it tries again


def test_a_failed_cause_is_tried_again_after_a_pause_that_doubles(record, declare) -> None:
    declare(rows_trigger("bad"))
    add_events(record, 50, APRIL)
    tries = [
        minutes
        for minutes in range(0, 600, 10)
        if only(tick(record, at=APRIL + timedelta(minutes=minutes))).action == "failed"
    ]
    assert len(tries) == 3  # then a person is waited for
    assert 60 <= tries[1] - tries[0] <= 70
    assert 120 <= tries[2] - tries[1] <= 130
    reasons = [run.params["reason"] for run in runs_of(record, "hold")]
    assert sorted(reasons) == ["failed-1", "failed-2", "paused"]  # each told once


def test_trainings_that_failed_are_decisions_too_and_the_list_agrees(record, declare) -> None:
    declare(rows_trigger("bad"))
    add_events(record, 50, APRIL)
    tick(record, at=APRIL)
    fire_trigger(record, "rows", because="perhaps now", at=APRIL)
    told = list_decisions(record)
    assert [one.decision.action for one in told.answered] == ["failed", "failed"]
    assert told.answered[0].decision.causes == ("rows:data:events@1",)
    assert "no room on the disk" in str(told)
    (listed,) = list_triggers(record).triggers
    assert (listed.fired, listed.failed) == (2, 2)


def test_a_cause_that_failed_is_answered_by_a_later_training_by_hand(record, declare) -> None:
    declare(rows_trigger("bad"))
    add_events(record, 50, APRIL)
    assert only(tick(record, at=APRIL)).action == "failed"
    declare(rows_trigger("idle"))
    assert fire_trigger(record, "rows", because="mended", at=APRIL).action == "fired"
    assert only(tick(record, at=MAY)).action == "waiting"


@pytest.mark.parametrize("mended", ["code", "rule"])
def test_a_failed_cause_is_tried_again_as_soon_as_what_was_wrong_is_mended(
    record, declare, project_folder, mended
) -> None:
    declare(rows_trigger("bad"))
    add_events(record, 50, APRIL)
    for expected in ("failed", "held"):
        assert f"rows: {expected}" in ticked(project_folder, APRIL)
    if mended == "code":
        (project_folder / "pipeline.py").write_text(
            PIPELINE.replace('raise ValueError("no room on the disk")', "return 1")
        )
    else:
        declare(rows_trigger("idle"))
    both = [ticking(project_folder, APRIL) for _ in range(2)]
    answers = [gone_on(process) for process in both]
    assert len([a for a in answers if "rows: fired" in a]) == 1, answers
    assert "rows: waiting" in ticked(project_folder, APRIL)
    assert sorted(run.status for run in runs_of(record, "retraining")) == ["done", "failed"]


TICK = """
import sys
from datetime import datetime
from pathlib import Path
from tidemill.app.places import open_record
from tidemill.practices.training.operations import tick
record = open_record(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(tick(record, at=datetime.fromisoformat(sys.argv[2])))
record.ports.close()
"""


def ticking(folder, at: datetime) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(TICK), str(folder), at.isoformat()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def gone_on(process: subprocess.Popen) -> str:
    return process.communicate("go\n", timeout=120)[0]


def ticked(folder, at: datetime) -> str:
    return gone_on(ticking(folder, at))


def test_two_schedulers_at_once_answer_one_cause_by_one_training(
    record, declare, project_folder
) -> None:
    declare(MONTHLY)
    tick(record, at=APRIL)
    both = [ticking(project_folder, MAY) for _ in range(2)]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len([a for a in answers if "fired" in a]) == 1, answers
    assert [run.status for run in runs_of(record, "retraining")] == ["done"]
    assert resolve(record, "model:m").number == 1


def test_a_training_whose_process_was_killed_is_lost_and_its_cause_is_answered_again(
    record, declare, project_folder
) -> None:
    declare(MONTHLY.replace('"good"', '"endless"'))
    tick(record, at=APRIL)
    process = ticking(project_folder, MAY)
    process.stdin.write("go\n")
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not (runs_of(record, "retraining") and list(project_folder.rglob("started"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert only(tick(record, at=MAY)).action == "waiting"  # its cause is being answered
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    (project_folder / "pipeline.py").write_text(PIPELINE.replace("sleep(60)", "sleep(0)"))
    again = only(tick(record, at=MAY))
    assert (again.action, again.outcome) == (
        "fired", "the pipeline gave no new candidate: nothing has changed",
    )  # fmt: skip
    states = sorted(run.status for run in runs_of(record, "retraining"))
    assert states == ["done", "lost"]


def test_a_policy_stops_a_trigger_too_and_the_refusal_is_recorded(record, declare) -> None:
    from tidemill.practices.governance.operations import set_policy

    declare(MONTHLY.replace("promote_first = true", "promote_first = false"))
    tick(record, at=APRIL)
    waits = only(tick(record, at=MAY))
    assert "a person decides about the first" in waits.outcome
    set_policy(record, "model:m", "champion", actor=("ada",), because="people only")
    declare(MONTHLY)
    decision = fire_trigger(record, "monthly", because="try", at=MAY + timedelta(days=1))
    assert not decision.promoted
    assert "refused by the policy: trigger:monthly may not move" in decision.outcome


@pytest.mark.parametrize(
    ("text", "told"),
    [(MONTHLY.replace('every = "month"', ""), "without 'every'"),
     (MONTHLY.replace('"month"', '"fortnight"'), "bad time"),
     (MONTHLY + MONTHLY, "two triggers called"),
     (MONTHLY.replace("promote_first", "promote_frist"), "promote_frist"),
     (MONTHLY.replace("promote_first", "promote_frist"), "did you mean promote_first"),
     (MONTHLY.replace("{window.start}", "{window.strat}"), "did you mean {window.start}"),
     (MONTHLY.replace("{window.start}", "{month}"), "placeholders: {window.start}, {window.end}"),
     (MONTHLY.replace('"good"', '"goood"'), "did you mean good"),
     (MONTHLY.replace("until =", "untill ="), "did you mean until"),
     (MONTHLY.replace('params = { until = "{window.start}" }', ""), "needs until"),
     (MONTHLY.replace("{window.start}", "soon"), "takes date, not 'soon'"),
     (MONTHLY.replace("promote_first = true", "promote_first = 1"), "'monthly'.*bool"),
     (MONTHLY.replace("[[trigger]]", "[trigger]"), r"write \[\[trigger\]\]"),
     (rows_trigger(cooldown="soon"), "bad time"),
     (rows_trigger() + 'retry = "soon"', "bad time"),
     (MONTHLY.replace('"month"', '"mnoth"'), "did you mean month"),
     (MONTHLY.replace('"schedule"', '"schedul"'), "did you mean schedule. kind is one of schedule"),
     (MONTHLY + 'promote = "the best"', "'the best', which cannot be an alias"),
     (MONTHLY + 'promote = "3"', "cannot be an alias"),
     (MONTHLY.replace('model = "m"', 'model = "model:m@1"'), 'model = "m"'),
     (rows_trigger().replace('"events"', '"my events"'), "is no name"),
     (MONTHLY + 'compare = "data:rows@2"', 'always the newest version\n.*compare = "data:rows"'),
     (MONTHLY + 'compare = "model:m"', "compare: ")],
)  # fmt: skip
def test_a_trigger_that_cannot_be_is_told(record, declare, text, told) -> None:
    declare(text)
    for read in (lambda: tick(record, at=APRIL), lambda: list_triggers(record)):
        with pytest.raises(InvalidInputError, match=told):
            read()
    assert not runs_of(record, "retraining")


def test_what_a_rule_names_and_nobody_has_seen_is_noted_with_what_was_probably_meant(
    record, declare
) -> None:
    add_events(record, 3, APRIL)
    declare(rows_trigger().replace('"events"', '"evnets"'))
    (state,) = list_triggers(record).triggers
    assert state.notes[0] == "data:evnets is not in the record (yet); did you mean events?"
    assert "note: rows: data:evnets" in str(list_triggers(record))
    assert "note: data:evnets is not in the record" in str(tick(record, at=MAY))
    declare(rows_trigger())
    (state,) = list_triggers(record).triggers
    assert state.notes == ("model:m is not in the record (yet)",)
    declare(rows_trigger() + 'compare = "data:evnets"')
    (state,) = list_triggers(record).triggers
    assert state.notes[0] == "data:evnets is not in the record (yet); did you mean events?"


DRIFT = """
[[trigger]]
name = "drifted"
kind = "drift"
pipeline = "good"
model = "m"
params = { until = "{window.start}" }
cooldown = "7d"
"""


def raise_drift(record, at: datetime) -> None:
    from tidemill.lineage.artifacts import put_value
    from tidemill.lineage.writing import opened
    from tidemill.practices.drift.alerts import Raised, raise_alert

    with opened(record, kind="drift", name="m", at=at) as run:
        verdict = run.made(put_value(record, "note", "it drifted"))
        raised = Raised(
            deployment="m", check="drift.data", model=verdict.id, model_version="model:m@1",
            window="2013-05", days=("2013-05-02",), because="x moved", verdict=verdict.id,
        )  # fmt: skip
        raise_alert(record, run, raised)


def test_an_alert_is_not_answered_by_the_champion_itself(record, declare) -> None:
    declare(MONTHLY, DRIFT)
    tick(record, at=APRIL)
    assert tick(record, at=MAY).decisions[0].promoted
    raise_drift(record, MAY + timedelta(days=2))

    def drifted(at: datetime):
        declare(DRIFT)
        return only(tick(record, at=at))

    same = drifted(MAY + timedelta(days=9))
    assert "equals the champion" in same.outcome, str(same)
    assert "tried again once new rows can be let in" in same.outcome
    for day in (10, 25):  # in the same window the same rows: nothing to train on
        held = drifted(MAY + timedelta(days=day))
        assert (held.action, "the champion itself" in held.why) == ("held", True), str(held)
    june = drifted(MAY + timedelta(days=32))
    assert (june.action, june.candidate) == ("fired", "model:m@2"), str(june)
    assert not june.is_same_model
    assert drifted(MAY + timedelta(days=45)).action == "waiting"


def test_new_data_let_an_alert_be_tried_again_after_the_cooldown(record, declare) -> None:
    declare(MONTHLY, DRIFT)
    tick(record, at=APRIL)
    tick(record, at=MAY)
    raise_drift(record, MAY + timedelta(days=2))
    declare(DRIFT)
    assert only(tick(record, at=MAY + timedelta(days=9))).is_same_model
    add_events(record, 50, MAY + timedelta(days=10))
    held = only(tick(record, at=MAY + timedelta(days=12)))
    assert (held.action, "7d" in held.why) == ("held", True), str(held)
    assert only(tick(record, at=MAY + timedelta(days=17))).action == "fired"


def test_a_trigger_promotes_nothing_that_a_check_by_hand_would_not_pass(
    record, declare, project_folder
) -> None:
    from tidemill.practices.integration.operations import check

    declare(MONTHLY)
    (project_folder / "test_pipeline.py").unlink()
    tick(record, at=APRIL)
    refused = only(tick(record, at=MAY))
    assert (refused.promoted, refused.gates) == (False, "not_run")
    assert "code.tests: the project has no tests" in refused.outcome
    assert "gates of code, data and model: not run" in str(refused)
    by_hand = check(record, refused.candidate, at=MAY)
    (whole,) = by_hand.combined
    assert (whole.state, whole.is_unchanged) == ("not_run", True)
    part = check(record, refused.candidate, only=("model",), at=MAY)
    assert not part.combined
    assert "asked was only model" in str(part)
