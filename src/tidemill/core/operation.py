"""Operation and Kind: what a practice offers, as values, from which every face is derived.

An operation is a plain function `f(record, ...) -> result` with typed parameters. Parameters before
`*` are positional arguments of the command, those after it are its options; the docstring's first
line is its help, its `Args:` are the help of each parameter.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

Role = Literal["reader", "contributor", "maintainer", "owner"]
FaceName = Literal["cli", "python", "http"]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a practice can do, and the faces that it has."""

    function: Callable[..., Any]
    command: tuple[str, ...]
    """How it is typed: `("data", "add")`, `("promote",)`."""
    role: Role = "reader"
    """The least role that may call it; everything that writes is at least `contributor`."""
    stricter: Mapping[str, Role] = {}
    """Parameters that need a higher role where they are given."""
    examples: tuple[str, ...] = ()
    """Whole command lines that work in the flights example."""
    faces: tuple[FaceName, ...] = ("cli", "python", "http")
    failed: Callable[[Any], bool] | None = None
    """Whether a result means that a check failed: the command then exits with 3."""
    hidden: tuple[str, ...] = ()
    """Parameters that other code gives; people can, but help and pages do not tell of them."""
    needs_project: bool = True
    """False: it also works in a folder that is no project yet (`init`)."""
    alone: tuple[str, ...] = ()
    """Parameters that say all there is to know: where one is given no project is needed."""
    begins: bool = False
    """True: in a folder without a project it begins one; nothing else need be set up."""

    @property
    def name(self) -> str:
        """The name in Python and in the API."""
        return self.function.__name__


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of artifact adds to the verbs for any kind. Every function takes the record.

    `show(record, artifact) -> value`, `diff(record, old, new) -> value`,
    `explain(record, run, artifact) -> tuple[str, ...]` (lines beside its node in `why`).
    """

    name: str
    what: str
    show: Callable[..., Any] | None = None
    diff: Callable[..., Any] | None = None
    explain: Callable[..., Any] | None = None
    locate: Callable[..., Any] | None = None
    """`locate(record, name) -> value` for kinds that are pointed at by id and are no ref."""
