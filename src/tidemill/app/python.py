"""Entry of Python code: `tm.open()`, and the project that functions like `tm.promote` use."""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill._names import ALIASES, NAMES
from tidemill.app.places import open_record, role_of, say
from tidemill.app.project_folder import begin_project, find_project
from tidemill.client.project import Project, described
from tidemill.dispatch.call import call
from tidemill.dispatch.parameters import with_times
from tidemill.dispatch.registry import offers, operation_named
from tidemill.lineage.suggestions import closest
from tidemill.practices.pipelines.outputs import active_plan

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tidemill.client.live_run import LiveRun
    from tidemill.core.operation import Operation
    from tidemill.lineage.record import Record, Tell

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


def run(
    name: str = "",
    *,
    because: str = "",
    at: datetime | None = None,
    parent: str | None = None,
    **parameters: object,
) -> LiveRun:
    """Return a run by hand of the project of the working directory; see `LiveRun`.

        with tm.run("try", trees=200) as run:
            run.figure("loss", 0.31, step=1)

    In a folder without a project one begins there, and is said to.

    Args:
        name: what it is called; default: the notebook's or the script's name.
        because: why it is run.
        at: effective time; default: now.
        parent: the run that it belongs to; default: the one that is open around it.
        parameters: its parameters.
    """
    project = project_here(begins=True)
    return project.run(name, because=because, at=at, parent=parent, **parameters)


def project_here(*, begins: bool = False) -> Project:
    """Return the project of the working directory, opened once and closed at exit.

    Raises:
        NotFoundError: there is none (with `begins`, one begins).
        UsageError: none begins here: the folder holds everything.
    """
    here = Path.cwd()
    folder = begin_project(here, say) if begins else find_project(here)
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

    operation = operation_named(name)

    def function(*arguments: object, **options: object) -> object:
        if active_plan.get() is not None:
            planned = _planned(operation, arguments, options)
            if planned is not None:
                return planned
        return getattr(project_here(begins=operation.begins), name)(*arguments, **options)

    return described(function, operation.function)


def _planned(
    operation: Operation, arguments: tuple[object, ...], options: Mapping[str, object]
) -> object:
    """Return the outcome to come of an operation that is a step of the pipeline that is running."""
    from tidemill.practices.pipelines.effects import planned_effect  # noqa: PLC0415 - in pipelines only

    def perform(
        record: Record, wanted: Operation, args: tuple[object, ...], given: Mapping[str, object]
    ) -> object:
        return call(record, wanted, args, with_times(wanted, given), role_of=role_of)

    return planned_effect(operation, perform, arguments, options)
