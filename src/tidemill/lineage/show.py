"""Show: everything that the record knows of one thing, and what its kind adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.query import Figure, Note, Order, Query, Where
from tidemill.core.text import WIDTH, folded, spell, table, wrapped
from tidemill.lineage.artifacts import find_artifacts
from tidemill.lineage.fields import told
from tidemill.lineage.naming import Names
from tidemill.lineage.owners import owners_of
from tidemill.lineage.targets import find_target, kinds_of
from tidemill.lineage.wording import (
    NEAR,
    note_text,
    ref_text,
    run_title,
    short_id,
    spell_items,
    spell_time,
)
from tidemill.lineage.writing import find_ref

if TYPE_CHECKING:
    from tidemill.core.artifact import Artifact
    from tidemill.core.ref import Version
    from tidemill.core.run import Run
    from tidemill.lineage.record import Record
    from tidemill.lineage.targets import Target

MOST_FIGURES = 100
"""Figures of a run that are shown: the newest step of each key."""


MOST_ROWS = 80
"""Lines about one thing that are drawn; the value holds all."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line: a name and a text."""

    name: str
    text: str


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One thing: what is known of it, and `detail`, which its kind adds."""

    title: str
    kind: str
    rows: tuple[Row, ...]
    figures: tuple[Figure, ...] = ()
    notes: tuple[Note, ...] = ()
    detail: Any = None

    def __str__(self) -> str:
        width = max([len(row.name) for row in self.rows], default=0)
        lines = [folded(self.title), *(_line(row, width) for row in self.rows[:MOST_ROWS])]
        if len(self.rows) > MOST_ROWS:
            lines.append(f"  … and {len(self.rows) - MOST_ROWS:,} more (--json has all)")
        parts = ["\n".join(lines)]
        if self.figures:
            parts.append(table(["figure", "value"], [[f.key, f.value] for f in self.figures]))
        if self.notes:
            rows = [[note_text(n), n.text, str(n.actor), spell_time(n.at)] for n in self.notes]
            parts.append(table(["note", "text", "by", "at"], rows))
        if self.detail is not None:
            parts.append(folded(told(self.detail)))
        return "\n\n".join(parts)

    __repr__ = __str__


def _line(row: Row, width: int) -> str:
    """Return a row as lines: its text goes on below itself."""
    indent = width + 4 if width else 2
    first, *rest = wrapped(row.text, WIDTH - indent)
    begin = f"  {row.name:<{width}}  " if width else "  "
    return "\n".join([begin + first, *(" " * indent + line for line in rest)])


def shown(record: Record, ref: str) -> Shown:
    """Return everything that is known of the thing that a pointer names."""
    target = find_target(record, ref)
    if target.located is not None:
        rows = tuple(Row(name="", text=line) for line in target.located.lines)
        return Shown(title=target.title, kind=target.kind, rows=rows, detail=target.located.value)
    if target.run is not None:
        return _shown_run(record, target.run)
    return _shown_artifact(record, target)


def newest_figures(record: Record, run: Run) -> tuple[Figure, ...]:
    """Return the figures of a run at the newest step of each key, by key."""
    query = Query(
        Figure,
        where=(Where("run", "=", run.id),),
        order=(Order("key"), Order("step")),
        limit=10_000,
    )
    newest = {figure.key: figure for figure in record.ports.ledger.find(query)}
    return tuple(newest.values())[:MOST_FIGURES]


def _shown_run(record: Record, run: Run) -> Shown:
    rows = [
        ("id", run.id),
        ("status", run.status),
        ("by", f"{run.actor} ({run.actor.known_by})"),
        ("opened", spell_time(run.opened_at)),
        ("sealed", spell_time(run.sealed_at) if run.sealed_at else "-"),
        ("effective at", spell_time(run.at) if abs(run.at - run.opened_at) >= NEAR else ""),
        ("because", run.because),
        ("caused by", run.cause),
        ("within", f"run:{run.parent[-8:]}" if run.parent else ""),
        ("with", spell_items(run.params, is_whole=True)),
        ("code", short_id(run.code) if run.code else ""),
        ("environment", short_id(run.environment) if run.environment else ""),
        ("error", run.error),
    ]
    return Shown(
        title=run_title(run).partition(" by ")[0],
        kind="run",
        rows=(*_rows(rows), *_edges(record, run)),
        figures=newest_figures(record, run),
        notes=_notes(record, run.id),
        detail=_answer(record, run),
    )


def _answer(record: Record, run: Run) -> Any:  # noqa: ANN401 - whatever its kind shows
    """Return what a run was for, where it made a thing of its own kind, as a sweep does."""
    kind = record.kinds.get(run.kind)
    if kind is None or kind.show is None:
        return None
    made = [e for e in record.ports.ledger.edges([run.id], "down", 1) if e.name == run.kind]
    artifacts = find_artifacts(record, [edge.artifact for edge in made])
    found = [one for one in artifacts.values() if one.kind == run.kind]
    return kind.show(record, found[0]) if len(found) == 1 else None


def _edges(record: Record, run: Run) -> tuple[Row, ...]:
    ledger = record.ports.ledger
    edges = [*ledger.edges([run.id], "up", 1), *ledger.edges([run.id], "down", 1)]
    names = Names(record)
    names.load_artifacts(edge.artifact for edge in edges)
    return tuple(
        Row(
            name=edge.role,
            text=_named(edge.name, names.of_artifact(edge.artifact, [edge.source or run.id])),
        )
        for edge in edges
    )


def _named(name: str, text: str) -> str:
    """Return what an edge leads to; its name where the text does not begin with it."""
    return text if not name or text.startswith(f"{name} ") else f"{name}: {text}"


def _shown_artifact(record: Record, target: Target) -> Shown:
    artifact = target.artifact
    if artifact is None:
        raise AssertionError
    version = target.version
    show = next((kind.show for kind in kinds_of(record, target) if kind.show), None)
    detail = show(record, artifact) if show else None
    subjects = [artifact.id, f"{version.ref}@{version.number}"] if version else [artifact.id]
    return Shown(
        title=target.title,
        kind=artifact.kind,
        rows=(
            *(_version_rows(record, version) if version else ()),
            *_rows(_about(artifact, is_version=version is not None)),
        ),
        notes=tuple(note for subject in subjects for note in _notes(record, subject)),
        detail=detail,
    )


def _about(artifact: Artifact, *, is_version: bool) -> list[tuple[str, str]]:
    return [
        ("says", "" if is_version else spell_items(artifact.summary)),
        ("is", f"{artifact.kind} {artifact.id}"),
        ("size", f"{artifact.size_bytes:,} bytes"),
    ]


def _version_rows(record: Record, version: Version) -> tuple[Row, ...]:
    ref = find_ref(record, version.ref)
    aliases = ref.aliases if ref else {}
    newest = ref.newest if ref else version.number
    recorded = spell_time(version.recorded_at)
    at = spell_time(version.at) if abs(version.at - version.recorded_at) >= NEAR else ""
    return _rows(
        [
            ("ref", ref_text(version.ref, "") + (" (hidden)" if ref and ref.is_hidden else "")),
            ("number", f"{version.number} of {newest}"),
            ("aliases", ", ".join(f"@{alias}" for alias, n in aliases.items()
                                  if n == version.number)),
            ("owner", owners_of(record, [ref])[str(ref.ref)] if ref else ""),
            ("made by", f"run:{version.run[-8:]}, {version.actor}, {recorded}"),
            ("effective at", at),
            ("says", spell_items(version.summary)),
        ]
    )  # fmt: skip


def _notes(record: Record, subject: str) -> tuple[Note, ...]:
    # What a step observed is kept digest by digest for the memo; `undeclared` tells people of it.
    where = (Where("subject", "=", subject), Where("key", "!=", "observed"))
    query = Query(Note, where=where, order=(Order("at"),), limit=200)
    return tuple(record.ports.ledger.find(query))


def _rows(given: list[tuple[str, str]]) -> tuple[Row, ...]:
    return tuple(Row(name=name, text=spell(text)) for name, text in given if text)
