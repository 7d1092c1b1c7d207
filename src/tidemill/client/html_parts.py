"""HTML parts: what notebooks show is made of these, all escaped, without any request or script.

Colours are those of the page around them (`currentColor`) and tints that can be read on white and
on black, so that light and dark notebooks need no two styles.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from tidemill.core.text import spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LINE, TINT = "rgba(128,128,128,.35)", "rgba(128,128,128,.10)"
GOOD, BAD, CALM = "#2e9e5b", "#d64545", "#3b82c4"
STATES = {
    "done": GOOD, "pass": GOOD, "reused": CALM, "planned": CALM, "running": CALM, "run": CALM,
    "warn": "#c98a10", "failed": BAD, "fail": BAD, "lost": BAD, "cancelled": "#c98a10",
    "skipped": "#888888", "error": BAD,
}  # fmt: skip
MOST_ROWS = 200
_FONT = "font-family:ui-sans-serif,system-ui,sans-serif;font-size:13px;line-height:1.45"
_CELL = f"padding:3px 12px 3px 0;border-bottom:1px solid {LINE};vertical-align:top"
_CODE = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px"


def text(value: object) -> str:
    """Return any value as escaped text.

    >>> text("<b>")
    '&lt;b&gt;'
    """
    return html.escape(value if isinstance(value, str) else spell(value))


def card(title: str, *parts: str, state: str = "") -> str:
    """Return a whole answer: a title, a state beside it, and parts below."""
    mark = badge(state) if state else ""
    head = f'<div style="font-weight:600;margin-bottom:6px">{text(title)} {mark}</div>'
    return (
        f'<div class="tidemill" style="{_FONT};max-width:1100px;overflow-x:auto;'
        f'border-left:3px solid {CALM};padding:2px 0 2px 12px;margin:4px 0">'
        f"{head}{''.join(parts)}</div>"
    )


def badge(state: str) -> str:
    """Return a state as a small coloured word."""
    colour = STATES.get(state, "#888888")
    return (
        f'<span style="color:{colour};border:1px solid {colour};border-radius:9px;'
        f'padding:0 8px;font-size:11px;font-weight:500">{text(state)}</span>'
    )


def heading(words: str) -> str:
    """Return a small heading."""
    return f'<div style="opacity:.65;margin:10px 0 2px">{text(words)}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; numbers stand on the right, what begins with `<` of ours is HTML already."""
    given = [list(row) for row in rows]
    lines = [_row(head, tag="th")] if any(head) else []
    lines += [_row(row) for row in given[:MOST_ROWS]]
    more = len(given) - MOST_ROWS
    note = f'<div style="opacity:.65">… and {more:,} more</div>' if more > 0 else ""
    return (
        f'<table style="border-collapse:collapse;color:inherit;{_FONT}"><tbody>'
        f"{''.join(lines)}</tbody></table>{note}"
    )


class Markup(str):
    """HTML that is safe already, because it was made here."""

    __slots__ = ()


def _row(cells: Sequence[object], tag: str = "td") -> str:
    drawn = []
    for cell in cells:
        is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
        side = "right" if is_number else "left"
        weight = ";font-weight:600;opacity:.65" if tag == "th" else ""
        inner = cell if isinstance(cell, Markup) else _lines(cell)
        drawn.append(
            f'<{tag} style="{_CELL};text-align:{side}{weight};background:transparent">'
            f"{inner}</{tag}>"
        )
    return f'<tr style="background:transparent">{"".join(drawn)}</tr>'


def _lines(cell: object) -> str:
    return text(cell).replace("\n", "<br>")


def pre(words: str) -> str:
    """Return text as it is, its columns aligned."""
    return (
        f'<pre style="{_CODE};background:{TINT};color:inherit;padding:8px 10px;border-radius:4px;'
        f'overflow-x:auto;margin:4px 0">{text(words)}</pre>'
    )


def details(summary: str, inner: str) -> str:
    """Return what is folded away until it is asked for."""
    return (
        f'<details style="margin-top:6px"><summary style="cursor:pointer;opacity:.65">'
        f"{text(summary)}</summary>{inner}</details>"
    )
