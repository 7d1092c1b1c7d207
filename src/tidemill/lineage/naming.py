"""What runs and artifacts are called: their versions and records, looked up many at a time."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Version
from tidemill.core.run import Run
from tidemill.lineage.artifacts import find_artifacts
from tidemill.lineage.wording import ref_text, short_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill.core.artifact import Artifact
    from tidemill.core.digest import ArtifactId
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record

CHUNK = 500
"""Ids of one question."""


class Names:
    """Everything known of runs and artifacts that were loaded; loading again asks only for new."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self.runs: dict[RunId, Run] = {}
        self.artifacts: dict[str, Artifact] = {}
        self.versions: dict[ArtifactId, list[Version]] = defaultdict(list)

    def load_runs(self, runs: Iterable[RunId]) -> None:
        """Look up runs."""
        for chunk in _chunks([run for run in runs if run not in self.runs]):
            query = Query(Run, where=(Where("id", "in", chunk),), limit=CHUNK)
            self.runs |= {run.id: run for run in self._record.ports.ledger.find(query)}

    def load_artifacts(self, artifacts: Iterable[ArtifactId]) -> None:
        """Look up artifacts and the versions that they are."""
        for chunk in _chunks([one for one in artifacts if one not in self.artifacts]):
            self.artifacts |= find_artifacts(self._record, chunk)
            query = Query(
                Version,
                where=(Where("artifact", "in", chunk),),
                order=(Order("recorded_at"),),
                limit=20 * CHUNK,
            )
            for version in self._record.ports.ledger.find(query):
                self.versions[version.artifact].append(version)

    def of_artifact(self, artifact: ArtifactId, runs: Iterable[RunId] = ()) -> str:
        """Return an artifact's name: the version that one of `runs` gave, else its newest one."""
        known = self.artifacts.get(artifact)
        kind = known.kind if known else "artifact"
        wanted = set(runs)
        versions = self.versions.get(artifact, [])
        chosen = [version for version in versions if version.run in wanted] or versions[-1:]
        if not chosen:
            return f"{kind} {short_id(artifact)}"
        names = (f"{ref_text(v.ref, self._record.project)}@{v.number}" for v in chosen)
        return f"{', '.join(names)} {short_id(artifact)}"

    def kind_of(self, artifact: ArtifactId) -> str:
        """Return an artifact's kind."""
        known = self.artifacts.get(artifact)
        return known.kind if known else "artifact"


def _chunks(ids: list[str] | list[RunId] | list[ArtifactId]) -> Iterable[tuple[str, ...]]:
    unique = tuple(dict.fromkeys(ids))
    return [unique[start : start + CHUNK] for start in range(0, len(unique), CHUNK)]
