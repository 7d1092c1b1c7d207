"""Which modules of a project are its own declarations: those that import tidemill, however."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
