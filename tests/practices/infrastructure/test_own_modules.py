"""Which modules of a project are its own declarations: those that import tidemill, however."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidemill.practices.infrastructure.project import own_modules

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
