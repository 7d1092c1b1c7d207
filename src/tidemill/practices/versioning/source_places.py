"""Source places: which files and folders of a project were added as data, by the record."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.core.query import Order, Query, Where
from tidemill.core.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record

_PLACE = "place"
_MOST = 10_000
"""Runs of `ingest` that are looked at, newest first: more are the same few places again."""


def place_params(record: Record, path: Path | None) -> Mapping[str, Scalar]:
    """Return what an ingest run says of where its source lies, from the project's folder.

    Empty where it is no file or folder of the project.
    """
    if path is None:
        return {}
    real = Path(os.path.realpath(path))
    root = Path(os.path.realpath(record.ports.workspace.root))
    if not real.is_relative_to(root) or not real.exists():
        return {}
    return {_PLACE: real.relative_to(root).as_posix()}


def added_places(record: Record) -> tuple[str, ...]:
    """Return the files and folders of the project that were added as data, sorted."""
    where = (
        Where("kind", "=", "ingest"),
        Where("project", "=", record.project),
        Where("status", "=", "done"),
        Where(f"params.{_PLACE}", ">", ""),
    )
    query = Query(Run, where=where, order=(Order("opened_at", descending=True),), limit=_MOST)
    found = record.ports.ledger.find(query)
    return tuple(sorted({str(run.params[_PLACE]) for run in found}))
