"""Evidence: what the record holds of a version of a model beside its bytes: report and sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import ArtifactId
from tidemill.core.query import EdgeRow, Query, Where
from tidemill.lineage.refs import versions

if TYPE_CHECKING:
    from tidemill.core.ref import RefName, Version
    from tidemill.lineage.record import Record

DEPTH = 40
"""How many edges up the making of a model is followed."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The evaluation report and the sample of training rows that a candidate came with."""

    report: ArtifactId | None = None
    sample: ArtifactId | None = None


def evidence_of(record: Record, version: Version) -> Evidence:
    """Return what the run that registered a version tied to it, by the names of its edges."""
    where = (Where("run", "=", version.run),)
    edges = record.ports.ledger.find(Query(EdgeRow, where=where, limit=100_000))
    return Evidence(
        report=_named(edges, version, "report"), sample=_named(edges, version, "sample")
    )


def _named(edges: list[EdgeRow], version: Version, name: str) -> ArtifactId | None:
    """A run may register several models: an edge that names this one comes first."""
    stated = version.summary.get(name)
    if isinstance(stated, str) and ":" in stated:
        return ArtifactId(stated)
    for wanted in (f"{name}:{version.ref.name}", f"{version.ref.name}.{name}", name):
        found = [edge.artifact for edge in edges if edge.name == wanted]
        if found:
            return found[-1]
    return None


def data_behind(record: Record, version: Version, ref: RefName) -> Version | None:
    """Return the newest version of a ref among everything that a version was made from."""
    edges = record.ports.ledger.edges([version.artifact], "up", DEPTH)
    behind = {edge.artifact for edge in edges}
    found = (one for one in versions(record, ref, limit=100_000) if one.artifact in behind)
    return next(found, None)
