"""The recipes of the README's "One practice alone" run to the letter, each in an empty folder."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression

README = Path(__file__).parents[1] / "README.md"
FENCE = re.compile(r"\*\*([^*]+)\*\*[^\n]*\n```(python)?\n(.*?)```", re.DOTALL)
TOLD = {
    "Track a run": "price@1",
    "Version a folder": "removed  1.png",
    "Check a CSV": "contract: pass",
    "Compare two windows for drift": "no drift",
    "Register and serve a model made elsewhere": "scored 60 rows of data:houses@1",
    "Watch a model that is served elsewhere": "kept in predictions:churn@1",
}
"""What each recipe must have said at its end."""

pytestmark = pytest.mark.slow


def recipes() -> dict[str, tuple[bool, str]]:
    """Return whether it is Python, and the lines, of each recipe by its name."""
    text = README.read_text(encoding="utf-8")
    section = text[text.index("## One practice alone") : text.index("## Any model, any data")]
    return {name: (bool(python), body) for name, python, body in FENCE.findall(section)}


def houses(rows: int, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    area = random.normal(80, 20, rows).round(1)
    return pl.DataFrame({
        "area": area, "rooms": random.integers(1, 6, rows),
        "price": (900 * area + random.normal(0, 4000, rows)).round(),
    })  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path):
    """A folder with nothing but the files that a recipe names."""
    (tmp_path / "pictures").mkdir()
    for number in (1, 2):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(bytes([number]) * 100)
    houses(300, 1).write_csv(tmp_path / "may.csv")
    houses(300, 2).write_csv(tmp_path / "june.csv")
    rows = houses(60, 3)
    rows.write_csv(tmp_path / "rows.csv")
    inputs = rows.select(pl.col("area", "rooms").cast(pl.Float32)).to_numpy()
    graph = to_onnx(LinearRegression().fit(inputs, rows["price"].to_numpy()), inputs[:1])
    onnx.save(graph, tmp_path / "price.onnx")
    told_elsewhere(tmp_path)
    yield tmp_path
    tidemill = [sys.executable, "-m", "tidemill.app.command_line"]
    subprocess.run([*tidemill, "down"], cwd=tmp_path, check=False, capture_output=True)


def told_elsewhere(folder: Path) -> None:
    random = np.random.default_rng(4)
    start, rows = datetime(2024, 1, 1, tzinfo=UTC), 60 * 24
    score = random.random(rows).round(3)
    keys = [f"r{number}" for number in range(rows)]
    at = [start + timedelta(hours=number) for number in range(rows)]
    answers = pl.DataFrame({"request_id": keys, "at": at, "score": score})
    answers.write_csv(folder / "answers.csv")
    labels = pl.DataFrame({"request_id": keys, "label": (random.random(rows) < score).astype(int)})
    labels.write_csv(folder / "labels.csv")


def test_every_recipe_is_tested_and_has_at_most_six_lines() -> None:
    assert recipes().keys() == TOLD.keys()
    assert all(len(body.splitlines()) <= 6 for _, body in recipes().values())


@pytest.mark.parametrize("name", list(TOLD))
def test_a_recipe_works_in_a_folder_with_nothing_set_up(folder: Path, name: str) -> None:
    is_python, body = recipes()[name]
    environment = {
        **os.environ, "TIDEMILL_ACTOR": "ada", "OMP_NUM_THREADS": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }  # fmt: skip
    command = ["bash", "-ec", body]
    if is_python:
        fitted = "import polars as pl\nfrom sklearn.linear_model import LinearRegression\n"
        fitted += "rows = pl.read_csv('rows.csv').to_pandas()\n"
        fitted += "fitted = LinearRegression().fit(rows[['area', 'rooms']], rows['price'])\n"
        command = [sys.executable, "-c", f"{fitted}{body}print(run.versions)"]
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert TOLD[name] in ended.stdout
