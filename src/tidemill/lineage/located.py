"""Things that are found by id and are no ref, such as a prediction: here, or in another project."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import NotFoundError
from tidemill.core.pointer import BY_ID
from tidemill.core.query import Query
from tidemill.core.ref import Ref
from tidemill.lineage.paging import every

if TYPE_CHECKING:
    from tidemill.core.operation import Kind
    from tidemill.core.pointer import Pointer
    from tidemill.lineage.record import Record

_ID = re.compile(r"[0-9A-Fa-f-]{8,36}")


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """What `Kind.locate` returns: a thing that is no ref, such as one prediction.

    `came_from` says what it was made of: (name, pointer), where a pointer is anything that can be
    pointed at, such as `deployment:delay@3`, `run:ID` or an artifact's id.
    """

    title: str
    lines: tuple[str, ...] = ()
    came_from: tuple[tuple[str, str], ...] = ()
    value: Any = None


def locate(record: Record, kind: Kind, pointer: Pointer) -> Located:
    """Return what a pointer by id names; what is not of this project is looked for in the others.

    Raises:
        NotFoundError: no project of the record has it.
    """
    if kind.locate is None:
        raise AssertionError
    is_own = pointer.project == record.project and _ID.fullmatch(pointer.name) is not None
    try:
        # a prediction is named by its id, or by what is watched and the caller's own key
        found: Located = kind.locate(
            record, pointer.name if is_own else f"{pointer.project}/{pointer.name}"
        )
    except NotFoundError:
        for project in _elsewhere(record, pointer):
            there = dataclasses.replace(record, project=project)
            try:
                found = kind.locate(there, pointer.name)
            except NotFoundError:
                continue
            return _of_project(found, project)
        raise
    return found


def _elsewhere(record: Record, pointer: Pointer) -> list[str]:
    """Return the other projects in which an id may be: the one that is named, else all."""
    if not _ID.fullmatch(pointer.name):
        return []
    if pointer.project != record.project:
        return [pointer.project]
    refs = every(record.ports.ledger, Query(Ref, limit=10_000))
    return sorted({ref.ref.project for ref in refs} - {record.project})


def _of_project(found: Located, project: str) -> Located:
    """Return a thing of another project, with what it came from by its full name."""
    full = tuple(
        (name, text if "/" in text or text.partition(":")[0] in BY_ID
         else text.replace(":", f":{project}/", 1))
        for name, text in found.came_from
    )  # fmt: skip
    lines = (f"of project {project}", *found.lines)
    return msgspec.structs.replace(found, came_from=full, lines=lines)
