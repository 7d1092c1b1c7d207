"""The twenty edits that caches miss, end to end: each is followed by a run in a new process."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

FLOW = """
import os
from dataclasses import dataclass

import helpers
import frame
import workshop
from helpers import clean

FACTOR = 2

def own(x):
    return x * 10

@dataclass(frozen=True)
class Setting:
    k: int
    def times(self, x):
        return x * self.k

def made(k):
    def inner(x):
        return x + k
    return inner

captured = made(5)

@step
def compute(x: int) -> int:
    total = own(x) * FACTOR + clean(x) + helpers.scale() + frame.widen(x) + workshop.four()
    with open("conf.txt") as file:
        total += int(file.read())
    return total + int(os.environ.get("MILL_BONUS", "0"))

@step
def finish(total: int) -> str:
    return f"{total}!"

@step
def sized(options: dict) -> int:
    return sum(options.values())

@step
def factory(x: int) -> int:
    return captured(x)

@step
def applied(function, x: int, setting: Setting = Setting(3)) -> int:
    return function(setting.times(x))

@step
def rows(n: int) -> list[int]:
    return list(range(n))

@step
def spoiled(given: list[int]) -> int:
    given.append(100)
    return sum(given)

@step
def summed(given: list[int]) -> int:
    return sum(given)

@pipeline
def flow(x: int = 1):
    given = rows(3)
    return (
        finish(compute(x)), sized({"b": 2, "a": 1}), factory(x), applied(helpers.clean, x),
        spoiled(given), summed(given),
    )
"""
HELPERS = """
from deep import two_away

SHIFT = 1

def clean(x):
    return two_away(x) + SHIFT

def scale():
    return 7

def unrelated(x):
    return x
"""
OTHERS = {"rows", "sized", "factory", "applied", "spoiled", "summed"}
RUNS = {"compute", "finish"}
BOTH = {*RUNS, "applied"}
"""Of a change in what `helpers.clean` reaches."""

EDITS: list[tuple[str, str, str, str, set[str]]] = [
    ("2 another argument", "x", "1", "2", {*BOTH, "factory"}),
    ("3 other content of a file", "conf.txt", "5", "6", RUNS),
    ("4 a literal in the body", "flow.py", '"0"', '"1"', RUNS),
    ("5 a helper of the module", "flow.py", "x * 10", "x * 11", RUNS),
    ("6 a constant of the module", "flow.py", "FACTOR = 2", "FACTOR = 3", RUNS),
    ("7 a helper of another module", "helpers.py", "return 7", "return 8", RUNS),
    ("8 a constant of another module", "helpers.py", "SHIFT = 1", "SHIFT = 2", BOTH),
    ("9 a helper two modules away", "deep.py", "x - 1", "x - 200", BOTH),
    ("10 a package upgraded", "site-packages/frame", "1.0", "1.1", {"compute"}),
    ("10b its plug-in upgraded", "site-packages/engine", "1.0", "1.1", {"compute"}),
    ("10c another package upgraded", "site-packages/apart", "1.0", "1.1", set()),
    ("10d an editable package", "editable/workshop.py", "+ 4", "+ 4000", RUNS),
    ("10e unrelated in it", "editable/workshop.py", "return 10", "return 9", set()),
    ("11 a variable that is read", "$MILL_BONUS", "", "3", RUNS),
    ("12 a comment", "flow.py", "total = own(x)", "# now\n    total = own(x)", set()),
    ("13 spaces", "flow.py", "own(x) * FACTOR", "own( x )  *  FACTOR", set()),
    ("14 a docstring", "flow.py", "int:\n    # now", 'int:\n    """It."""\n    # now', set()),
    ("15 an unrelated function above", "flow.py", "def own", "def p():\n    0\n\ndef own", set()),
    ("16 an unrelated function elsewhere", "helpers.py", "unrelated(x):\n    return",
     "unrelated(x):\n    return -", set()),
    ("17 a local renamed", "flow.py", "as file:\n        total += int(file.",
     "as opened:\n        total += int(opened.", set()),
    ("19 the same result", "flow.py", 'f"{total}!"', '"{}!".format(total)', {"finish"}),
    ("20 a captured value", "flow.py", "made(5)", "made(6)", {"factory"}),
    ("21 a method of a parameter's class", "flow.py", "x * self.k", "self.k * x", {"applied"}),
    ("22 the function that is a parameter", "flow.py", "applied(helpers.clean",
     "applied(helpers.unrelated", {"applied"}),
]  # fmt: skip


def distribution(folder: Path, name: str, version: str, source: str) -> None:
    for old in folder.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{name}.py,sha256={hash((version, source))},1\n")


SOURCES = {
    "frame": "def widen(x):\n    import importlib\n"
    "    return importlib.import_module('engine').run(x)\n",
    "engine": "def run(x):\n    return x\n",
    "apart": "N = 1\n",
}


class World:
    """A project, and an installation of its own beside that of the tests."""

    def __init__(self, mill, folder: Path) -> None:
        self.mill, self.x, self.variables = mill, 1, {}
        self.site = folder / "site-packages"
        self.editable = folder / "editable"
        for place in (self.site, self.editable):
            place.mkdir()
        for name, source in SOURCES.items():
            distribution(self.site, name, "1.0", source)
        self._install_editable()
        custom = folder / "custom"
        custom.mkdir()
        (custom / "sitecustomize.py").write_text(
            "import site, sys\nsite.ENABLE_USER_SITE = True\n"
            f"site.getusersitepackages = lambda: {str(self.site)!r}\n"
            f"sys.path += [{str(self.site)!r}, {str(self.editable)!r}]\n__file__ = None\n"
        )
        path = os.pathsep.join([str(custom), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
        self.variables["PYTHONPATH"] = path
        mill.write(FLOW)
        (mill.folder / "helpers.py").write_text(HELPERS)
        (mill.folder / "deep.py").write_text("def two_away(x):\n    return x - 1\n")
        (mill.folder / "conf.txt").write_text("5")

    def _install_editable(self) -> None:
        (self.editable / "workshop.py").write_text(
            "def four():\n    return 0 + 4\n\ndef unused():\n    return 10\n"
        )
        info = self.site / "workshop-1.0.dist-info"
        info.mkdir()
        url = json.dumps({"url": self.editable.as_uri(), "dir_info": {"editable": True}})
        (info / "direct_url.json").write_text(url)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: workshop\nVersion: 1.0\n")
        (info / "RECORD").write_text("workshop.pth,,\n")
        (self.site / "workshop.pth").write_text(f"{self.editable}\n")

    def edit(self, where: str, old: str, new: str) -> None:
        if where == "x":
            self.x = int(new)
        elif where.startswith("$"):
            self.variables[where[1:]] = new
        elif where.startswith("site-packages/"):
            name = where.partition("/")[2]
            distribution(self.site, name, new, SOURCES[name])
        else:
            at = self.editable.parent if where.startswith("editable") else self.mill.folder
            text = (at / where).read_text()
            assert text.count(old) == 1, where
            (at / where).write_text(text.replace(old, new))

    def run(self) -> dict:
        done = subprocess.run(
            self.mill.command("flow", {"x": self.x}), capture_output=True, text=True, check=False,
            env={**os.environ, **self.variables},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.mark.slow
def test_each_of_twenty_edits_runs_what_it_reaches_and_nothing_else(mill, tmp_path) -> None:
    world = World(mill, tmp_path)
    first = world.run()
    assert {line["name"] for line in first["steps"]} == RUNS | OTHERS
    assert {line["state"] for line in first["steps"]} == {"done"}
    assert world.run()["is_reused"], "1: no edit"
    wrong = []
    for name, where, old, new, must in EDITS:
        world.edit(where, old, new)
        found = world.run()
        ran = {line["name"] for line in found["steps"] if line["state"] == "done"}
        if ran != must:
            wrong.append((name, sorted(ran), sorted(must)))
    assert not wrong
    moved = mill.folder.with_name("moved")
    shutil.copytree(mill.folder, moved)
    mill.folder = moved
    assert {line["state"] for line in world.run()["steps"]} == {"reused"}, "18: another folder"
