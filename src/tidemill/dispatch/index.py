"""What every room offers, as a table. Written by `.ci/faces.py`; do not edit."""

from collections.abc import Mapping
from typing import NamedTuple


class Offer(NamedTuple):
    """One operation: how it is typed, where it is, its Python name, its help, its faces."""

    command: tuple[str, ...]
    room: str
    name: str
    summary: str
    faces: tuple[str, ...]


OFFERS: tuple[Offer, ...] = ()
KIND_ROOMS: Mapping[str, str] = {}
