"""Looking a pipeline up: by its name, among those that the project declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.core.errors import NotFoundError
from tidemill.lineage.suggestions import closest
from tidemill.practices.infrastructure.project import declared
from tidemill.practices.pipelines.declare import Pipeline

if TYPE_CHECKING:
    from tidemill.lineage.record import Record


def declared_pipeline(record: Record, name: str) -> Pipeline[..., Any]:
    """Return a pipeline of the project.

    Raises:
        NotFoundError: it declares no such pipeline; names the closest.
    """
    found = declared(record, Pipeline)
    if name not in found:
        near = closest(name, list(found))
        raise NotFoundError(
            f"the project declares no pipeline {name!r}",
            fix=f"did you mean {near}?" if near else _those_there_are(list(found)),
        )
    return found[name]


def _those_there_are(names: list[str]) -> str:
    if names:
        return f"it declares {', '.join(sorted(names))}"
    return "decorate a function with @tm.pipeline in a module of the project"
