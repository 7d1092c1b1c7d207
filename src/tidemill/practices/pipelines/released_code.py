"""Released code of another project: its steps and feature views, by full name.

other = tm.released("pipeline:other/delay@prod")     # in a pipeline function
rows = other.clean(tm.data("other/flights"))
tm.training_set(rows, views=[other.plane_history])
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.pointer import parse_pointer
from tidemill.lineage.refs import resolve
from tidemill.lineage.suggestions import closest
from tidemill.practices.infrastructure.project import own_modules
from tidemill.practices.pipelines.plan import required_plan
from tidemill.practices.pipelines.release import KIND, read_release, restored
from tidemill.practices.pipelines.released_modules import allow_releases, code_of, namespace_of

if TYPE_CHECKING:
    from types import ModuleType

_PROJECT = "tidemill_project"


class ReleasedCode:
    """What the modules of a release declare, by name: steps, feature views, functions."""

    def __init__(self, pointer: str, modules: tuple[ModuleType, ...]) -> None:
        self._pointer, self._modules = pointer, modules

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the release declares
        if name.startswith("__"):
            raise AttributeError(name)
        for module in self._modules:
            if hasattr(module, name):
                return getattr(module, name)
        known = sorted({n for module in self._modules for n in vars(module) if n[0] != "_"})
        near = closest(name, known)
        raise NotFoundError(
            f"{self._pointer} declares no {name!r}",
            fix=f"did you mean {near}?" if near else f"it has {', '.join(known)}",
        )

    def __repr__(self) -> str:
        return f"<code of {self._pointer}>"


def released(pointer: str) -> Any:  # noqa: ANN401 - a `ReleasedCode`, whose names are not known
    """Return the code of a release as an input of the pipeline that is running.

    Its steps and feature views are used like one's own; what they import of their own project is
    found in the release. They run in the environment of the pipeline that uses them.

    Args:
        pointer: like `pipeline:other/delay@prod`; default of the selector: the newest.

    Raises:
        NotFoundError: there is no such release.
        InvalidInputError: a module of it cannot be imported here.
        UsageError: called outside a pipeline function.
    """
    plan = required_plan(f"released({pointer!r})", "call it in the pipeline function")
    record = plan.record
    version = resolve(record, parse_pointer(pointer, project=record.project, kind=KIND))
    tree = restored(record, read_release(record, version))
    allow_releases(tree.parent)
    top = importlib.import_module(namespace_of(tree))
    setattr(top, _PROJECT, version.ref.project)
    told = f"{version.ref}@{version.number}"
    modules = tuple(
        _imported(f"{top.__name__}.{name}", told) for name in own_modules(code_of(tree))
    )
    plan.releases.append(version)
    return ReleasedCode(told, modules)


def project_of(module: str, *, default: str) -> str:
    """Return the project that a module was released in; `default`: it is none of a release."""
    top = sys.modules.get(module.partition(".")[0])
    return str(getattr(top, _PROJECT, default))


def _imported(name: str, told: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:  # the module is the user's code: it may raise anything
        what = f"{name.partition('.')[2]} of {told} cannot be imported here"
        raise InvalidInputError(
            f"{what}: {type(error).__name__}: {error}",
            fix="install here what it needs; steps of a release run in the environment of the"
            " pipeline that uses them",
        ) from error
