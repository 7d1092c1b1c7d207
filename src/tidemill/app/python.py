"""Entry of Python code: `tm.open()`, and the project that functions like `tm.promote` use."""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill._names import ALIASES, NAMES
from tidemill.app.places import open_record, role_of
from tidemill.app.project_folder import find_project
from tidemill.client.project import Project, described
from tidemill.dispatch.registry import offers, operation_named
from tidemill.lineage.suggestions import closest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from tidemill.lineage.record import Tell

_OPEN: dict[Path, Project] = {}


def open_project(
    path: str | os.PathLike[str] | None = None, *, tell: Tell | None = None
) -> Project:
    """Open the project at or above a folder (default: the working directory).

        with tm.open("flights") as project:
            project.show("model:delay@champion")

    Raises:
        NotFoundError: there is no project.
    """
    return Project(open_record(Path(path) if path is not None else None, tell=tell), role_of)


def project_here() -> Project:
    """Return the project of the working directory, opened once and closed at exit."""
    folder = find_project(Path.cwd())
    if folder not in _OPEN:
        _OPEN[folder] = open_project(folder)
        atexit.register(_OPEN[folder].close)
    return _OPEN[folder]


def operation_here(name: str) -> Callable[..., Any]:
    """Return an operation that opens the project of the working directory when it is called.

    Raises:
        AttributeError: tidemill has no such name; names the closest.
    """
    known = [offer.name for offer in offers() if "python" in offer.faces]
    if name not in known:
        near = closest(name, [*known, *NAMES, *ALIASES])
        hint = f"; did you mean tidemill.{near}?" if near else ""
        message = f"module 'tidemill' has no attribute {name!r}{hint}"
        raise AttributeError(message, name=name)

    def function(*arguments: object, **options: object) -> object:
        return getattr(project_here(), name)(*arguments, **options)

    return described(function, operation_named(name).function)
