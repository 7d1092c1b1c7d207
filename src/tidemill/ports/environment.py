"""The environment port: Python environments built from locks, and calls that run in them.

Rules: an environment is built once a lock and is whole or not used; a call runs in a process of its
own, which ends with whoever asked for it; nothing of the project's folder is on its path.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

import msgspec


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment is built from, whole: the same lock gives the same environment.

    `uv`: a `uv.lock` and the `pyproject.toml` beside it. `requirements`: NAME==VERSION lines.
    """

    form: Literal["uv", "requirements"]
    text: bytes
    python: str
    """Version of Python, like 3.11.7."""
    project: bytes = b""


class Environments(Protocol):
    """Environments of released code."""

    @property
    def release(self) -> str:
        """The release that this process runs, as a full pointer; "": the working copy."""
        ...

    @property
    def cache(self) -> Path:
        """A folder for what can be made again, such as restored code."""
        ...

    def here(self) -> Path:
        """Return the interpreter of the running environment."""
        ...

    def built(self, lock: Lock, say: Callable[[str], None]) -> Path:
        """Return the interpreter of the environment of a lock, built where it is not there.

        Raises:
            UnavailableError: it cannot be built; says what the builder said.
        """
        ...

    def call(
        self, python: Path, order: bytes, say: Callable[[str], None], check: Callable[[], None]
    ) -> bytes:
        """Run an order in an environment and return its answer; lines that it says go to `say`.

        `check` raises where the caller wants to stop: the process is asked to end, then made to.

        Raises:
            UnavailableError: the process died without an answer.
        """
        ...
