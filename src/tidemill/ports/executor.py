"""The executor port: runs steps somewhere else, one order at a time, and reports what happened.

Rules: an order runs at most once a submission; a worker that dies costs its own order only, which
is reported `lost`; a cancelled or timed-out order's whole process tree is gone before its event
comes; a worker opens no ledger, it reads inputs and writes outputs in the object store.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from tidemill.core.digest import ArtifactId, Digest


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A stored value that steps hand on: what it is, how it is spelled, where its bytes are."""

    artifact: ArtifactId
    codec: str
    kind: str = "value"
    manifest: Digest | None = None
    inline: bytes | None = None
    objects: tuple[Digest, ...] = ()
    """Objects that it needs besides its manifest: fragments of a table, files of a model."""
    size_bytes: int = 0
    summary: Mapping[str, str | int | float | bool | None] = {}


class SourcePiece(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a notebook or script: where it stands, its first line there, its text."""

    label: str
    line: int
    text: str


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a step read or imported besides what it was given, as it was then.

    `digest` is of a file's bytes, the names in a folder, a variable's value; empty: it is not
    there. Of a package or module it is filled in by whoever knows what is installed.
    """

    kind: Literal["file", "folder", "variable", "module", "package"]
    name: str
    """A path within the project or from the root, the name of a variable or of a module."""
    digest: str = ""


class StepOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One call of one step. No pickled functions: the worker imports `module:qualname`."""

    order: str
    module: str
    qualname: str
    project: str
    arguments: Mapping[str, object]
    """Parameters by name; where a value is handed on, a `Value` spelled as builtins."""
    outputs: tuple[str, ...]
    """Name of each output; with more than one, the step returns a tuple of as many."""
    seed: int
    threads: int
    timeout_s: float
    code: str
    """Digest of the project's code as planned; a worker that finds other code refuses."""
    modules: tuple[str, ...] = ()
    """Modules of the project that its code names, so that others can be told."""
    outside: tuple[str, ...] = ()
    """Top-level names of other modules that it names."""
    executing: tuple[str, ...] = ()
    """Modules of the project of which it reaches more than definitions: what they read counts."""
    source: tuple[SourcePiece, ...] = ()
    """What defines a step that lies in no module of the project, in the order to execute it."""


class StepOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order."""

    order: str
    state: Literal["done", "failed", "lost", "timeout", "cancelled"]
    values: tuple[Value, ...] = ()
    figures: tuple[tuple[str, float, int], ...] = ()
    error: str = ""
    fix: str = ""
    """What an error of ours says to do about it."""
    where: str = ""
    """File and line in the user's own code."""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    output: str = ""
    """The end of what the step printed."""
    outside: tuple[str, ...] = ()
    """Modules that its worker had imported from neither the project nor an installation."""
    observed: tuple[Observed, ...] = ()
    """What it read and imported undeclared."""
    told: tuple[str, ...] = ()
    """What it did that nobody can verify later: connections, other programs."""
    changed: tuple[str, ...] = ()
    """Variables of the project's modules that it changed in this process."""


class Executor(Protocol):
    """Runs orders in other processes."""

    def submit(self, order: StepOrder) -> None:
        """Take an order; it starts when a worker is free."""
        ...

    def poll(self, timeout_s: float) -> list[StepOutcome]:
        """Return what ended, waiting at most `timeout_s` for the first."""
        ...

    def lines(self) -> list[tuple[str, str]]:
        """Return what steps have printed since the last call: order and line, oldest first."""
        ...

    def cancel(self, order: str) -> None:
        """Stop an order, waiting or running; its outcome is `cancelled`."""
        ...

    def capacity(self) -> int:
        """Return how many orders can run at once."""
        ...

    def close(self) -> None:
        """Stop everything; no process is left."""
        ...
