"""Holders: what still points at a ref or serves one of its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.ref import RefName, Version
from tidemill.lineage.artifacts import find_artifact, read_value
from tidemill.lineage.writing import find_ref, newest_version

if TYPE_CHECKING:
    from tidemill.lineage.record import Record


def holders(record: Record, ref: RefName) -> tuple[str, ...]:
    """Return what holds a ref: its aliases, and what serves it, each as people say it."""
    known = find_ref(record, ref)
    aliases = known.aliases if known else {}
    pointing = [f"@{alias} is version {number}" for alias, number in sorted(aliases.items())]
    return (*pointing, *_served(record, ref))


def _served(record: Record, ref: RefName) -> list[str]:
    """Return the services of a project that answer from a ref or are the ref."""
    found = []
    for service in record.ports.target.services():
        deployment = RefName(kind="deployment", project=record.project, name=service.name)
        newest = newest_version(record, deployment)
        served = _model_of(record, newest) if isinstance(newest, Version) else _Served()
        is_it = ref == deployment
        if is_it or served.model == str(ref):
            model = f"{served.model.rpartition('/')[2] or ref.name}@{served.number}"
            found.append(f"{service.name} serves {model} ({service.state})")
    return found


class _Served(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a deployment that says which model it serves, by its full name."""

    model: str = ""
    number: int = 0


def _model_of(record: Record, deployment: Version) -> _Served:
    return read_value(record, find_artifact(record, deployment.artifact), _Served)
