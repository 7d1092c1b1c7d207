"""Project: an open record with every operation as a typed method."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from tidemill.client.drawable import drawable
from tidemill.client.methods import Methods
from tidemill.core.errors import UsageError
from tidemill.core.operation import Operation
from tidemill.core.run import RunId
from tidemill.dispatch.call import authorise, call, local_role
from tidemill.dispatch.parameters import with_times
from tidemill.dispatch.registry import offers, operation_named

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from tidemill.client.live_run import LiveRun
    from tidemill.dispatch.call import RoleOf
    from tidemill.lineage.record import Record


def described(function: Callable[..., Any], operation: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls an operation, with its name, docstring and signature.

    The first parameter of an operation is the record, which the caller does not give.
    """
    whole = inspect.signature(operation)
    own = whole.replace(parameters=list(whole.parameters.values())[1:])
    function.__name__ = function.__qualname__ = operation.__name__
    function.__doc__ = operation.__doc__
    function.__signature__ = own  # type: ignore[attr-defined]
    return function


class Project(Methods):
    """An open project. Use it as a context manager, or call `close` at the end."""

    def __init__(self, record: Record, role_of: RoleOf = local_role) -> None:
        self._record, self._role_of = record, role_of

    @property
    def record(self) -> Record:
        """The record, as operations take it."""
        return self._record

    @property
    def name(self) -> str:
        """The project's name."""
        return self._record.project

    def close(self) -> None:
        """Close every place that was opened."""
        self._record.ports.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(o.name for o in offers() if "python" in o.faces)]

    def __repr__(self) -> str:
        return f"project {self.name} in {self._record.ports.workspace.root}"

    def _repr_html_(self) -> str:
        from tidemill.client.html_parts import card, heading  # noqa: PLC0415 - notebooks only

        return card(f"project {self.name}", heading(str(self._record.ports.workspace.root)))

    def run(
        self,
        name: str = "",
        *,
        because: str = "",
        at: datetime | None = None,
        parent: str | None = None,
        **parameters: object,
    ) -> LiveRun:
        """Return a run by hand, to be used as `with project.run("try", trees=200) as run:`.

        Args:
            name: what it is called; default: the notebook's or the script's name.
            because: why it is run.
            at: effective time; default: now.
            parent: the run that it belongs to; default: the one that is open around it.
            parameters: its parameters.

        Raises:
            NotAllowedError: the actor may not write here.
        """
        from tidemill.client.live_run import LiveRun  # noqa: PLC0415 - not on every start

        asked = Operation(function=LiveRun.start, command=("run",), role="contributor")
        authorise(self._record, asked, self._role_of(self._record))
        return LiveRun(
            self._record, name, because=because, at=at, parent=RunId(parent) if parent else None,
            parameters=parameters,
        )  # fmt: skip

    def operation(self, name: str) -> Callable[..., Any]:
        """Return an operation by its name, bound to this record and authorised when called.

        Raises:
            UsageError: there is no such operation; names the closest.
        """
        found = operation_named(name)

        def method(*arguments: object, **options: object) -> object:
            given = with_times(found, options)
            answer = call(self._record, found, arguments, given, role_of=self._role_of)
            return drawable(answer)

        return described(method, found.function)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name.startswith("_"):
                raise AttributeError(name)
            try:
                return self.operation(name)
            except UsageError as error:
                message = f"{error.what}; {error.fix}"
                raise AttributeError(message, name=name, obj=self) from None
