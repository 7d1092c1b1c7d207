"""Calls inside a release: a process in its environment, on its restored code, same record."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from tidemill.core.place import scheme_of
from tidemill.practices.pipelines.release import (
    environment_of,
    error_named,
    lock_bytes,
    read_release,
    restored,
)
from tidemill.wire.release_order import ReleaseAnswer, ReleaseOrder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record

T = TypeVar("T")


def call_in_release(
    record: Record, version: Version, operation: str, arguments: Mapping[str, object],
    result: type[T],
) -> T:  # fmt: skip
    """Call an operation inside a release and return its result.

    Arguments that are None are left out; times are told as ISO text.

    Raises:
        UnavailableError: the environment cannot be built, or the process died.
        TidemillError: whatever the operation raised there.
    """
    release = read_release(record, version)
    tree = restored(record, release)
    python = environment_of(record, version, release)
    record.tell.progress(f"running {version}")
    order = ReleaseOrder(
        operation=operation, project=version.ref.project, actor=record.actor, tree=str(tree),
        arguments={name: value for name, value in arguments.items() if value is not None},
        folder=str(_folder(record)), ledger=_place(record, "record.ledger"),
        objects=_place(record, "record.objects"),
        release=f"{version.ref}@{version.number}",
        lock=lock_bytes(record, release) if release.lock_form == "uv" else b"",
    )  # fmt: skip
    data = record.ports.environments.call(
        python, msgspec.json.encode(order), record.tell.line, record.tell.check
    )
    answer = msgspec.json.decode(data, type=ReleaseAnswer)
    if answer.error is not None:
        raise error_named(answer.error.types, answer.error.what, answer.error.fix)
    return msgspec.json.decode(answer.result, type=result)


def prepare(record: Record, version: Version) -> None:
    """Restore the code and build the environment of a release, where that is not done.

    Raises:
        TidemillError: it cannot be done.
    """
    release = read_release(record, version)
    restored(record, release)
    environment_of(record, version, release)


def _folder(record: Record) -> Path:
    """Return the project's folder: the cache lies in its `.tidemill`, also inside a release."""
    return record.ports.environments.cache.parent.parent


def _place(record: Record, setting: str) -> str:
    place = record.settings.text(setting)
    return place if scheme_of(place) else str(record.ports.workspace.root / place)
