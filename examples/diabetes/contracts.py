"""What the measurements promise. Rows that break a rule are put aside, named with their rule."""

import tidemill as tm


class Patients(tm.Contract):
    """One patient a row: ten measurements, and how far the disease went within a year."""

    key = ("patient_id",)
    min_rows = 400

    patient_id: str
    age: float = tm.column(between=(0, 120), unit="years", reject=True)
    sex: float = tm.column(one_of=[1, 2])
    bmi: float = tm.column(between=(10, 80), unit="kg/m2", reject=True)
    blood_pressure: float = tm.column(between=(40, 200), unit="mm Hg, mean arterial")
    cholesterol: float = tm.column(between=(50, 500), unit="mg/dl")
    ldl: float = tm.column(between=(10, 400), unit="mg/dl")
    hdl: float = tm.column(between=(10, 150), unit="mg/dl")
    cholesterol_by_hdl: float = tm.column(between=(1, 20))
    log_triglycerides: float = tm.column(between=(2, 8))
    glucose: float = tm.column(between=(40, 300), unit="mg/dl")
    progression: float = tm.column(between=(0, 500), meaning="after one year; higher is worse")

    good_is_part_of_all = tm.rule("hdl < cholesterol")
