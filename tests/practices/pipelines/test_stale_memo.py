"""Whatever code a step can import, an edit of it is noticed, or its result is not memoized."""

import os
import py_compile
import subprocess

import pytest

from tidemill.core.query import Note, Query, Where
from tidemill.practices.integration.bounds import Bounds
from tidemill.practices.integration.project_check import code_gate

FLOW = """
@step
def scaled(x: int) -> int:
    import {module} as lib
    return x * lib.FACTOR

@pipeline
def flow(x: int = 2):
    scaled(x)
"""


def states(result) -> list[str]:
    return [line["state"] for line in result["steps"]]


@pytest.mark.parametrize("file", ["test_lib.py", "tests/lib.py", "gen_lib.py", "deep/er/lib.py"])
def test_an_edit_of_any_python_file_of_the_project_lets_a_step_run_again(mill, file) -> None:
    path = mill.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    (mill.folder / ".gitignore").write_text(".tidemill/\ngen_*.py\n")
    subprocess.run(["git", "init", "-q"], cwd=mill.folder, check=True)
    mill.write(FLOW.format(module=file.removesuffix(".py").replace("/", ".")))
    path.write_text("FACTOR = 3\n")
    assert states(mill.run_elsewhere()) == ["done"]
    assert states(mill.run_elsewhere()) == ["reused"]
    path.write_text("FACTOR = 4\n")
    assert states(mill.run_elsewhere()) == ["done"]


def test_a_step_that_imports_from_outside_runs_each_time_and_says_why(mill, tmp_path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "outlib.py").write_text("FACTOR = 3\n")
    source = FLOW.format(module="outlib").replace(
        "    import outlib", f"    import sys; sys.path.append({str(beside)!r})\n    import outlib"
    )
    mill.write(source)
    first = mill.run_elsewhere()
    assert states(first) == ["done"]
    (beside / "outlib.py").write_text("FACTOR = 4\n")
    second = mill.run_elsewhere()
    assert states(second) == ["done"]
    assert second["steps"][0]["run"] != first["steps"][0]["run"]
    assert "outlib was imported from outside the project" in second["steps"][0]["because"]
    assert "put it into the project or install it" in second["steps"][0]["because"]
    where = (Where("subject", "=", second["steps"][0]["run"]), Where("key", "=", "memo"))
    (note,) = mill.record.ports.ledger.find(Query(Note, where=where))
    assert "outlib" in note.text


def test_a_linked_file_of_the_project_counts_by_what_it_links_to(mill, tmp_path) -> None:
    aim = tmp_path / "shared_lib.py"
    aim.write_text("FACTOR = 3\n")
    (mill.folder / "linked.py").symlink_to(aim)
    mill.write(FLOW.format(module="linked"))
    first = mill.run_elsewhere()
    assert first["steps"][0]["because"] == ""
    assert states(mill.run_elsewhere()) == ["reused"]
    aim.write_text("FACTOR = 4\n")
    assert states(mill.run_elsewhere()) == ["done"]


def test_what_is_installed_and_the_library_are_not_outside(mill) -> None:
    mill.write("""
@step
def total(x: int) -> int:
    import asyncio, email.mime.text, numpy, polars, lightgbm
    return x

@pipeline
def flow(x: int = 2):
    total(x)
""")
    assert mill.run_elsewhere()["steps"][0]["because"] == ""
    assert states(mill.run_elsewhere()) == ["reused"]


@pytest.mark.parametrize("file", ["tests/cases.py", "gen_cases.py"])
def test_the_gate_of_the_code_is_asked_again_after_an_edit_of_any_python_file(mill, file) -> None:
    (mill.folder / ".gitignore").write_text(".tidemill/\ngen_*.py\n")
    path = mill.folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("CASES = 3\n")
    bounds = Bounds()
    first = code_gate(mill.record, bounds)
    assert code_gate(mill.record, bounds).is_unchanged
    path.write_text("CASES = 4\n")
    again = code_gate(mill.record, bounds)
    assert not again.is_unchanged
    assert again.verdict != first.verdict


def test_an_edit_of_equal_size_within_a_second_is_what_runs(mill) -> None:
    mill.write("""
from lib import FACTOR

@step
def scaled(x: int) -> int:
    import late_lib
    return x * late_lib.FACTOR * FACTOR

@pipeline
def flow(x: int = FACTOR):
    return scaled(x)
""")
    for name, factor in (("lib.py", 1), ("late_lib.py", 1)):
        _written(mill.folder / name, factor)
        py_compile.compile(str(mill.folder / name), doraise=True)
    first = mill.run_elsewhere()
    assert states(first) == ["done"]
    for name, factor in (("lib.py", 2), ("late_lib.py", 3)):
        _written(mill.folder / name, factor)
    second = mill.run_elsewhere()
    assert states(second) == ["done"]
    assert list(first["returned"].values()) == ["1"]
    assert list(second["returned"].values()) == ["12"]  # planned with 2, run with 3 and 2


def _written(path, factor: int) -> None:
    path.write_text(f"FACTOR = {factor}\n")
    os.utime(path, (1_700_000_000, 1_700_000_000))
