"""Outputs: what a step call returns inside a pipeline, a reference to a result still to come."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, cast

from tidemill.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.core.digest import ArtifactId
    from tidemill.core.run import RunId
    from tidemill.ports.executor import Value

T = TypeVar("T")


class Planner(Protocol):
    """What makes step calls into references: the plan of the pipeline that is running."""

    def call(
        self,
        step: Any,  # noqa: ANN401 - a `Step`, which is declared above this module
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
    ) -> object:
        """Plan a call and return its output, or a tuple of outputs."""
        ...

    def wait(self, output: Output) -> Value:
        """Run until an output is known and return it.

        Raises:
            StepFailedError: its step, or one that it needs, has failed.
        """
        ...

    def load(self, value: Value, wanted: object) -> object:
        """Return the object that a value stores."""
        ...


active_plan: ContextVar[Planner | None] = ContextVar("active_plan", default=None)
"""The plan of the pipeline function that is being called; None: steps are plain functions."""

active_step: ContextVar[str] = ContextVar("active_step", default="")
"""The step that runs in this worker; empty: none."""


class Output:
    """A result of a step, perhaps still to come. Pass it to other steps, or `load()` it."""

    def __init__(self, planner: Planner, label: str, wanted: object = None) -> None:
        self._planner, self.label, self.wanted = planner, label, wanted
        self.value: Value | None = None
        self.source: RunId | None = None

    @property
    def artifact(self) -> ArtifactId:
        """The identity of the result; runs what is needed to know it."""
        return self._planner.wait(self).artifact

    def load(self) -> Any:  # noqa: ANN401 - whatever the step returned
        """Run what is needed and return the result itself."""
        return self._planner.load(self._planner.wait(self), self.wanted)

    def __repr__(self) -> str:
        known = self.value.artifact[:16] if self.value else "still to come"
        return f"<Output {self.label}: {known}>"

    def _no_value(self, *_: object) -> NoReturn:
        raise UsageError(
            f"{self.label} is a reference to a result, not the result itself",
            fix="call .load() on it, or do this inside a step",
        )

    __bool__ = __iter__ = __len__ = __getitem__ = __contains__ = _no_value
    __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __sub__ = __mul__ = _no_value
    __float__ = __int__ = __index__ = _no_value


def load(result: T) -> T:
    """Return the result behind an output, with the type that the step declares.

    Outside a pipeline, where steps are plain functions, it is the result already.
    """
    return cast("T", result.load()) if isinstance(result, Output) else result
