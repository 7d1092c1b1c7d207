"""Which modules of a project are its own declarations: those that import tidemill, however."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidemill.app.places import open_record
from tidemill.core.errors import InvalidInputError
from tidemill.practices.infrastructure.project import own_modules, project_modules

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("source", "is_ours"),
    [
        ("import io, tidemill as tm\n", True),
        ("import io; import tidemill as tm\n", True),
        ("from tidemill import step\n", True),
        ("import tidemill.client\n", True),
        ("import io, \\\n    tidemill\n", True),
        ("import tidemill as tm\ndef broken(:\n", True),
        ("from .tidemill import step\n", False),
        ("import tidemill_extras\n", False),
        ('"""import tidemill"""\n', False),
        ("import io\n", False),
    ],
)
def test_a_module_is_the_projects_own_by_what_it_imports(
    source: str, is_ours: bool, tmp_path: Path
) -> None:
    (tmp_path / "flow.py").write_text(source)
    assert list(own_modules(tmp_path)) == (["flow"] if is_ours else [])


def test_a_script_that_fails_when_it_is_imported_is_told_how_to_be_left_out(
    project: Path, record
) -> None:
    (project / "flow.py").write_text("import tidemill as tm\n")
    (project / "serve.py").write_text("import sys\nimport tidemill\nport = int(sys.argv[99])\n")
    with pytest.raises(InvalidInputError, match=r"serve\.py:3 cannot be imported") as failed:
        project_modules(record)
    assert '`if __name__ == "__main__":`' in failed.value.fix
    assert '[project] modules = "flow"' in failed.value.fix


def test_modules_of_a_project_that_failed_to_load_do_not_stand_in_for_those_of_the_next(
    tmp_path: Path,
) -> None:
    for name, last in (("one", "import tidemill\n1 / 0\n"), ("two", "import tidemill\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tidemill.toml").write_text(f'[project]\nname = "{name}"\n')
        (tmp_path / name / "flow.py").write_text(f"import tidemill\nWHOSE = {name!r}\n")
        (tmp_path / name / "later.py").write_text(last)
    with pytest.raises(InvalidInputError, match=r"later\.py:2 cannot be imported"):
        project_modules(open_record(tmp_path / "one"))
    flow, _ = project_modules(open_record(tmp_path / "two"))
    assert vars(flow)["WHOSE"] == "two"
