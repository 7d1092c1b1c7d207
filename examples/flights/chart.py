"""The year as one SVG: AUC of what served beside the frozen first model, alarms and promotions."""

from collections.abc import Callable, Sequence

import msgspec

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 64, 84
SERVED, FROZEN, INK, PALE = "#0b6e8f", "#b0602a", "#1c2530", "#8a949e"


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """One month of the year as the table and the chart show it."""

    month: str
    champion: int
    rows: int
    base_rate: float
    frozen: float
    served: float
    served_low: float
    served_high: float
    alarms: int
    retrainings: int
    promotions: int
    refusals: int


def year_chart(months: Sequence[Month]) -> str:
    """Return the chart as SVG text: readable on light ground, no script, no outside file."""
    values = [v for m in months for v in (m.frozen, m.served_low, m.served_high)]
    low, high = _floor(min(values) - 0.005), _floor(max(values) + 0.025)

    def x(place: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / len(months)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="system-ui, sans-serif" font-size="12" fill="{INK}" role="img">'
        ),
        "<title>AUC by month: the model that served, and the first model frozen</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 24, "AUC by month, flights of 2013", "start", weight=600, size=15),
    ]
    parts += _legend()
    parts += _grid(low, high, y)
    edge = [f"{x(i):.1f},{y(m.served_high):.1f}" for i, m in enumerate(months)]
    edge += [f"{x(i):.1f},{y(m.served_low):.1f}" for i, m in reversed(list(enumerate(months)))]
    parts.append(f'<polygon points="{" ".join(edge)}" fill="{SERVED}" opacity="0.14"/>')
    frozen = [(x(i), y(m.frozen)) for i, m in enumerate(months)]
    served = [(x(i), y(m.served)) for i, m in enumerate(months)]
    parts += [_line(frozen, FROZEN, "5 4"), _line(served, SERVED, "")]
    for place, month in enumerate(months):
        parts += _month(month, x(place), y(month.served))
    return "\n".join([*parts, "</svg>", ""])


def _month(month: Month, x: float, y: float) -> list[str]:
    floor = HEIGHT - BOTTOM
    drawn = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{SERVED}"/>',
        _text(x, floor + 18, month.month[5:], "middle"),
        _text(x, floor + 36, f"v{month.champion}", "middle", fill=SERVED, weight=600),
    ]
    if month.promotions:
        tip = f"{x:.1f},{floor - 2:.1f} {x - 5:.1f},{floor + 6:.1f} {x + 5:.1f},{floor + 6:.1f}"
        drawn.append(f'<polygon points="{tip}" fill="{SERVED}"/>')
    if month.alarms:
        drawn.append(_text(x, floor + 54, f"{month.alarms} alarm" + "s" * (month.alarms > 1),
                           "middle", fill=FROZEN, size=11))  # fmt: skip
    return drawn


def _legend() -> list[str]:
    return [
        _line([(LEFT, 44), (LEFT + 26, 44)], SERVED, ""),
        _text(LEFT + 32, 48, "what served, with its 95% interval", "start"),
        _line([(LEFT + 262, 44), (LEFT + 288, 44)], FROZEN, "5 4"),
        _text(LEFT + 294, 48, "first model, frozen", "start"),
        _text(LEFT + 440, 48, "▲ promoted after the month", "start"),
        _text(LEFT, HEIGHT - 10, "Month, and the version that served it.", "start", fill=PALE),
    ]


def _grid(low: float, high: float, y: Callable[[float], float]) -> list[str]:
    lines, step = [], 0.02
    value = low
    while value <= high + 1e-9:
        height = y(value)
        lines.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}" '
            f'stroke="{PALE}" stroke-opacity="0.25"/>'
        )
        lines.append(_text(LEFT - 8, height + 4, f"{value:.2f}", "end", fill=PALE))
        value += step
    return lines


def _line(points: Sequence[tuple[float, float]], colour: str, dash: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'


def _text(  # noqa: PLR0913 - the attributes of a text
    x: float,
    y: float,
    text: str,
    anchor: str,
    *,
    fill: str = INK,
    weight: int = 400,
    size: int = 12,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
        f'font-weight="{weight}" font-size="{size}">{text}</text>'
    )


def _floor(value: float) -> float:
    return int(value * 50) / 50
