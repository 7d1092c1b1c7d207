"""Small projects that are edited: what their step returns, and what its slice is."""

import importlib
import os
import shutil
import sys
from pathlib import Path
from textwrap import dedent

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
        before, path, variables = set(sys.modules), list(sys.path), dict(os.environ)
        patched = {name: vars(sys.modules[name]).copy() for name in ("json", "math")}
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
