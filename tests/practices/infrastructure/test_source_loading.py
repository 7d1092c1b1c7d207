"""Modules of a project are loaded from their source: an edit within a second is never missed."""

import importlib
import json
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill.practices.infrastructure.project import load_object
from tidemill.practices.infrastructure.source_loading import SourceLoader, load_from_source

MOMENT = (1_700_000_000, 1_700_000_000)


def edited(path: Path, before: str, after: str) -> None:
    """Leave bytecode of `before` that has size and time of `after`, as a quick edit does."""
    assert len(before) == len(after)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before)
    os.utime(path, MOMENT)
    py_compile.compile(str(path), doraise=True)
    path.write_text(after)
    os.utime(path, MOMENT)


@pytest.fixture
def forgotten():
    """Forget afterwards what a test imported and put on the path."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith("tidemill"):
            del sys.modules[name]


@pytest.mark.parametrize("name", ["quick_m", "quick_package.deep.inner_m"])
def test_an_edit_of_equal_size_and_time_is_loaded_in_this_process(
    tmp_path, forgotten, name
) -> None:
    path = tmp_path / f"{name.replace('.', '/')}.py"
    edited(path, "N = 1\n", "N = 2\n")
    assert load_object(f"{name}:N", tmp_path) == 2


def test_folders_that_were_looked_into_before_are_looked_into_anew(tmp_path, forgotten) -> None:
    edited(tmp_path / "early_m.py", "N = 1\n", "N = 2\n")
    edited(tmp_path / "late_m.py", "N = 1\n", "N = 2\n")
    sys.path.insert(0, str(tmp_path))
    assert importlib.import_module("early_m").N == 1
    load_from_source(tmp_path)
    assert importlib.import_module("late_m").N == 2


def test_nothing_is_written_beside_the_source(tmp_path, forgotten) -> None:
    (tmp_path / "bare_m.py").write_text("N = 1\n")
    assert load_object("bare_m:N", tmp_path) == 1
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize("installed", ["lib/site-packages", "env/dist-packages"])
def test_what_is_installed_in_the_folder_keeps_its_bytecode(tmp_path, forgotten, installed) -> None:
    (tmp_path / installed).mkdir(parents=True)
    (tmp_path / installed / "brought_m.py").write_text("N = 1\n")
    load_from_source(tmp_path)
    sys.path.insert(0, str(tmp_path / installed))
    assert not isinstance(importlib.import_module("brought_m").__spec__.loader, SourceLoader)


def test_an_environment_inside_the_folder_keeps_its_bytecode() -> None:
    """The environment of these tests, as if the folder around it were the project."""
    asked = (
        "import sys; from pathlib import Path\n"
        "from tidemill.practices.infrastructure.source_loading import load_from_source\n"
        "load_from_source(Path(sys.prefix).parent)\n"
        "import json, polars\n"
        "print(type(json.__spec__.loader).__name__, type(polars.__spec__.loader).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["SourceFileLoader", "SourceFileLoader"]


def test_a_module_that_python_took_from_old_bytecode_is_refused_with_what_helps(tmp_path) -> None:
    (tmp_path / "tidemill.toml").write_text("")
    edited(tmp_path / "lib.py", "N = 1\n", "N = 2\n")
    (tmp_path / "script.py").write_text(
        "import json\nimport lib\nimport tidemill as tm\n\n\n"
        "@tm.step\ndef scaled(x: int) -> int:\n    return x * lib.N\n\n\n"
        "@tm.pipeline\ndef flow(x: int = 2):\n    return scaled(x)\n\n\n"
        "if __name__ == '__main__':\n"
        "    try:\n        told = dict(tm.run_pipeline('flow', in_process=True).returned)\n"
        "    except Exception as error:\n        told = str(error)\n"
        "    print(json.dumps(told))\n"
    )  # fmt: skip

    def told() -> str:
        done = subprocess.run(
            [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout.splitlines()[-1])

    assert "loaded lib.py from bytecode that is older than its source" in told()
    (tmp_path / "lib.py").touch()
    assert list(told().values()) == ["4"]
