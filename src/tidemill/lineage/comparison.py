"""Diff: what changed between two of a kind: parameters, code, environment, inputs, figures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.query import EdgeRow, Query, Where
from tidemill.core.run import Run
from tidemill.core.text import folded
from tidemill.lineage.artifacts import read_value, tree_entries
from tidemill.lineage.changes import Part, changes
from tidemill.lineage.fields import fields_of, told
from tidemill.lineage.naming import Names
from tidemill.lineage.show import newest_figures
from tidemill.lineage.targets import find_run, find_target, kinds_of
from tidemill.lineage.wording import is_short, item_text, short_id
from tidemill.ports.workspace import EnvironmentCapture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record
    from tidemill.lineage.targets import Target


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changed from one thing to another; `detail` is what their kind adds."""

    old: str
    new: str
    is_same_content: bool
    parts: tuple[Part, ...]
    same: tuple[str, ...] = ()
    """What the two runs have alike, of parameters, code, environment, data and metrics."""
    detail: Any = None

    def __str__(self) -> str:
        same = ": the same content" if self.is_same_content else ""
        parts = [folded(f"{self.old} -> {self.new}{same}")]
        parts += map(str, self.parts)
        if self.same:
            parts.append(f"{', '.join(self.same)}: the same")
        if self.detail is not None:
            parts.append(folded(told(self.detail)))
        if not self.parts and self.detail is None and not self.is_same_content:
            parts.append("nothing that the record knows of has changed but the content itself")
        return "\n\n".join(parts)

    __repr__ = __str__


def difference(record: Record, old: str, new: str) -> Difference:
    """Return what changed between the things that two pointers name.

    Raises:
        InvalidInputError: they are of different kinds.
    """
    before, after = find_target(record, old), find_target(record, new)
    if not _are_alike(before, after):
        raise InvalidInputError(
            f"{old} is of kind {before.kind}, {new} of kind {after.kind}",
            fix=f"compare two of one kind: tidemill list {before.kind}",
        )
    is_same = _is_same(before, after)
    parts = [changes("summary", _summary(before), _summary(after))]
    if not is_same:
        parts.append(_content(record, before, after))
    same: tuple[str, ...] = ()
    runs = _run_of(record, before), _run_of(record, after)
    if runs[0] is not None and runs[1] is not None and runs[0].id != runs[1].id:
        of_runs, same = _run_parts(record, runs[0], runs[1])
        parts += of_runs
    return Difference(
        old=before.title,
        new=after.title,
        is_same_content=is_same,
        parts=tuple(part for part in parts if part.changes),
        same=same,
        detail=None if is_same else _detail(record, before, after),
    )


def _are_alike(before: Target, after: Target) -> bool:
    """Versions of one kind of ref, two tables, or two things of one kind.

    Content that was made first as something else has that kind.
    """
    if before.version and after.version and before.version.ref.kind == after.version.ref.kind:
        return True
    return before.kind == after.kind or (_is_table(before) and _is_table(after))


def _is_same(before: Target, after: Target) -> bool:
    if before.artifact is not None:
        return before.artifact == after.artifact
    return before.title == after.title


def _content(record: Record, before: Target, after: Target) -> Part:
    """Return what differs in what two things hold, where their kind does not say it itself."""
    if before.located is not None and after.located is not None:
        values = before.located.value, after.located.value
    elif before.artifact is not None and after.artifact is not None:
        known = kinds_of(record, before)
        show = next((kind.show for kind in known if kind.show), None)
        if show is None or any(kind.diff for kind in known):
            return Part(name="content", changes=())
        values = show(record, before.artifact), show(record, after.artifact)
    else:
        return Part(name="content", changes=())
    return changes("content", *map(fields_of, values))


def _is_table(target: Target) -> bool:
    return target.artifact is not None and target.artifact.id.startswith("td1:")


def _summary(target: Target) -> Mapping[str, Scalar]:
    held: Mapping[str, Scalar] = target.artifact.summary if target.artifact else {}
    if target.version is not None:
        held = target.version.summary
    return {name: value for name, value in held.items() if is_short(item_text(value))}


def _run_of(record: Record, target: Target) -> Run | None:
    if target.version is not None:
        return find_run(record, target.version.run)
    return target.run


def _detail(record: Record, before: Target, after: Target) -> object:
    diff = next((kind.diff for kind in kinds_of(record, before) if kind.diff), None)
    return diff(record, before.artifact, after.artifact) if diff and before.artifact else None


def _run_parts(record: Record, old: Run, new: Run) -> tuple[list[Part], tuple[str, ...]]:
    """Return what differs between two runs, and in words what does not, of what they have."""
    inputs = _inputs(record, old), _inputs(record, new)
    figures = _figures(record, old), _figures(record, new)
    parts = [
        (changes("parameter", old.params, new.params), "parameters", old.params),
        (changes("code", *_code(record, old, new)), "code", old.code),
        (changes("environment", *_environment(record, old, new)), "environment", old.environment),
        (changes("input", *inputs), "data", inputs[0]),
        (changes("figure", *figures), "metrics", figures[0]),
    ]
    same = tuple(word for part, word, has in parts if has and not part.changes)
    return [part for part, _, _ in parts], same


def _code(record: Record, old: Run, new: Run) -> tuple[dict[str, str], dict[str, str]]:
    if old.code == new.code:
        return {}, {}
    return _files(record, old), _files(record, new)


def _files(record: Record, run: Run) -> dict[str, str]:
    if run.code is None:
        return {}
    names = Names(record)
    names.load_artifacts([run.code])
    known = names.artifacts.get(run.code)
    if known is None or known.manifest is None:
        return {"code": short_id(run.code)}
    commit = {"commit": str(known.summary["commit"])} if known.summary.get("commit") else {}
    return commit | {entry.path: short_id(entry.digest) for entry in tree_entries(record, known)}


def _environment(record: Record, old: Run, new: Run) -> tuple[dict[str, str], dict[str, str]]:
    if old.environment == new.environment:
        return {}, {}
    return _installed(record, old), _installed(record, new)


def _installed(record: Record, run: Run) -> dict[str, str]:
    if run.environment is None:
        return {}
    names = Names(record)
    names.load_artifacts([run.environment])
    known = names.artifacts.get(run.environment)
    if known is None:
        return {"environment": short_id(run.environment)}
    held = read_value(record, known, EnvironmentCapture)
    return {
        "python": held.python,
        "platform": held.platform,
        **{name: f"{version} {digest[:11]}" for name, version, digest in held.distributions},
    }


def _inputs(record: Record, run: Run) -> dict[str, str]:
    used = [edge for edge in record.ports.ledger.edges([run.id], "up", 1) if _is_input(edge, run)]
    names = Names(record)
    names.load_artifacts(edge.artifact for edge in used)
    bare = Counter(_without_number(edge.name) for edge in used)
    found = {}
    for place, edge in enumerate(sorted(used, key=lambda edge: edge.name)):
        name = _without_number(edge.name)
        name = name if bare[name] == 1 else edge.name  # of two versions each is its own input
        found[name or f"{names.kind_of(edge.artifact)} {place}"] = names.of_artifact(
            edge.artifact, [edge.source] if edge.source else []
        )
    return found


def _without_number(name: str) -> str:
    """Return an input's name without the version's number, so that @3 and @4 are one input."""
    bare, _, number = name.rpartition("@")
    return bare if number.isdecimal() and ":" in bare else name


def _is_input(edge: EdgeRow, run: Run) -> bool:
    return edge.role == "used" and edge.artifact not in {run.code, run.environment}


_COSTS = ("time.", "memory.")
"""Figures of what a step took: they differ each time and are no result."""


def _figures(record: Record, run: Run) -> dict[str, float]:
    inner = Query(Run, where=(Where("parent", "=", run.id),), limit=1000)
    found = {figure.key: figure.value for figure in newest_figures(record, run)}
    for step in record.ports.ledger.find(inner):
        figures = newest_figures(record, step)
        found |= {
            f"{step.name}.{figure.key}": figure.value
            for figure in figures
            if not figure.key.startswith(_COSTS)
        }
    return found
