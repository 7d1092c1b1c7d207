"""The rooms, and what they offer: their tuples are read when asked; nothing registers itself.

`index.py` is written from those tuples by `.ci/faces.py` (a test keeps it true), so that help is
shown without importing a room and a command imports its own room only. Where the index does not
know something yet, all rooms are asked.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tidemill.core.errors import UsageError
from tidemill.dispatch.index import KIND_ROOMS, OFFERS, Offer
from tidemill.lineage.suggestions import closest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.operation import Kind, Operation

PRACTICES = (
    "infrastructure", "versioning", "pipelines", "validation", "features", "monitoring", "drift",
    "delivery", "integration", "training", "reproduction", "collaboration", "governance",
)  # fmt: skip
ROOMS = (
    "tidemill.lineage.operations",
    *(f"tidemill.practices.{name}.operations" for name in PRACTICES),
)
"""Every module that ends with `OPERATIONS` and `KINDS`."""


@lru_cache(maxsize=1)
def rooms() -> tuple[str, ...]:
    """Return the rooms that are there."""
    return tuple(room for room in ROOMS if _exists(room))


def operations_of(room: str) -> tuple[Operation, ...]:
    """Return what a room offers."""
    found: tuple[Operation, ...] = getattr(importlib.import_module(room), "OPERATIONS", ())
    return found


def kinds_of(room: str) -> tuple[Kind, ...]:
    """Return the kinds of artifact that a room knows."""
    found: tuple[Kind, ...] = getattr(importlib.import_module(room), "KINDS", ())
    return found


def all_operations() -> tuple[Operation, ...]:
    """Return every operation, by command; imports every room."""
    found = [operation for room in rooms() for operation in operations_of(room)]
    return tuple(sorted(found, key=lambda operation: operation.command))


def offers() -> tuple[Offer, ...]:
    """Return every operation as the index knows it; imports no room."""
    return OFFERS


def operation_at(command: Sequence[str]) -> Operation | None:
    """Return the operation of a command; imports its room only, or all if the index lacks it."""
    wanted = tuple(command)
    return _find(wanted, _rooms_of([o for o in OFFERS if o.command == wanted]))


def operation_named(name: str) -> Operation:
    """Return the operation with a Python name.

    Raises:
        UsageError: there is none; names the closest.
    """
    for room in (*_rooms_of([offer for offer in OFFERS if offer.name == name]), *rooms()):
        for operation in operations_of(room):
            if operation.name == name:
                return operation
    near = closest(name, [offer.name for offer in OFFERS])
    raise UsageError(
        f"there is no operation {name!r}",
        fix=f"did you mean {near}?" if near else "tidemill --help lists them",
    )


def commands() -> tuple[tuple[str, ...], ...]:
    """Return every command that the index knows."""
    return tuple(offer.command for offer in OFFERS if "cli" in offer.faces)


class Kinds(Mapping[str, "Kind"]):
    """All kinds by name; a room is imported when one of its kinds is asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Kind] = {}
        self._is_whole = False

    def __getitem__(self, name: str) -> Kind:
        if name not in self._known:
            self._read((KIND_ROOMS[name],) if name in KIND_ROOMS else ())
        if name not in self._known and not self._is_whole:
            self._is_whole = True
            self._read(rooms())
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        self._read(rooms())
        return iter(self._known)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _read(self, wanted: Sequence[str]) -> None:
        for room in wanted:
            self._known |= {kind.name: kind for kind in kinds_of(room)}


def _exists(room: str) -> bool:
    try:
        return find_spec(room) is not None
    except ModuleNotFoundError:
        return False


def _rooms_of(found: Sequence[Offer]) -> tuple[str, ...]:
    return tuple(offer.room for offer in found)


def _find(wanted: tuple[str, ...], likely: Sequence[str]) -> Operation | None:
    for room in likely or rooms():
        for operation in operations_of(room):
            if operation.command == wanted:
                return operation
    return None
