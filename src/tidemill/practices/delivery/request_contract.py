"""The request contract of a deployment: the row rules of the data that its model was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.query import Query, Where
from tidemill.core.ref import Version
from tidemill.kernels.row_rules import encode_request_rules
from tidemill.lineage.artifacts import find_artifacts, read_value
from tidemill.practices.validation.request import request_rules
from tidemill.practices.validation.spec import ContractSpec

if TYPE_CHECKING:
    from tidemill.core.digest import ArtifactId
    from tidemill.core.signature import Signature
    from tidemill.lineage.record import Record

DEPTH = 16
"""Edges that are walked up from a model: pipeline, step, training set, data, its validation."""


def request_contract(
    record: Record, model: Version, signature: Signature
) -> tuple[tuple[ArtifactId, ...], str]:
    """Return the contracts upstream of a model, and their rules that a request can be held to.

    Of a contract with several versions upstream the newest counts. The rules are canonical JSON;
    empty where no contract has a rule over columns that the model is sent.
    """
    edges = record.ports.ledger.edges([model.run, model.artifact], "up", DEPTH)
    upstream = tuple(dict.fromkeys(edge.artifact for edge in edges))
    newest: dict[str, Version] = {}
    for version in _contract_versions(record, upstream):
        known = newest.get(str(version.ref))
        if known is None or known.number < version.number:
            newest[str(version.ref)] = version
    identities = tuple(newest[name].artifact for name in sorted(newest))
    artifacts = find_artifacts(record, identities)
    specs = [
        read_value(record, artifacts[identity], ContractSpec)
        for identity in identities
        if artifacts[identity].kind == "contract"  # what a folder promises is of no row
    ]
    rules = request_rules(specs, signature)
    return (identities if rules else ()), encode_request_rules(rules)


def _contract_versions(record: Record, artifacts: tuple[ArtifactId, ...]) -> list[Version]:
    where = (Where("ref.kind", "=", "contract"), Where("artifact", "in", artifacts))
    return record.ports.ledger.find(Query(Version, where=where, limit=10_000))
