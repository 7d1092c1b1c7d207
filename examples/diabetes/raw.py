"""The raw file: 442 patients with diabetes, as scikit-learn ships them, with names of columns.

python raw.py

The data are two files of the package scikit-learn; the package itself is never imported.
"""

import gzip
import importlib.metadata
import sys
from pathlib import Path

COLUMNS = (
    "age", "sex", "bmi", "blood_pressure", "cholesterol", "ldl", "hdl", "cholesterol_by_hdl",
    "log_triglycerides", "glucose",
)  # fmt: skip


def packaged(name: str) -> list[str]:
    """Return the lines of a file of scikit-learn's data; raises FileNotFoundError without it."""
    for file in importlib.metadata.files("scikit-learn") or ():
        if file.as_posix() == f"sklearn/datasets/data/{name}":
            return gzip.decompress(Path(str(file.locate())).read_bytes()).decode().splitlines()
    raise FileNotFoundError(f"scikit-learn has no {name}; pip install 'tidemill[sklearn]'")


def write_raw_files(folder: Path) -> Path:
    """Write `patients.csv` into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    measured, came = packaged("diabetes_data_raw.csv.gz"), packaged("diabetes_target.csv.gz")
    with (folder / "patients.csv").open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(("patient_id", *COLUMNS, "progression")) + "\n")
        for number, (values, after) in enumerate(zip(measured, came, strict=True)):
            row = ",".join(values.split())
            file.write(f"p{number:03d},{row},{float(after):g}\n")
    return folder


if __name__ == "__main__":
    print(write_raw_files(Path(sys.argv[1] if len(sys.argv) > 1 else "raw")))
