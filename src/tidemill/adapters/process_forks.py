"""What a child of a fork must let go of: files and connections that go on being its parent's."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forgets(Protocol):
    """Something open that a child may not share with its parent."""

    def forget(self) -> None:
        """Begin with nothing open, leaving what is open to the parent."""
        ...


def forgets_in_child(one: Forgets) -> None:
    """Call `one.forget()` in every child of a fork, as long as `one` lives."""
    _FORGETFUL.add(one)


_FORGETFUL: weakref.WeakSet[Forgets] = weakref.WeakSet()


def _after_fork() -> None:
    for one in list(_FORGETFUL):
        one.forget()


os.register_at_fork(after_in_child=_after_fork)
