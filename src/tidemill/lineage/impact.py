"""Impact: everything that was built on a thing, by kind."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.query import Query, Where
from tidemill.core.ref import Ref
from tidemill.core.text import tree
from tidemill.lineage.naming import Names
from tidemill.lineage.targets import find_target
from tidemill.lineage.wording import ref_text, short_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill.core.digest import ArtifactId
    from tidemill.core.ref import Version
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record
    from tidemill.lineage.targets import Target

SHOWN = 12
"""Items of one kind that are drawn; the value holds all."""


class Dependent(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact that was built on the thing; its versions, and the aliases that stand there."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()


class Dependents(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one kind that was built on the thing."""

    kind: str
    items: tuple[Dependent, ...]


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    """What was built on a thing: artifacts by kind, and how many runs of each kind."""

    of: str
    kinds: tuple[Dependents, ...]
    runs: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        branches: list[tuple[str, list[object]]] = []
        if self.runs:
            runs = ", ".join(f"{count} {kind}" for kind, count in self.runs)
            branches.append((f"runs: {runs}", []))
        for group in self.kinds:
            shown: list[object] = [(_line(item), []) for item in group.items[:SHOWN]]
            if len(group.items) > SHOWN:
                shown.append((f"… and {len(group.items) - SHOWN} more (--json has all)", []))
            branches.append((f"{group.kind} ({len(group.items)})", shown))
        return tree(self.of, branches) if branches else f"nothing was built on {self.of}"

    __repr__ = __str__


def impact_of(record: Record, ref: str, depth: int) -> Impact:
    """Return everything that was built on the thing that a pointer names."""
    target = find_target(record, ref)
    runs, artifacts = _built_on(record, target, depth)
    names = Names(record)
    names.load_runs(runs)
    names.load_artifacts(artifacts)
    aliases = _aliases(record, names)
    groups: dict[str, list[Dependent]] = defaultdict(list)
    for identity in artifacts:
        groups[names.kind_of(identity)].append(_dependent(record, identity, names, aliases))
    kinds = Counter(names.runs[run].kind for run in runs if run in names.runs)
    return Impact(
        of=target.title,
        kinds=tuple(
            Dependents(kind=kind, items=tuple(items)) for kind, items in sorted(groups.items())
        ),
        runs=tuple(sorted(kinds.items())),
    )


def _built_on(record: Record, target: Target, depth: int) -> tuple[list[RunId], list[ArtifactId]]:
    """Return the runs and artifacts below a target, in the order in which they are met."""
    own = target.version.run if target.version else target.run.id if target.run else None
    runs: dict[RunId, None] = {own: None} if own else {}
    artifacts: dict[ArtifactId, None] = {}
    front: list[ArtifactId | RunId] = []
    if target.artifact is not None:
        front = [target.artifact.id]
    elif target.run is not None:
        front = [target.run.id]
    sources = _sources(record, target)
    for _ in range(2 * depth):
        if not front:
            break
        edges = record.ports.ledger.edges(front, "down", 1)
        front = []
        for edge in edges:
            # A run that took equal content from somebody else was not built on this.
            is_known = edge.source is None or edge.source in runs
            is_ours = is_known or sources is None or edge.source in sources
            if edge.role == "used" and edge.run not in runs and is_ours:
                runs[edge.run] = None
                front.append(edge.run)
            elif edge.role == "made" and edge.artifact not in artifacts:
                artifacts[edge.artifact] = None
                front.append(edge.artifact)
        sources = sources or set()
    start = target.artifact.id if target.artifact else None
    return [run for run in runs if run != own], [one for one in artifacts if one != start]


def _sources(record: Record, target: Target) -> set[RunId] | None:
    """Return the runs that a version was taken from, its own among them; None: any will do."""
    version = target.version
    if version is None:
        return None
    edges = record.ports.ledger.edges([version.run], "up", 1)
    taken = {edge.source for edge in edges if edge.artifact == version.artifact and edge.source}
    return {version.run, *taken}


def _dependent(
    record: Record, identity: ArtifactId, names: Names, aliases: dict[str, list[str]]
) -> Dependent:
    versions = names.versions.get(identity, [])
    texts = [f"{ref_text(v.ref, record.project)}@{v.number}" for v in versions]
    here = [alias for version in versions for alias in aliases.get(_key(version), ())]
    return Dependent(id=identity, name=", ".join(texts) or short_id(identity), aliases=tuple(here))


def _aliases(record: Record, names: Names) -> dict[str, list[str]]:
    refs = {str(version.ref) for found in names.versions.values() for version in found}
    where = (Where("ref", "in", tuple(sorted(refs))),)
    found: Iterable[Ref] = (
        record.ports.ledger.find(Query(Ref, where=where, limit=len(refs))) if refs else ()
    )
    standing: dict[str, list[str]] = defaultdict(list)
    for ref in found:
        for alias, number in ref.aliases.items():
            standing[f"{ref.ref}@{number}"].append(alias)
    return standing


def _key(version: Version) -> str:
    return f"{version.ref}@{version.number}"


def _line(item: Dependent) -> str:
    return f"{item.name}  {' '.join('@' + alias for alias in item.aliases)}".rstrip()
