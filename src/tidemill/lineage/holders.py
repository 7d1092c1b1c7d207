"""Holders: what still points at a ref or serves one of its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.ref import RefName, Version
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
        model = str(newest.summary.get("model", "")) if isinstance(newest, Version) else ""
        is_it = ref.kind == "deployment" and ref.name == service.name
        if is_it or (ref.kind == "model" and model.rpartition("@")[0] == ref.name):
            found.append(f"{service.name} serves {model or ref.name} ({service.state})")
    return found
