"""Champion and challenger: the rates that a comparison promises, through the code that promotes."""

import math

import numpy as np
import pytest

from tidemill.core.task import Task
from tidemill.practices.training.contest import ContestRows, hold_contest, spent_alpha

TASK = Task(kind="binary", label="is_late")
DAYS, ROWS_A_DAY = 20, 40


def rows_of(seed: int, *, gain: float = 0.0, **given) -> ContestRows:
    """Days that move together; both models see the truth through noise of their own."""
    random = np.random.default_rng(seed)
    days = np.repeat(np.arange(DAYS), ROWS_A_DAY)
    truth = random.normal(size=DAYS)[days] + random.normal(size=len(days))
    label = (truth + random.normal(size=len(days)) > 1.0).astype(np.float64)
    noise = random.normal(size=(2, len(days)))

    def score(column: np.ndarray, share: float) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-(truth + (1.0 - share) * column - 1.0)))

    known = {
        "labels": label, "champion": score(noise[0], 0.0), "challenger": score(noise[1], gain),
        "days": days, "logged": np.full(len(days), math.nan), "slices": {},
    }  # fmt: skip
    return ContestRows(**(known | given))


def test_an_equal_challenger_is_promoted_in_at_most_five_of_a_hundred_cases() -> None:
    runs = 200
    won = sum(hold_contest(TASK, rows_of(s)).findings[0].state == "pass" for s in range(runs))
    # 5 % of 200 is 10; more than 18 would have a chance below 1 in 100 at a true rate of 5 %
    assert won <= 18


def test_a_better_challenger_wins_and_says_by_how_much() -> None:
    found = hold_contest(TASK, rows_of(1, gain=0.9))
    better = found.findings[0]
    assert better.state == "pass"
    assert better.interval is not None
    assert 0.0 < better.interval[0] < better.measured < better.interval[1]
    assert "sure" in better.what


def test_the_same_model_never_beats_itself() -> None:
    rows = rows_of(3)
    same = hold_contest(TASK, rows_of(3, challenger=rows.champion))
    assert same.findings[0].state == "fail"
    assert same.comparison.gain == 0.0


def test_too_few_days_are_no_verdict() -> None:
    rows = rows_of(4)
    found = hold_contest(TASK, rows_of(4, days=rows.days % 3))
    assert found.findings[0].state == "not_run"


@pytest.mark.parametrize("shift", [0.0, 1e-3])
def test_a_champion_that_answers_otherwise_than_it_did_stops_the_contest(shift: float) -> None:
    rows = rows_of(5)
    found = hold_contest(TASK, rows_of(5, logged=rows.champion + shift))
    logged = next(f for f in found.findings if f.rule == "logged")
    assert logged.state == ("fail" if shift else "pass")
    assert logged.rows_checked == DAYS * ROWS_A_DAY


def test_a_slice_that_is_worse_beyond_doubt_is_named() -> None:
    random = np.random.default_rng(6)
    rows = rows_of(6, gain=0.9)
    in_slice = random.integers(0, 2, DAYS * ROWS_A_DAY) == 1
    broken = np.where(in_slice, 1.0 - rows.challenger, rows.challenger)
    levels = np.where(in_slice, "winter", "summer")
    found = hold_contest(TASK, rows_of(6, gain=0.9, challenger=broken, slices={"season": levels}))
    slices = next(f for f in found.findings if f.rule == "slices")
    assert slices.state == "fail"
    assert "season = winter" in slices.what


def test_looking_again_at_a_window_costs_half_of_what_was_left() -> None:
    assert [spent_alpha(look) for look in (1, 2, 3)] == [0.05, 0.025, 0.0125]
    second = hold_contest(TASK, rows_of(7), look=2)
    assert second.comparison.alpha == 0.025
    assert "look 2" in second.findings[0].what


@pytest.mark.parametrize(
    ("task", "classes"),
    [(Task(kind="regression", label="y"), 0),
     (Task(kind="multiclass", label="y", classes=("a", "b", "c")), 3)],
)  # fmt: skip
def test_every_kind_of_task_can_be_contested(task: Task, classes: int) -> None:
    random = np.random.default_rng(8)
    rows = DAYS * ROWS_A_DAY
    if classes:
        label = random.integers(0, classes, rows).astype(np.float64)
        sharp = np.full((rows, classes), 0.1)
        sharp[np.arange(rows), label.astype(int)] = 0.8
        dull = np.full((rows, classes), 1.0 / classes)
    else:
        label = random.normal(size=rows)
        sharp, dull = label + 0.1 * random.normal(size=rows), np.zeros(rows)
    found = hold_contest(task, rows_of(8, labels=label, champion=dull, challenger=sharp))
    assert found.findings[0].state == "pass"


def test_slices_that_are_too_small_are_told_and_one_slice_is_one() -> None:
    days = rows_of(6)
    small = np.array([f"level {n}" for n in range(len(days.labels))])
    found = hold_contest(TASK, rows_of(6, slices={"tail": small}))
    told = next(f for f in found.findings if f.rule == "slices")
    assert (told.state, told.what) == ("warn", "no slice of tail is large enough to be judged")
    whole = np.array(["all"] * len(days.labels))
    found = hold_contest(TASK, rows_of(6, slices={"place": whole}))
    told = next(f for f in found.findings if f.rule == "slices")
    assert "slices" not in told.what
