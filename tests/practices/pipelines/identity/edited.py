"""Small projects that are edited: what their step returns, and what its slice is."""

import importlib
import os
import shutil
import sys
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from mutants import mutants

from tidemill.practices.pipelines.identity.effects import Slicer
from tidemill.practices.pipelines.identity.module_index import ModuleIndex
from tidemill.practices.pipelines.identity.project_modules import ProjectModules

INSTALLED = {"numpy", "polars", "msgspec"}


class CannotBeImportedError(Exception):
    """A project is broken, so that nothing of it is ever planned."""


def imported(name: str):
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise CannotBeImportedError(str(error)) from error


class Project:
    """A folder with modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))

    def clear(self) -> None:
        for path in list(self.folder.iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text, "the edit changes something"
        (self.folder / name).write_text(text.replace(old, new))

    def slice(self, *roots: tuple[str, str]):
        modules = ProjectModules(
            [self.folder], sorted(self.folder.rglob("*.py")), ModuleIndex(None, 0)
        )
        found = Slicer(modules, INSTALLED.__contains__).slice(roots or [("flow", "step")])
        assert all(name in set(modules.files) | {"__main__"} for name in found.modules)
        return found

    def answer(self, x: int = 3) -> str:
        """Return what the step returns in fresh modules, as text."""
        for name in {path.stem for path in self.folder.rglob("*.py")} & set(sys.modules):
            del sys.modules[name]  # of another project, which this process had opened
        patched = {name: vars(importlib.import_module(name)).copy() for name in ("json", "math")}
        before, path, variables = set(sys.modules), list(sys.path), dict(os.environ)
        importlib.invalidate_caches()
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(self.folder))
        try:
            step = imported("flow").step
            return repr(step(x))
        finally:
            sys.path[:] = path
            os.environ.clear()
            os.environ.update(variables)
            for name in set(sys.modules) - before:
                del sys.modules[name]
            for name, found in patched.items():
                vars(sys.modules[name]).update(found)


ASKED = (0, 3, 5)
"""What the step of each small project is called with."""


class Mutant(NamedTuple):
    """A small project with one thing changed in one file."""

    edit: object
    file: str
    name: str
    source: str


class Tried(NamedTuple):
    """What became of mutants: those that answered otherwise under an old slice are `missed`."""

    missed: list[tuple[str, str, str]]
    changed: int
    needless: int


def mutants_of(edits):
    """Yield the mutants of small projects."""
    for edit in edits:
        for file, source in edit.files.items():
            for name, mutated in mutants(source):
                if len(mutated) < 100_000:
                    yield Mutant(edit, file, name, mutated)


def tried(project: Project, drawn) -> Tried:
    """Try mutants in the folder of a project, which is emptied."""
    missed, needless, changed = [], 0, 0
    for edit, file, name, source in drawn:
        project.clear()
        project.write(edit.files)
        before, said = project.slice(), answers(project)
        project.write({file: source})
        after, now = project.slice(), answers(project)
        differs = now is not None and now != said
        changed += differs
        if differs and after.digest == before.digest:
            missed.append((edit.name, file, name))
        needless += not differs and after.digest != before.digest
    return Tried(missed, changed, needless)


def answers(project: Project) -> list[str] | None:
    """Return what a step answers; None: its project cannot be imported."""
    found = []
    for x in ASKED:
        try:
            found.append(project.answer(x))
        except CannotBeImportedError:
            return None
        except Exception as error:  # noqa: BLE001 - a mutant may raise anything
            found.append(f"{type(error).__name__}: {error}")
    return found
