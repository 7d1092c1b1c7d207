"""Will a flight land more than 15 minutes late, told at its scheduled departure?

tidemill run delay --until 2013-04-01
"""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
from contracts import Flights
from views import LATE_MINUTES, VIEWS

import tidemill as tm

TASK = tm.Task(kind="binary", label="is_late", threshold=0.4)
CONTEXT = ["flight_id", "scheduled_at", "tailnum", "dest", "hour_band"]
FEATURES = [name for view in VIEWS for name in view.feature_names if name not in CONTEXT]
FEATURES += ["distance", "carrier", "origin"]
SLICES = ("carrier", "origin", "hour_band")


@tm.step
def labelled(flights: pl.DataFrame, until: date) -> pl.DataFrame:
    """The flights whose landing was known by `until`, oldest first."""
    cut = datetime(until.year, until.month, until.day, tzinfo=UTC)
    landed = flights.filter(pl.col("landed_at") <= cut).sort("scheduled_at", "flight_id")
    kept = ["flight_id", "scheduled_at", "tailnum", "carrier", "origin", "dest", "distance"]
    return landed.select(*kept, is_late=(pl.col("arr_delay") > LATE_MINUTES).cast(pl.Int64))


@tm.step
def split(rows: pl.DataFrame, held_out_share: float = 0.2) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The later slice is held out: a model is judged on days that came after those it saw."""
    days = rows["scheduled_at"].dt.date()
    cut = days.unique().sort()[int(days.n_unique() * (1 - held_out_share))]
    return rows.filter(days < cut), rows.filter(days >= cut)


@tm.step(threads=2)
def train(rows: pl.DataFrame, trees: int = 60, leaves: int = 31) -> tm.Model:
    """Train LightGBM; text columns become the categories that the signature keeps."""
    import lightgbm  # noqa: PLC0415 - takes a second, and only this step needs it

    signature = tm.infer_signature(
        rows.select(FEATURES),
        context=rows.select(CONTEXT),
        time="scheduled_at",
        row_key="flight_id",
    )
    settings = {
        "objective": "binary", "learning_rate": 0.12, "num_leaves": leaves, "max_bin": 127,
        "min_data_in_leaf": 100, "feature_fraction": 0.7, "bagging_fraction": 0.8,
        "bagging_freq": 1, "seed": 1, "deterministic": True, "force_col_wise": True,
        "num_threads": 2, "verbosity": -1,
    }  # fmt: skip
    categorical = [FEATURES.index(name) for name in ("carrier", "origin")]
    data = lightgbm.Dataset(
        tm.matrix(signature, rows),
        rows["is_late"].to_numpy().astype(np.float64),
        categorical_feature=categorical,
    )
    booster = lightgbm.train(settings, data, num_boost_round=trees)
    return tm.Model(booster, signature=signature, task=TASK)


@tm.step
def sample(rows: pl.DataFrame, every: int = 4) -> pl.DataFrame:
    """Every fourth row: what drift is compared with."""
    return rows.gather_every(every)


@tm.business_figure(name="minutes_saved", unit="minutes a flight", direction="higher")
def minutes_saved(rows: pl.DataFrame) -> pl.Series:
    """A warned passenger of a late flight saves 20 minutes; a false warning costs 5."""
    warned, late = rows["decision"] == 1, rows["label"] == 1
    return pl.select(
        pl.when(warned & late).then(20.0).when(warned & ~late).then(-5.0).otherwise(0.0)
    ).to_series()


@tm.pipeline
def delay(until: date, trees: int = 60) -> None:
    """From flights to a candidate that is judged and registered."""
    flights = tm.data("flights", as_of=until, contract=Flights)
    asked = labelled(flights, until)
    rows = tm.training_set(asked, views=VIEWS, time="scheduled_at", as_of=until)
    fitted, held_out = split(rows)
    model = train(fitted, trees=trees)
    report = tm.evaluate(
        model, held_out, time="scheduled_at", slices=SLICES, business=minutes_saved
    )
    tm.candidate("delay", model, report=report, sample=sample(rows))
