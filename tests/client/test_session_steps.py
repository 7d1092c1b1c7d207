"""Steps of scripts: they run, are known again by their source, and say what they may not read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """
import dataclasses, enum, functools, os
import polars as pl
import tidemill as tm
import os.path

SCALE = 3

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Sum:
    value: int
    colour: Colour

BEST = Colour.RED
LIMITS = {"low": [1, 2], "high": (3.5, None)}

@functools.lru_cache
def twice(number): return 2 * number

half = lambda number: number / 2
frame = pl.DataFrame({"a": [1, 2, 3]})
"""
STEPS = """
@tm.step
def make(rows: int) -> pl.DataFrame:
    return pl.DataFrame({"a": [SCALE * twice(i) for i in range(rows)], "p": os.path.join("a", "b")})

@tm.step
def summed(rows: pl.DataFrame) -> Sum:
    assert half(4) == 2 and LIMITS["low"][0] == 1 and len(LIMITS["high"]) == 2
    return Sum(int(rows["a"].sum()), BEST)

@tm.step
def reads_a_frame(rows: pl.DataFrame) -> int:
    return frame.height

@tm.step
def fails(rows: pl.DataFrame) -> float:
    return 1 / 0

@tm.step
def whose(number: int) -> int:
    return os.getpid()

@tm.pipeline
def flow(rows: int = 4, also: str = ""):
    made = make(rows)
    print("sum", tm.load(summed(made)))
    if also == "frame":
        reads_a_frame(made)
    if also == "fails":
        fails(made)

@tm.pipeline
def here():
    print("own", tm.load(whose(1)) == os.getpid())
"""
RUN = """
if __name__ == "__main__":
    print([line.state for line in tm.run_pipeline("flow").steps])
"""


def ran(folder: Path, source: str) -> str:
    (folder / "script.py").write_text(source)
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=False,
        timeout=100, env={**os.environ, "TIDEMILL_ACTOR": "ada"},
    )  # fmt: skip
    return ended.stdout + ended.stderr


def test_steps_of_a_script_run_in_workers_and_are_known_again(tmp_path):
    first = ran(tmp_path, HEAD + STEPS + RUN)
    assert "sum Sum(value=36, colour=<Colour.RED: 1>)" in first
    assert "['done', 'done']" in first
    assert "['reused', 'reused']" in ran(tmp_path, HEAD + STEPS + RUN)


def test_a_step_that_reads_a_frame_of_the_session_is_refused_by_its_name(tmp_path):
    told = ran(tmp_path, HEAD + STEPS + "tm.run_pipeline('flow', params={'also': 'frame'})")
    assert "step reads_a_frame reads the global frame, a polars" in told
    assert "reads_a_frame(frame=...)" in told


def test_an_error_names_the_line_of_the_script(tmp_path):
    told = ran(tmp_path, HEAD + STEPS + "tm.run_pipeline('flow', params={'also': 'fails'})")
    line = 1 + (HEAD + STEPS).split("\n").index("    return 1 / 0")
    assert f"step fails failed: script.py:{line}: ZeroDivisionError" in told


def test_in_process_a_step_runs_here_and_its_result_is_known_as_any_other(tmp_path):
    twice = "for _ in range(2): print(tm.run_pipeline('here', in_process=True).steps[0].state)"
    told = ran(tmp_path, HEAD + STEPS + twice)
    assert told.count("own True") == 2
    assert "done" in told
    assert "reused" in told


def test_a_debugger_that_is_left_ends_the_run_as_cancelled(tmp_path):
    source = (
        "import bdb\nimport tidemill as tm\n\n@tm.step\ndef look() -> int:\n    raise bdb.BdbQuit\n"
        "\n@tm.pipeline\ndef flow(): look()\n"
        "try:\n    tm.run_pipeline('flow', in_process=True)\n"
        "except tm.CancelledError as error:\n    print(error.what)\nprint(tm.listing('run'))\n"
    )
    told = ran(tmp_path, source)
    assert "pipeline flow was stopped" in told
    assert "pipeline flow cancelled" in told


@pytest.mark.parametrize("line", ["with tm.run('x'): pass", "tm.autolog()"])
def test_a_script_beside_the_project_is_not_run_to_see_what_it_declares(tmp_path, line):
    (tmp_path / "other.py").write_text(f"import tidemill as tm\nprint('other runs')\n{line}\n")
    told = ran(tmp_path, HEAD + STEPS + RUN)
    assert "['done', 'done']" in told
    assert "other runs" not in told
