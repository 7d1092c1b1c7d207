"""The request contract of a deployment: the row rules of the data that its model was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Version
from tidemill.kernels.row_rules import encode_request_rules
from tidemill.lineage.artifacts import find_artifacts, read_value
from tidemill.practices.validation.request import request_rules
from tidemill.practices.validation.spec import ContractSpec

if TYPE_CHECKING:
    from tidemill.core.digest import ArtifactId
    from tidemill.core.signature import Signature
    from tidemill.lineage.record import Record

DEPTH = 200
"""Edges that are followed back from a model; each append of data is two of them."""

_CHUNK = 500


def request_contract(
    record: Record, model: Version, signature: Signature
) -> tuple[tuple[ArtifactId, ...], str]:
    """Return the contracts upstream of a model, and their rules that a request can be held to.

    Of each contract it is the newest version upstream, which is the one that the newest rows met.
    """
    newest: dict[str, Version] = {}
    for version in _versions(record, _contracts(record, model)):
        newest[str(version.ref)] = version
    ids = tuple(version.artifact for version in newest.values())
    known = find_artifacts(record, ids)
    specs = [read_value(record, known[identity], ContractSpec) for identity in ids]
    return ids, encode_request_rules(request_rules(specs, signature))


def _contracts(record: Record, model: Version) -> list[ArtifactId]:
    edges = record.ports.ledger.edges([model.run], "up", DEPTH)
    used = list(dict.fromkeys(edge.artifact for edge in edges if edge.name == "contract"))
    return [
        artifact.id
        for start in range(0, len(used), _CHUNK)
        for artifact in find_artifacts(record, used[start : start + _CHUNK]).values()
        if artifact.kind == "contract"
    ]


def _versions(record: Record, contracts: list[ArtifactId]) -> list[Version]:
    """Return the versions that contracts are, oldest first."""
    if not contracts:
        return []
    where = (Where("ref.kind", "=", "contract"), Where("artifact", "in", tuple(contracts)))
    return record.ports.ledger.find(Query(Version, where=where, order=(Order("recorded_at"),)))
