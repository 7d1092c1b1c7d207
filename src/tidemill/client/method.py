"""How an operation looks as a method: the record is the project's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.lineage.record import Record

P = ParamSpec("P")
R = TypeVar("R")


class method(Generic[P, R]):  # noqa: N801 - reads like `property`
    """A method that calls an operation: `promote = method(operations.promote)`."""

    def __init__(self, function: Callable[Concatenate[Record, P], R]) -> None:
        self._function = function

    def __get__(self, project: object, owner: type | None = None) -> Callable[P, R]:
        """Return the operation without its record; `Project` binds it when it is called."""
        raise NotImplementedError
