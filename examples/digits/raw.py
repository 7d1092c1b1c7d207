"""The raw folder: 1,797 handwritten digits of 8 by 8 pixels, as scikit-learn ships them.

python raw.py

The data are `digits.csv.gz` of the package scikit-learn; the package itself is never imported.
"""

import gzip
import importlib.metadata
import sys
from pathlib import Path

SIDE, BRIGHTEST = 8, 16
DIGITS = tuple("0123456789")


def packaged(name: str) -> list[str]:
    """Return the lines of a file of scikit-learn's data; raises FileNotFoundError without it."""
    for file in importlib.metadata.files("scikit-learn") or ():
        if file.as_posix() == f"sklearn/datasets/data/{name}":
            return gzip.decompress(Path(str(file.locate())).read_bytes()).decode().splitlines()
    raise FileNotFoundError(f"scikit-learn has no {name}; pip install 'tidemill[sklearn]'")


def write_raw_files(folder: Path, most: int = 0) -> Path:
    """Write `digits/DIGIT/NUMBER.pgm` into `folder` and return it; with `most` only so many."""
    for number, line in enumerate(packaged("digits.csv.gz")[: most or None]):
        *pixels, digit = (int(float(cell)) for cell in line.split(","))
        path = folder / "digits" / str(digit) / f"{number:04d}.pgm"
        path.parent.mkdir(parents=True, exist_ok=True)
        # PGM: a line with width, height and the brightest value, then one byte a pixel.
        path.write_bytes(b"P5 %d %d %d\n" % (SIDE, SIDE, BRIGHTEST) + bytes(pixels))
    return folder


if __name__ == "__main__":
    print(write_raw_files(Path("raw"), int(sys.argv[1]) if len(sys.argv) > 1 else 0))
