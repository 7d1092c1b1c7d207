"""Drawings: lineage as a graph, figures as curves, times as bars; inline SVG without a script."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from tidemill.client.html_parts import CALM, LINE, TINT, text
from tidemill.core.text import cut, spell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.lineage.explain import WhyNode

_BOX_WIDTH, _BOX_HEIGHT, _ROW, _COLUMN = 212, 40, 50, 246
MOST_BOXES = 60
_WORDS = 32
_BEFORE_ID = re.compile(r" (?=[a-z0-9]+:[0-9a-f]{8,})| \(| by ")
"""Where the second line of a title begins: at a digest, a bracket, or whoever did it."""
_KINDS = {"data": "#3b82c4", "table": "#3b82c4", "tree": "#3b82c4", "model": "#2e9e5b"}
_POINTS = 300


class _Box:
    """One node of the graph, and where it stands."""

    def __init__(self, node: WhyNode, column: int) -> None:
        self.node, self.column, self.row = node, column, 0.0


def lineage(root: WhyNode) -> str:
    """Return a graph of what made a thing: the thing left, what it came from to the right."""
    boxes: list[_Box] = []
    lines: list[tuple[_Box, _Box]] = []
    rows = 0

    def place(node: WhyNode, column: int) -> _Box:
        nonlocal rows
        box = _Box(node, column)
        boxes.append(box)
        shown = (one for one in node.below if one.kind != "machine")
        below = [place(one, column + 1) for one in shown if len(boxes) < MOST_BOXES]
        if below:
            box.row = (below[0].row + below[-1].row) / 2
        else:
            box.row = rows
            rows += 1
        lines.extend((box, one) for one in below)
        return box

    place(root, 0)
    width = (max(box.column for box in boxes) + 1) * _COLUMN - (_COLUMN - _BOX_WIDTH) + 4
    height = rows * _ROW
    drawn = [*(_curve(*pair) for pair in lines), *map(_box, boxes)]
    return _svg(width, height, "".join(drawn), "what made it")


def _curve(left: _Box, right: _Box) -> str:
    x1, y1 = left.column * _COLUMN + _BOX_WIDTH + 2, left.row * _ROW + _BOX_HEIGHT / 2 + 2
    x2, y2 = right.column * _COLUMN + 2, right.row * _ROW + _BOX_HEIGHT / 2 + 2
    middle = (x1 + x2) / 2
    path = f"M{x1:g},{y1:g} C{middle:g},{y1:g} {middle:g},{y2:g} {x2:g},{y2:g}"
    return f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.5"/>'


def _box(box: _Box) -> str:
    node = box.node
    x, y = box.column * _COLUMN + 2, box.row * _ROW + 2
    is_run = node.id.count(":") == 0
    colour = _KINDS.get(node.kind, "#8a6fc2" if is_run else "#888888")
    title, _, rest = _split(node.title)
    second = "(shown before)" if node.is_repeated else rest or (node.lines[0] if node.lines else "")
    tip = "\n".join([node.title, *node.lines])
    return (
        f"<g><title>{text(tip)}</title>"
        f'<rect x="{x:g}" y="{y:g}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}"'
        f' rx="{10 if is_run else 4}" fill="{TINT}" stroke="{colour}" stroke-width="1.3"/>'
        f'<text x="{x + 9:g}" y="{y + 16:g}" font-size="12" font-weight="600"'
        f' fill="currentColor">{text(cut(title, _WORDS - 4))}</text>'
        f'<text x="{x + 9:g}" y="{y + 31:g}" font-size="10.5" opacity=".7"'
        f' fill="currentColor">{text(cut(second, _WORDS + 3))}</text></g>'
    )


def _split(title: str) -> tuple[str, str, str]:
    """Return a title before and after its first digest, bracket or ` by `."""
    found = _BEFORE_ID.search(title)
    if found is None:
        return title, "", ""
    return title[: found.start()], found[0], title[found.end() :].removesuffix(")")


def curves(series: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Return a small curve for each figure that has more than one point, four in a row at most."""
    drawn = []
    for place, (name, points) in enumerate(series.items()):
        x, y = place % 4 * 235, place // 4 * 110
        drawn.append(f'<g transform="translate({x},{y})">{_curve_of(name, points)}</g>')
    if not drawn:
        return ""
    height = (len(drawn) + 3) // 4 * 110
    return _svg(min(len(drawn), 4) * 235, height, "".join(drawn), "figures")


def _curve_of(name: str, points: Sequence[tuple[int, float]]) -> str:
    known = [(float(step), value) for step, value in points if math.isfinite(value)]
    thin = known[:: max(1, len(known) // _POINTS)] + known[-1:]
    if not thin:
        return _caption(name, "no number")
    steps, values = [point[0] for point in thin], [point[1] for point in thin]
    wide, high = max(steps) - min(steps) or 1.0, max(values) - min(values) or 1.0
    places = " ".join(
        f"{4 + 210 * (step - min(steps)) / wide:.1f},{84 - 56 * (value - min(values)) / high:.1f}"
        for step, value in thin
    )
    return (
        _caption(name, f"{spell(values[-1])} at {steps[-1]:g}")
        + f'<line x1="4" y1="88" x2="214" y2="88" stroke="{LINE}"/>'
        + f'<polyline points="{places}" fill="none" stroke="{CALM}" stroke-width="1.6"'
        ' stroke-linejoin="round"/>'
        + f'<text x="4" y="101" font-size="9.5" opacity=".6" fill="currentColor">'
        f"{text(spell(min(values)))} to {text(spell(max(values)))}</text>"
    )


def _caption(name: str, value: str) -> str:
    return (
        f'<text x="4" y="14" font-size="11.5" font-weight="600" fill="currentColor">'
        f"{text(cut(name, 20))}</text>"
        f'<text x="214" y="14" font-size="11" opacity=".75" text-anchor="end"'
        f' fill="currentColor">{text(value)}</text>'
    )


def bar(share: float, colour: str) -> str:
    """Return a bar as long as a share of the longest."""
    width = max(1.0, 140 * min(max(share, 0.0), 1.0))
    return (
        f'<svg width="142" height="10" role="img" aria-label="time"><rect x="0" y="1"'
        f' width="{width:.1f}" height="8" rx="2" fill="{colour}" opacity=".75"/></svg>'
    )


def _svg(width: float, height: float, inner: str, label: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}"'
        f' viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{text(label)}"'
        f' font-family="ui-sans-serif,system-ui,sans-serif" style="color:inherit;margin:4px 0">'
        f"{inner}</svg>"
    )
