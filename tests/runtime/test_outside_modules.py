"""Which of the modules that are loaded no identity covers."""

import sys
from types import ModuleType

from tidemill.runtime.outside_modules import OutsideModules


def test_only_what_is_neither_the_projects_nor_installed_is_outside(tmp_path, monkeypatch) -> None:
    places = {
        "own_a": tmp_path / "project" / "a.py",
        "own_hidden": tmp_path / "project" / ".hidden" / "b.py",
        "editable_c": tmp_path / "editable" / "c.py",
        "alien_d": tmp_path / "editable-not" / "d.py",
    }
    outside = OutsideModules([places["own_a"]], [tmp_path / "editable"])
    before = set(outside.found())
    for name, file in places.items():
        module = ModuleType(name)
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, name, module)
    assert set(outside.found()) - before == {"own_hidden", "alien_d"}
    monkeypatch.delitem(sys.modules, "alien_d")
    assert "alien_d" in outside.found()  # what was loaded once may have left its traces
