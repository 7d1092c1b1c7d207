"""Of which grape is a wine? Three classes, told from its analysis by CatBoost.

tidemill run grape
"""

import polars as pl
from contracts import Wines
from raw import COLUMNS, GRAPES

import tidemill as tm

TASK = tm.Task(kind="multiclass", label="grape", classes=GRAPES)


@tm.step
def split(wines: pl.DataFrame, every: int = 3) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Hold every third wine of each grape out; the file is sorted by grape."""
    place = pl.int_range(pl.len()).over("grape") % every
    return wines.filter(place != 0), wines.filter(place == 0)


@tm.step
def train(rows: pl.DataFrame, trees: int = 120, depth: int = 3) -> tm.Model:
    """Train CatBoost; it is stored as its own file (.cbm), which runs no code when it is read."""
    import catboost  # noqa: PLC0415 - takes a second, and only this step needs it

    model = catboost.CatBoostClassifier(
        iterations=trees, depth=depth, learning_rate=0.1, random_seed=1, thread_count=1,
        verbose=0, allow_writing_files=False,
    )  # fmt: skip
    model.fit(rows.select(COLUMNS).to_numpy(), rows["grape"].to_list())
    signature = tm.infer_signature(
        rows.select(COLUMNS), context=rows.select("wine_id"), row_key="wine_id"
    )
    return tm.Model(model, signature=signature, task=TASK)


@tm.pipeline
def grape(trees: int = 120, depth: int = 3) -> None:
    """From analyses to a candidate `model:grape`, judged on wines that it has not seen."""
    fitted, held_out = split(tm.data("wines", contract=Wines))
    model = train(fitted, trees=trees, depth=depth)
    report = tm.evaluate(model, held_out)
    tm.candidate("grape", model, report=report, sample=fitted)
