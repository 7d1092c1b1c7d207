"""Why: from a thing back to everything that made it, as one tree.

A version follows its own run, and a *used* edge the run that it took the artifact from, because
equal content has several makers. What was shown once is named again, not drawn again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.text import tree
from tidemill.lineage.naming import Names
from tidemill.lineage.targets import find_target
from tidemill.lineage.wording import run_title, short_id, spell_items

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill.core.digest import ArtifactId
    from tidemill.core.query import EdgeRow
    from tidemill.core.run import Run, RunId
    from tidemill.lineage.located import Located
    from tidemill.lineage.record import Record
    from tidemill.lineage.targets import Target

MOST_NODES = 400
"""More than this are not drawn; the answer says how many were left out."""


MOST_LEVELS = 14
"""Levels that are drawn: an artifact and the run that made it are two."""
MOST_APPENDED = 2
"""Versions that were appended to one another, of which more are not drawn."""
_VERSION = re.compile(r"[a-z_]+:[^\s@:]+@[0-9]+")


class WhyNode(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in the answer, what is known of it, and what it was made of."""

    id: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    below: tuple[WhyNode, ...] = ()
    is_repeated: bool = False


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that made a thing."""

    root: WhyNode
    left_out: int = 0

    def __str__(self) -> str:
        text = _drawn(self.root)
        if self.left_out:
            text += f"\n({self.left_out} more: ask `tidemill why` of one of the above)"
        return text

    __repr__ = __str__


def explained(record: Record, ref: str, depth: int) -> Why:
    """Return what made the thing that a pointer names, at most `depth` runs back."""
    target = find_target(record, ref)
    starts = _starts(record, target)
    walk = _Walk(record)
    walk.load([(artifact, run) for _, artifact, run in starts], depth)
    root = walk.root(target, starts)
    return Why(root=root, left_out=walk.left_out)


Start = tuple[str, "ArtifactId | None", "RunId | None"]
"""Where the walk begins: a name, the artifact, the run that it came from."""


def _starts(record: Record, target: Target) -> list[Start]:
    if target.located is None:
        return [_start_of(target, "")]
    return [
        _start_of(find_target(record, pointer), name) for name, pointer in target.located.came_from
    ]


def _start_of(target: Target, name: str) -> Start:
    run = target.version.run if target.version else target.run.id if target.run else None
    return name, target.artifact.id if target.artifact else None, run


class _Walk:
    """Loads the graph level by level, then draws it from the top."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._names = Names(record)
        self._used: dict[RunId, list[EdgeRow]] = {}
        self._makers: dict[ArtifactId, list[RunId]] = defaultdict(list)
        self._drawn: set[str] = set()
        self.left_out = 0

    def load(self, wanted: Iterable[tuple[ArtifactId | None, RunId | None]], depth: int) -> None:
        """Load what the wanted were made of, `depth` runs back."""
        front = list(wanted)
        for _ in range(depth):
            runs = self._load_makers(front)
            new = [run for run in runs if run not in self._used]
            if not new:
                return
            self._used |= {run: [] for run in new}
            edges = self._record.ports.ledger.edges(new, "up", 1)
            for edge in edges:
                self._used[edge.run].append(edge)
            front = [(edge.artifact, edge.source) for edge in edges]

    def _load_makers(self, front: list[tuple[ArtifactId | None, RunId | None]]) -> list[RunId]:
        artifacts = [one for one, _ in front if one and one not in self._makers]
        if artifacts:
            for edge in self._record.ports.ledger.edges(artifacts, "up", 1):
                self._makers[edge.artifact].append(edge.run)
        self._names.load_artifacts(artifacts)
        self._names.load_runs(run for one in artifacts for run in self._makers[one][-50:])
        self._names.load_runs(run for _, run in front if run)
        found = (run for one, source in front for run in self._came_from(one, source))
        return list(dict.fromkeys(found))

    def _came_from(self, artifact: ArtifactId | None, source: RunId | None) -> list[RunId]:
        """Return the runs behind an artifact: the named one, and a step in it that made it.

        The step is left to the named run where that says itself what it took the artifact from.
        """
        makers = self._makers.get(artifact, []) if artifact else []
        if source is None:
            return makers[-1:]
        if source in makers or any(e.artifact == artifact for e in self._used.get(source, ())):
            return [source]
        known = self._names.runs
        inner = [run for run in makers[-50:] if run in known and known[run].parent == source]
        return [source, *inner]

    def root(self, target: Target, starts: list[Start]) -> WhyNode:
        """Return the whole answer."""
        if target.located is not None:
            return self._located(target.title, target.located, starts)
        ((_, artifact, run),) = starts
        if artifact is None and run is not None:
            return self._run(run)
        return self._artifact("", artifact, run, title=target.title)

    def _located(self, title: str, located: Located, starts: list[Start]) -> WhyNode:
        below = tuple(
            self._artifact(name, artifact, run) if artifact else self._run(run)
            for name, artifact, run in starts
            if artifact or run
        )
        return WhyNode(id=title, kind="located", title=title, lines=located.lines, below=below)

    def _artifact(
        self,
        name: str,
        artifact: ArtifactId | None,
        source: RunId | None,
        *,
        title: str = "",
        user: Run | None = None,
    ) -> WhyNode:
        if artifact is None:
            raise AssertionError
        runs = self._came_from(artifact, source)
        called = self._names.of_artifact(artifact, self._related(runs, user))
        if title and not called.startswith(title):
            called = f"{title} {called}"
        text = f"{name}: {called}" if name and not called.startswith(name) else called
        is_repeated = self._is_drawn(f"{artifact}@{source}")
        return WhyNode(
            id=artifact,
            kind=self._names.kind_of(artifact),
            title=text,
            lines=() if is_repeated else self._explained(artifact, runs),
            below=() if is_repeated else tuple(self._run(run) for run in runs),
            is_repeated=is_repeated and bool(runs),
        )

    def _related(self, runs: list[RunId], user: Run | None) -> Iterable[RunId]:
        """Yield the runs that could have given an artifact its number: makers, user, parents."""
        known = self._names.runs
        for run in [*runs, *([user.id] if user else [])]:
            yield run
            parent = known[run].parent if run in known else None
            if parent:
                yield parent

    def _run(self, identity: RunId | None) -> WhyNode:
        if identity is None:
            raise AssertionError
        run = self._names.runs.get(identity)
        if run is None:
            return WhyNode(id=identity, kind="run", title=f"run:{identity[-8:]}")
        if self._is_drawn(identity):
            return WhyNode(
                id=run.id, kind=run.kind, title=f"{run.kind} {run.name} ({run})", is_repeated=True
            )
        lines = tuple(self._about_run(run))
        about = {run.code, run.environment}
        edges = sorted(self._used.get(identity, ()), key=lambda edge: (edge.name, edge.artifact))
        below = tuple(
            self._artifact(edge.name, edge.artifact, edge.source, user=run)
            for edge in edges
            if edge.artifact not in about and self._has_room()
        )
        return WhyNode(id=run.id, kind=run.kind, title=run_title(run), lines=lines, below=below)

    def _about_run(self, run: Run) -> Iterable[str]:
        if run.params:
            yield f"with {spell_items(run.params, is_whole=True)}"
        if run.error:
            yield f"error: {run.error.splitlines()[0]}"
        self._names.load_artifacts([one for one in (run.code, run.environment) if one])
        for what, identity in (("code", run.code), ("environment", run.environment)):
            if identity and not self._is_drawn(identity):
                known = self._names.artifacts.get(identity)
                summary = spell_items(known.summary) if known else ""
                yield f"{what} {short_id(identity)}" + (f" ({summary})" if summary else "")

    def _explained(self, artifact: ArtifactId, runs: list[RunId]) -> tuple[str, ...]:
        known = self._names.artifacts.get(artifact)
        kind = self._record.kinds.get(known.kind) if known else None
        if kind is None or kind.explain is None:
            return ()
        run = self._names.runs.get(runs[0]) if runs else None
        return tuple(kind.explain(self._record, run, known))

    def _is_drawn(self, key: str) -> bool:
        if key in self._drawn:
            return True
        self._drawn.add(key)
        return False

    def _has_room(self) -> bool:
        if len(self._drawn) < MOST_NODES:
            return True
        self.left_out += 1
        return False


def _drawn(root: WhyNode) -> str:
    """Return the trees of an answer: what stands too deep in one begins another below it."""
    waiting = [root]
    # The list grows while it is read.
    return "\n\n".join([tree(node.title, _branches(node, waiting)) for node in waiting])


def _branches(
    node: WhyNode, waiting: list[WhyNode], depth: int = 0, appended: int = 0
) -> list[tuple[str, list[object]]]:
    """Return what stands below a node; what is too deep is put among those that wait."""
    lines: list[tuple[str, list[object]]] = [(line, []) for line in node.lines]
    for below in node.below:
        is_base = below.title.startswith("base: ")
        if below.is_repeated:
            lines.append((f"{below.title} (above)", []))
        elif is_base and below.below and appended >= MOST_APPENDED:
            lines.append((f"{below.title}  … tidemill why {_pointer(below)}", []))
        elif depth >= MOST_LEVELS and below.below:
            lines.append((f"{below.title} (below)", []))
            waiting.append(below)
        else:
            drawn = _branches(below, waiting, depth + 1, appended + is_base)
            lines.append((below.title, list(drawn)))
    return lines


def _pointer(node: WhyNode) -> str:
    """Return what a node can be asked for by: its version, else its id."""
    if node.kind == "run" or ":" not in node.id:
        return f"run:{node.id[-8:]}"
    found = _VERSION.search(node.title)
    return found[0] if found else short_id(node.id)
