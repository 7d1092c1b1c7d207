"""What a process says to the one that runs a release for it: an order, and its answer, as JSON.

Both sides may be of different versions of tidemill: unknown fields are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tidemill.core.actor import Actor


class ReleaseOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One operation to be called inside a release."""

    operation: str
    """Its name in Python."""
    arguments: Mapping[str, Any]
    """By name; times as ISO text."""
    project: str
    actor: Actor
    folder: str
    """The project's own folder: what is served, streams, the online store."""
    ledger: str
    objects: str
    tree: str
    """The restored code."""
    release: str
    """The release as a full pointer, `pipeline:PROJECT/NAME@NUMBER`."""
    lock: bytes


class ReleaseError(msgspec.Struct, frozen=True, kw_only=True):
    """An error for people, and the classes that it had, the nearest first."""

    types: tuple[str, ...]
    what: str
    fix: str


class ReleaseAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the operation returned, or why it did not."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    error: ReleaseError | None = None
