"""HTML: how answers look in a notebook, made from the same structs as their text.

What is no more than text is shown as its text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.client import html_drawings as drawings
from tidemill.client.html_parts import (
    STATES,
    Markup,
    badge,
    card,
    details,
    heading,
    pre,
    table,
    text,
)
from tidemill.core.text import spell
from tidemill.lineage.wording import item_text, note_text, spell_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidemill.client.live_run import LiveRun
    from tidemill.lineage.comparison import Difference
    from tidemill.lineage.explain import Why
    from tidemill.lineage.history import History
    from tidemill.lineage.impact import Impact
    from tidemill.lineage.search import Listing
    from tidemill.lineage.show import Shown
    from tidemill.practices.pipelines.results import PipelineRun


def html_of(value: object) -> str:
    """Return an answer as static HTML: no script, no request, every text escaped."""
    draw = _DRAWN.get(type(value).__name__)
    if draw is not None:
        return draw(value)
    title, _, rest = str(value).partition("\n")
    return card(title, pre(rest.strip("\n")) if rest.strip() else "")


def _shown(value: Shown) -> str:
    facts = {row.name: row.text for row in value.rows if row.name == "status"}
    rows = [(row.name, row.text) for row in value.rows]
    parts = [table((), rows)]
    if value.figures:
        parts += [heading("figures"), table((), [(f.key, f.value) for f in value.figures])]
    if value.notes:
        told = [(note_text(n), n.text, str(n.actor), spell_time(n.at)) for n in value.notes]
        parts += [heading("notes"), table((), told)]
    if value.detail is not None:
        from tidemill.lineage.fields import told as in_words  # noqa: PLC0415 - some have none

        parts.append(pre(in_words(value.detail)))
    return card(value.title, *parts, state=facts.get("status", ""))


def _why(value: Why) -> str:
    left = f"{value.left_out:,} more are not drawn" if value.left_out else ""
    parts = [drawings.lineage(value.root), details("as text", pre(str(value)))]
    return card(f"what made {value.root.title}", *parts, heading(left) if left else "")


def _difference(value: Difference) -> str:
    parts = []
    for part in value.parts:
        rows = [tuple(_told(cell) for cell in msgspec.structs.astuple(one)) for one in part.changes]
        head = [field.name for field in msgspec.structs.fields(type(part.changes[0]))]
        parts += [heading(part.name), table(head, rows)]
    if value.detail is not None:
        from tidemill.lineage.fields import told as in_words  # noqa: PLC0415 - some have none

        parts.append(pre(in_words(value.detail)))
    if not parts:
        parts.append(heading(str(value).partition("\n\n")[2] or "nothing else has changed"))
    same = ": the same content" if value.is_same_content else ""
    return card(f"{value.old} → {value.new}{same}", *parts)


def _told(cell: object) -> object:
    if isinstance(cell, str):
        return item_text(cell)
    return cell if isinstance(cell, int | float) else spell(cell)


def _listing(value: Listing) -> str:
    if not value.items:
        return card(str(value))
    rows = [
        (one.name, " ".join(f"@{alias}" for alias in one.aliases), one.what, one.by,
         spell_time(one.at)[:16])
        for one in value.items
    ]  # fmt: skip
    more = heading("there are more: ask with a higher limit") if value.is_cut else ""
    title = value.of if value.of.startswith("match") else f"{value.of or 'ref'} list"
    return card(title, table(("name", "aliases", "what", "by", "at"), rows), more)


def _impact(value: Impact) -> str:
    runs = ", ".join(f"{count} {kind}" for kind, count in value.runs)
    rows = [
        (group.kind, item.name, " ".join("@" + alias for alias in item.aliases))
        for group in value.kinds
        for item in group.items
    ]
    if not rows:
        return card(str(value))
    return card(f"built on {value.of}", heading(f"runs: {runs}"), table(("kind", "what", ""), rows))


def _history(value: History) -> str:
    rows = [
        (spell_time(e.at), e.effective_text, e.who, e.what, e.run[-8:], e.why) for e in value.events
    ]
    if not rows:
        return card(value.of, heading(value.hint or "nothing was done to it"))
    return card(value.of, table(("recorded", "effective", "who", "what", "run", "why"), rows))


def _pipeline_run(value: PipelineRun) -> str:
    longest = max([line.seconds for line in value.steps], default=0.0) or 1.0
    rows = [
        (
            line.name, Markup(badge(line.state)), line.seconds or "",
            Markup(drawings.bar(line.seconds / longest, STATES[line.state]))
            if line.seconds and line.state in STATES else "",
            line.because,
        )
        for line in value.steps
    ]  # fmt: skip
    made = [heading(f"made {version}") for version in value.versions]
    title = str(value).partition("\n")[0]
    return card(title, table(("step", "state", "seconds", "", ""), rows), *made, state=value.status)


def live_run(run: LiveRun) -> str:
    """Return a run by hand: its parameters, figures as curves, and what it made."""
    parts = []
    if run.parameters:
        rows = [(name, _told(value)) for name, value in run.parameters.items()]
        parts += [heading("parameters"), table((), rows)]
    series = {name: points for name, points in run.history.items() if len(points) > 1}
    single = {name: points[-1][1] for name, points in run.history.items() if len(points) == 1}
    if single:
        parts += [heading("figures"), table((), list(single.items()))]
    if series:
        parts.append(drawings.curves(series))
    parts += [heading(f"made {version}") for version in run.versions]
    if run.error:
        parts.append(pre(run.error))
    if run.doubt:
        parts.append(heading(run.doubt))
    if run.status != "not begun":
        pointer = f'"run:{run.id[-8:]}"'
        parts.append(details("more", pre(f"tm.show({pointer})\ntm.why({pointer})")))
    return card(f"run {run.name}", *parts, state=run.status)


def _frame(value: Any) -> str:  # noqa: ANN401 - a struct that holds a Polars frame
    drawn = getattr(value.frame, "_repr_html_", None)
    return str(drawn()) if callable(drawn) else f"<pre>{text(str(value.frame))}</pre>"


_DRAWN: Mapping[str, Callable[[Any], str]] = {
    "Shown": _shown, "Why": _why, "Difference": _difference, "Listing": _listing,
    "Impact": _impact, "History": _history, "PipelineRun": _pipeline_run, "Frame": _frame,
}  # fmt: skip
"""Answers that are more than text, by the name of their class."""
