"""A reference without times: random parts stand for days, and what that can promise is said."""

import numpy as np
import polars as pl

from tidemill.core.signature import Field
from tidemill.kernels.e_detector import DetectorState, day_detector
from tidemill.practices.drift.reference import NO_TIME, Reference, _sample_days
from tidemill.practices.drift.states import Detector, Known, moved, threshold_of
from tidemill.practices.drift.watched import counted, scores_of, watched_columns

FIELDS = (Field(name="x", datatype="FP64"), Field(name="kind", datatype="BYTES"))
DAYS, ROWS_A_DAY, ALARMS_A_YEAR = 60, 100, 12.0


def rows_of(rng: np.random.Generator, rows: int, *, day: float = 0.0) -> pl.DataFrame:
    return pl.DataFrame({"x": rng.normal(day, 1.0, rows), "kind": rng.choice(["a", "b"], rows)})


def alarms(seed: int, *, spread: float) -> int:
    """How often 60 days raise an alarm; by `spread` days differ from each other by themselves."""
    rng = np.random.default_rng(seed)
    sample = rows_of(rng, 3000)
    watched, _ = watched_columns(FIELDS, (), sample, has_rules=False)
    reference = [scores_of(watched, day) for day in _sample_days(watched, sample, "", ROWS_A_DAY)]
    detector = day_detector(watched.names, np.array(reference), weights=watched.weights)
    held = Reference(
        model="td1:m", detector=detector, days=len(reference), rows_a_day=ROWS_A_DAY,
        made_from="td1:s", watched=watched,
    )  # fmt: skip
    empty = Detector(
        check="drift.data", model="m", model_version="model:m@1", reference=f"b3:{seed}",
        state=DetectorState(), window="", evidence=0.0, threshold=0.0, days=(),
    )  # fmt: skip
    days = []
    for number in range(DAYS):
        rows = rows_of(rng, ROWS_A_DAY, day=spread * rng.normal())
        days.append((str(number), scores_of(watched, counted(watched, rows, str(number), {}))))
    known = Known(detector=empty, reference=held)
    after, _ = moved(known, days, window="w", alarms=ALARMS_A_YEAR)
    return after.state.alarms


def test_text_that_people_wrote_is_not_watched_by_its_levels_and_that_is_noted() -> None:
    rng = np.random.default_rng(0)
    texts = pl.Series([f"words {number}" for number in range(300)])
    sample = rows_of(rng, 300).with_columns(body=texts, key=texts, code=texts.str.slice(0, 7))
    fields = (
        *FIELDS,
        Field(name="body", datatype="BYTES"),
        Field(name="key", datatype="BYTES", categories=tuple(sorted(texts))),
        Field(name="code", datatype="BYTES"),
    )
    watched, notes = watched_columns(fields, (), sample, has_rules=False)
    assert [one.feature for one in watched.features] == ["x", "kind", "key", "code"]
    assert notes == ("body is text of its own in nearly every row and is not watched",)


def test_where_days_differ_by_chance_alone_random_parts_keep_the_promise() -> None:
    replays = 30
    raised = sum(alarms(seed, spread=0.0) for seed in range(replays))
    assert raised <= replays * DAYS / threshold_of(ALARMS_A_YEAR)


def test_where_days_differ_by_themselves_the_promise_fails_and_the_note_says_so() -> None:
    promised = 10 * DAYS / threshold_of(ALARMS_A_YEAR)
    assert sum(alarms(seed, spread=2.0) for seed in range(10)) > promised
    assert "may be told as drift" in NO_TIME
