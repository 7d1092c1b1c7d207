"""What a pointer to data means: a version, an artifact itself, the only table that a run made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.digest import SCHEMES
from tidemill.core.errors import InvalidInputError
from tidemill.lineage.artifacts import find_artifact, find_artifacts
from tidemill.lineage.targets import find_target
from tidemill.lineage.wording import short_id
from tidemill.practices.versioning.data import TABLE_KINDS, manifest_of, version_at

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.run import Run
    from tidemill.lineage.record import Record


class PointedData(msgspec.Struct, frozen=True, kw_only=True):
    """Data, and what to call them so that the name can be pasted."""

    name: str
    artifact: Artifact


def pointed_data(record: Record, pointer: str, at: datetime | None = None) -> PointedData:
    """Return the data that a pointer names: data:NAME@N, td1:HEX, tree1:HEX, run:ID.

    Raises:
        NotFoundError: there is no such thing.
        InvalidInputError: it is no table and no folder, or a run made no table or several.
    """
    if pointer.partition(":")[0] not in {*SCHEMES, "run"}:
        version = version_at(record, pointer, at)
        return PointedData(name=str(version), artifact=find_artifact(record, version.artifact))
    target = find_target(record, pointer)
    artifact = target.artifact or _only_table(record, target.run, pointer)
    if artifact.kind != "folder":
        manifest_of(artifact)
    return PointedData(name=short_id(artifact.id), artifact=artifact)


def _only_table(record: Record, run: Run | None, pointer: str) -> Artifact:
    edges = record.ports.ledger.edges([run.id], "down", 1) if run else []
    made = find_artifacts(record, [edge.artifact for edge in edges if edge.role == "made"])
    tables = {one.id: one for one in made.values() if one.kind in TABLE_KINDS}
    if len(tables) == 1:
        return next(iter(tables.values()))
    told = {edge.artifact: edge.name for edge in edges if edge.artifact in tables}
    named = ", ".join(f"{short_id(one)} ({name})" for one, name in told.items())
    raise InvalidInputError(
        f"{pointer} made {'several tables' if tables else 'no table'}",
        fix=f"name one: {named}" if tables else f"tidemill show {pointer} tells what it made",
    )
