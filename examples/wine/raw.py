"""The raw file: 178 analyses of wine, as scikit-learn ships them, with names of their columns.

python raw.py

The data are `wine_data.csv` of the package scikit-learn; the package itself is never imported.
"""

import importlib.metadata
import sys
from pathlib import Path

COLUMNS = (
    "alcohol", "malic_acid", "ash", "alcalinity", "magnesium", "phenols", "flavanoids",
    "nonflavanoids", "proanthocyanins", "colour", "hue", "dilution", "proline",
)  # fmt: skip
GRAPES = ("barolo", "grignolino", "barbera")
"""What the classes 0, 1 and 2 of the file are, in its order."""


def packaged(name: str) -> Path:
    """Return a file of scikit-learn's data; raises FileNotFoundError when it is not there."""
    for file in importlib.metadata.files("scikit-learn") or ():
        if file.as_posix() == f"sklearn/datasets/data/{name}":
            return Path(str(file.locate()))
    raise FileNotFoundError(f"scikit-learn has no {name}; pip install 'tidemill[sklearn]'")


def write_raw_files(folder: Path) -> Path:
    """Write `wines.csv` into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = packaged("wine_data.csv").read_text(encoding="utf-8").splitlines()[1:]
    with (folder / "wines.csv").open("w", encoding="utf-8", newline="\n") as file:
        file.write(",".join(("wine_id", *COLUMNS, "grape")) + "\n")
        for number, line in enumerate(lines):
            values, _, grape = line.rpartition(",")
            file.write(f"w{number:03d},{values},{GRAPES[int(grape)]}\n")
    return folder


if __name__ == "__main__":
    print(write_raw_files(Path(sys.argv[1] if len(sys.argv) > 1 else "raw")))
