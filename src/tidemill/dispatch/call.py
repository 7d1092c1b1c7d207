"""The one place that authorises a call: whoever calls, by whatever face, passes here."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import TYPE_CHECKING, Any, get_args

from tidemill.core.errors import InvalidInputError, NotAllowedError
from tidemill.core.operation import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tidemill.core.operation import Operation
    from tidemill.lineage.record import Record

    RoleOf = Callable[[Record], Role]

_PROJECT = re.compile(r"(?:[a-z][a-z0-9_]*:)?([A-Za-z0-9_][A-Za-z0-9_.-]*)/")
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
        InvalidInputError: a text that would be recorded holds a secret.
        TidemillError: whatever the operation raises.
    """
    if operation.role != "reader":
        authorise(record, operation, role_of(record), options or {})
        for project in projects_changed(record, operation, arguments, options or {}):
            there = dataclasses.replace(record, project=project)
            authorise(there, operation, role_of(there), options or {})
        refuse_secrets(operation, [*arguments, *(options or {}).values()])
    return operation.function(record, *arguments, **(options or {}))


def projects_changed(
    record: Record, operation: Operation, arguments: Sequence[object], options: Mapping[str, object]
) -> tuple[str, ...]:
    """Return the other projects whose things an operation changes: roles are those of a project.

    What an operation that writes calls `ref` or `name` is what it changes (`promote REF`, `data add
    NAME`, `run NAME`); what it calls otherwise it only uses, such as the model of `deploy`.
    """
    names = list(inspect.signature(operation.function).parameters)[1:]
    given = {**dict(zip(names, arguments, strict=False)), **options}
    found = (_PROJECT.match(str(given.get(name) or "")) for name in ("ref", "name"))
    return tuple(match[1] for match in found if match and match[1] != record.project)


def refuse_secrets(operation: Operation, given: Sequence[object]) -> None:
    """Refuse a text that holds a secret: a reason, a comment or a tag is kept for ever.

    Raises:
        InvalidInputError: one does; the message does not show it.
    """
    from tidemill.kernels.secret_text import secret_text  # noqa: PLC0415 - readers need none of it

    for text in _texts(given):
        if found := secret_text(text.encode("utf-8", "replace")):
            raise InvalidInputError(
                f"what was given to `tidemill {' '.join(operation.command)}` looks like a secret"
                f" (it {found.split(' ', 2)[2]}); the record keeps every text",
                fix="leave it out, or name where it is kept, and change it if it was shown",
            )


def _texts(value: object) -> Iterator[str]:
    """Yield the texts that arguments are made of; frames and other things have none.

    Parameters of a pipeline, a mapping, are judged where their names are known, by name too.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _texts(item)


def authorise(
    record: Record,
    operation: Operation,
    role: Role,
    options: Mapping[str, object] | None = None,
) -> None:
    """Let an actor with a role pass.

    Raises:
        NotAllowedError: the role is less than the operation needs, with the options given.
    """
    command, needed = " ".join(operation.command), operation.role
    for name, stricter in operation.stricter.items():
        if (options or {}).get(name) and ROLES.index(stricter) > ROLES.index(needed):
            command, needed = f"{command} --{name.replace('_', '-')}", stricter
    if ROLES.index(role) < ROLES.index(needed):
        raise NotAllowedError(
            f"{record.actor} is a {role} here; `tidemill {command}` needs a {needed}",
            fix=f"ask an owner of project {record.project} for the role {needed}",
        )
