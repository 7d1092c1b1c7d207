"""What counts as a change of code."""

from pathlib import Path

import pytest

from tidemill.practices.pipelines.code_identity import identity_of_sources

SOURCE = '''"""A module."""
import math

LIMIT = 3


def area(r: float) -> float:
    """Return it."""
    return math.pi * r**2  # squared
'''


def identity(folder: Path, text: str = SOURCE, name: str = "shapes.py") -> str:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    return identity_of_sources(folder, sorted(folder.rglob("*.py")))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# squared", "# to the power of two"),
        ('"""Return it."""', '"""Return the area of a circle."""'),
        ('"""A module."""\n', ""),
        ("\n\n\ndef", "\ndef"),
        ("math.pi * r**2", "(math.pi\n        * r ** 2)"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(tmp_path, old, new) -> None:
    before = identity(tmp_path)
    assert old in SOURCE
    assert identity(tmp_path, SOURCE.replace(old, new)) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("r**2", "r**3"),
        ("r: float", "r: int"),
        ("def area", "def surface"),
        ("import math", "import math, os"),
        ("LIMIT = 3", "LIMIT = 3.0"),
    ],
)
def test_everything_else_counts(tmp_path, old, new) -> None:
    before = identity(tmp_path)
    assert identity(tmp_path, SOURCE.replace(old, new)) != before


def test_the_place_of_the_project_does_not_count_and_a_files_name_does(tmp_path) -> None:
    assert identity(tmp_path / "a") == identity(tmp_path / "b" / "c")
    assert identity(tmp_path / "d", name="forms.py") != identity(tmp_path / "a")


def test_tests_count_too_because_a_step_may_import_them(tmp_path) -> None:
    seen = {identity(tmp_path)}
    for name in ("test_shapes.py", "conftest.py", "tests/deep/cases.py"):
        seen.add(identity(tmp_path, "x = 1", name))
    assert len(seen) == 4


def test_a_file_that_does_not_parse_counts_by_its_bytes(tmp_path) -> None:
    assert identity(tmp_path, "def (") != identity(tmp_path, "def ((")
