"""Model card: what a version of a model is, from the record alone, as Markdown.

Sections follow Mitchell et al., Model Cards for Model Reporting (2019), as far as a record knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.query import Query, Where
from tidemill.core.ref import Version
from tidemill.core.run import Run
from tidemill.core.text import spell
from tidemill.lineage.artifacts import find_artifact, find_artifacts
from tidemill.lineage.owners import owner_of
from tidemill.lineage.policies import VERDICT, verdict_states
from tidemill.lineage.refs import moves, resolve
from tidemill.lineage.writing import find_ref
from tidemill.practices.collaboration.comments import comments
from tidemill.practices.integration.verdicts import read_verdict
from tidemill.practices.monitoring.report import read_report
from tidemill.practices.versioning.evidence import DEPTH, evidence_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tidemill.core.check import Verdict
    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.report import Report, ReportFigure


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """A model card as Markdown."""

    model: str
    markdown: str

    def __str__(self) -> str:
        return self.markdown

    __repr__ = __str__


def model_card(record: Record, pointer: str) -> ModelCard:
    """Return the card of a version of a model.

    Raises:
        NotFoundError: there is no such version.
    """
    version = resolve(record, pointer, kind="model")
    report_id = evidence_of(record, version).report
    report = read_report(record, report_id) if report_id is not None else None
    sections = [
        *_head(record, version),
        *_origin(record, version),
        *_quality(report),
        *_gates(record, version),
        *_history(record, version),
    ]
    return ModelCard(model=str(version), markdown="\n".join(sections).rstrip() + "\n")


def _head(record: Record, version: Version) -> Iterator[str]:
    ref = find_ref(record, version.ref)
    aliases = (
        [f"@{a}" for a, n in sorted(ref.aliases.items()) if n == version.number] if ref else []
    )
    artifact = find_artifact(record, version.artifact)
    yield f"# {version}"
    yield ""
    yield from _list(
        ("owner", owner_of(record, version.ref)),
        ("project", version.ref.project),
        ("aliases", ", ".join(aliases) or "none"),
        ("artifact", f"`{artifact.id}`"),
        ("size", f"{artifact.size_bytes / 1e6:.2f} MB"),
        *(
            (name, value)
            for name, value in artifact.summary.items()
            if name not in {"report", "sample"}
        ),
    )


def _origin(record: Record, version: Version) -> Iterator[str]:
    found = record.ports.ledger.find(Query(Run, where=(Where("id", "=", version.run),), limit=1))
    yield "## Where it comes from"
    yield ""
    if found:
        run = found[0]
        yield from _list(
            ("made by", f"{run.kind} {run.name} ({run}), {run.actor}"),
            ("effective time", f"{run.at:%Y-%m-%d %H:%M}"),
            ("recorded", f"{run.opened_at:%Y-%m-%d %H:%M}"),
            ("why", run.because or "-"),
            ("parameters", ", ".join(f"{n} = {spell(v)}" for n, v in run.params.items()) or "-"),
            ("code", f"`{run.code}`" if run.code else "-"),
            ("environment", f"`{run.environment}`" if run.environment else "-"),
        )
    data = _data_versions(record, version)
    if data:
        yield "## Data"
        yield ""
        yield from _table(
            ["version", "rows", "known at", "identity"],
            [[str(v), v.summary.get("rows"), f"{v.at:%Y-%m-%d}", v.artifact[:20]] for v in data],
        )


def _data_versions(record: Record, version: Version) -> list[Version]:
    edges = record.ports.ledger.edges([version.artifact], "up", DEPTH)
    behind = tuple({edge.artifact for edge in edges})
    if not behind:
        return []
    where = (Where("artifact", "in", behind), Where("ref.kind", "=", "data"))
    found = record.ports.ledger.find(Query(Version, where=where, limit=1000))
    newest: dict[str, Version] = {}
    for one in sorted(found, key=lambda v: v.number):
        newest[f"{one.ref}{one.artifact}"] = one
    return sorted(newest.values(), key=lambda v: (str(v.ref), v.number))


def _quality(report: Report | None) -> Iterator[str]:
    yield "## Quality"
    yield ""
    if report is None:
        yield "It came without an evaluation report."
        yield ""
        return
    yield f"Task: {report.task.kind}, label `{report.task.label}`, decided by {report.task.metric}."
    yield f"Judged on {report.labelled:,} labelled rows ({report.window})."
    yield ""
    figures = (*report.figures, *report.business)
    yield from _table(["figure", "value", "95 % interval", "unit"], _figure_rows(figures))
    if report.slices:
        yield "## Slices"
        yield ""
        head = ["column", "level", "rows", report.task.metric, "95 % interval"]
        rows = [[s.column, s.level, s.rows, *_figure_rows(s.figures[:1])[0][1:3]]
                for s in report.slices if s.figures]  # fmt: skip
        yield from _table(head, rows)


def _figure_rows(figures: Sequence[ReportFigure]) -> list[list[object]]:
    return [
        [
            f.name,
            f.value,
            "-" if f.low is None or f.high is None else f"{f.low:z.4g} to {f.high:z.4g}",
            f.unit,
        ]
        for f in figures
    ]


def _gates(record: Record, version: Version) -> Iterator[str]:
    yield "## Checks"
    yield ""
    states = verdict_states(record, version.artifact)
    if not states:
        yield f"None was run: `tidemill check {version}`."
        yield ""
        return
    verdicts = _newest_verdicts(record, version)
    rows = [
        [name, str(state).replace("_", " "), _failed(verdicts.get(name))]
        for name, state in sorted(states.items())
    ]
    yield from _table(["check", "says", "what it found wanting"], rows)


def _newest_verdicts(record: Record, version: Version) -> dict[str, Verdict]:
    edges = record.ports.ledger.edges([version.artifact], "down", 2)
    made = sorted({(e.run, e.artifact) for e in edges if e.role == "made"})
    known = find_artifacts(record, [artifact for _, artifact in made]) if made else {}
    found: dict[str, Verdict] = {}
    for _, artifact in made:
        kept = known.get(artifact)
        if kept is not None and kept.kind == VERDICT:
            verdict = read_verdict(record, artifact)
            if kept.summary.get("subject", version.artifact) == version.artifact:
                found[verdict.check] = verdict
    return found


def _failed(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    failed = [f"{f.rule}: {f.what}" for f in verdict.findings if f.state != "pass"]
    return "; ".join(failed).replace("\n", " ") or "nothing"


def _history(record: Record, version: Version) -> Iterator[str]:
    own = [m for m in moves(record, version.ref) if version.number in {m.number, m.previous}]
    yield "## History"
    yield ""
    yield from _table(
        ["recorded", "alias", "from", "to", "who", "why"],
        [
            [f"{m.recorded_at:%Y-%m-%d %H:%M}", m.alias, m.previous, m.number, m.actor, m.because]
            for m in reversed(own)
        ],
    )
    said = comments(record, f"{version.ref}@{version.number}")
    if said:
        yield "## Comments"
        yield ""
        yield from (f"- {one.at:%Y-%m-%d %H:%M} {one.actor}: {one.text}" for one in said)


def _list(*pairs: tuple[str, object]) -> Iterator[str]:
    yield from (f"- {name}: {value}" for name, value in pairs)
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield a table in Markdown; bars and line ends in cells are kept from breaking it."""
    drawn = [[spell(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    if not drawn:
        yield "Nothing yet."
    else:
        yield f"| {' | '.join(head)} |"
        yield f"|{'|'.join(' --- ' for _ in head)}|"
        yield from (f"| {' | '.join(row)} |" for row in drawn)
    yield ""
