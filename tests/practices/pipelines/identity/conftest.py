"""Small projects that are edited, and the judge of the edits."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from code_edits import Edit
from edited import Project


@pytest.fixture
def small(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def judge(small: Project):
    """Make an edit, and say whether it was noticed as it must be."""

    def judged(edit: Edit) -> None:
        small.write(edit.files)
        before, answer = small.slice(), small.answer()
        small.edit(*edit.edit)
        after, changed = small.slice(), small.answer() != answer
        assert changed == (edit.must == "run") or edit.must == "run, though equal"
        assert (after.digest != before.digest) == edit.must.startswith("run"), before.parts

    return judged
