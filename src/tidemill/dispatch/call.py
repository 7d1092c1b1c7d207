"""The one place that authorises a call: whoever calls, by whatever face, passes here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from tidemill.core.errors import NotAllowedError
from tidemill.core.operation import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidemill.core.operation import Operation
    from tidemill.lineage.record import Record

    RoleOf = Callable[[Record], Role]

ROLES: tuple[Role, ...] = get_args(Role)
"""From the least to the most; each may do what those before it may."""


def local_role(_record: Record) -> Role:
    """Return the role of whoever sits at the machine: the files are theirs anyway."""
    return "maintainer"


def call(
    record: Record,
    operation: Operation,
    arguments: Sequence[object] = (),
    options: Mapping[str, object] | None = None,
    *,
    role_of: RoleOf = local_role,
) -> Any:  # noqa: ANN401 - the operation's own result
    """Authorise and call an operation; returns its result.

    `role_of` tells the actor's role. Readers' operations are open to everybody who can reach the
    record, so they do not ask for it.

    Raises:
        NotAllowedError: the actor's role is less than the operation needs.
        TidemillError: whatever the operation raises.
    """
    if operation.role != "reader":
        authorise(record, operation, role_of(record))
    return operation.function(record, *arguments, **(options or {}))


def authorise(record: Record, operation: Operation, role: Role) -> None:
    """Let an actor with a role pass.

    Raises:
        NotAllowedError: the role is less than the operation needs.
    """
    if ROLES.index(role) < ROLES.index(operation.role):
        command = " ".join(operation.command)
        raise NotAllowedError(
            f"{record.actor} is a {role} here; `tidemill {command}` needs a {operation.role}",
            fix=f"ask an owner of project {record.project} for the role {operation.role}",
        )
