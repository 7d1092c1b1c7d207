"""How much disk an installation takes, beside MLflow's: `pip install` of each into an empty folder.

`python bench/installed_size.py [PEER...]`; without names the peer is `mlflow`. Both are installed
by uv from the package index or its cache, with all that they depend on and without byte code.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MB = 1_000_000
EXTRAS = ("lightgbm", "sklearn")


def installed(folder: Path, *names: str) -> tuple[float, int]:
    """Return the megabytes and the number of distributions that an installation has."""
    target = folder / "-".join(Path(name).name for name in names)
    subprocess.run(
        [shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv"), "pip", "install", "--quiet",
         "--no-config", "--link-mode", "copy", "--target", str(target), *names],
        cwd=folder, check=True,
    )  # fmt: skip
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    return size / MB, len(list(target.glob("*.dist-info")))


def main() -> None:
    """Print one line an installation."""
    peers = sys.argv[1:] or ["mlflow"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ours = [str(ROOT), *(f"{ROOT}[{extra}]" for extra in EXTRAS)]
        for name in [*ours, *peers]:
            megabytes, distributions = installed(folder, name)
            told = name.replace(str(ROOT), "tidemill")
            print(f"{told:24} {megabytes:7.0f} MB  {distributions:3} distributions")


if __name__ == "__main__":
    main()
