"""How an operation looks as a method: the record is the project's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.lineage.record import Record


class Operating(Protocol):
    """What has operations as methods: a project."""

    def operation(self, name: str) -> Callable[..., Any]:
        """Return an operation by its name, without its record."""
        ...


P = ParamSpec("P")
R = TypeVar("R")


class method(Generic[P, R]):  # noqa: N801 - reads like `property`
    """A method that calls an operation: `promote = method(operations.promote)`."""

    def __init__(self, function: Callable[Concatenate[Record, P], R]) -> None:
        self._function = function

    def __get__(self, project: Operating, owner: type | None = None) -> Callable[P, R]:
        """Return the operation without its record, authorised when it is called."""
        bound: Callable[P, R] = project.operation(self._function.__name__)
        return bound
