"""How far will the disease go within a year? Regression with scikit-learn, and a metric of our own.

tidemill run progression
"""

import pandas as pd
import polars as pl
from contracts import Patients
from raw import COLUMNS
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import tidemill as tm

INPUTS = list(COLUMNS)
TASK = tm.Task(kind="regression", label="progression")


@tm.metric(higher_is_better=True)
def within_50(rows: pl.DataFrame) -> float:
    """The share of patients of whom the answer is no more than 50 points off: what doctors ask."""
    return float(((rows["prediction"] - rows["label"]).abs() <= 50).mean())


@tm.step
def split(patients: pd.DataFrame, share: float = 0.35) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold some patients out, as many of either sex."""
    fitted, held_out = train_test_split(
        patients, test_size=share, random_state=1, stratify=patients["sex"]
    )
    return fitted, held_out


@tm.step
def train(rows: pd.DataFrame, degree: int = 1, heavy_weight: float = 1.5) -> tm.Model:
    """Fit a ridge regression; the severe half counts more, because nobody wants to miss those."""
    fitted = make_pipeline(
        PolynomialFeatures(degree, include_bias=False), StandardScaler(),
        RidgeCV(alphas=[0.1, 1, 10, 100, 1000]),
    )  # fmt: skip
    is_severe = rows["progression"] > rows["progression"].median()
    weights = 1 + (heavy_weight - 1) * is_severe.astype(float)
    fitted.fit(rows[INPUTS], rows["progression"], ridgecv__sample_weight=weights)
    signature = tm.infer_signature(rows[INPUTS], context=rows[["patient_id"]], row_key="patient_id")
    return tm.Model(fitted, signature=signature, task=TASK)


@tm.pipeline
def progression(degree: int = 1, heavy_weight: float = 1.5) -> None:
    """From measurements to a candidate `model:progression`, judged by sex and by our own metric."""
    fitted, held_out = split(tm.data("patients", contract=Patients))
    model = train(fitted, degree=degree, heavy_weight=heavy_weight)
    report = tm.evaluate(model, held_out, slices=("sex",), metrics=within_50)
    tm.candidate("progression", model, report=report, sample=fitted)
