"""Charts as bytes: figures of Matplotlib, Plotly, Altair and PIL, SVG and PNG as they are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from tidemill.core.errors import InvalidInputError

_TAKEN = "a figure of Matplotlib, Plotly or Altair, a PIL image, SVG or PNG bytes, or a file"


def chart_bytes(chart: object) -> tuple[str, bytes]:
    """Return a chart as the ending of a file's name and its bytes: `svg`, `png` or `html`.

    What draws vectors is kept as SVG without a date, so that equal charts are equal bytes.

    Raises:
        InvalidInputError: it is nothing that can be drawn.
    """
    if isinstance(chart, bytes | str):
        return _of_bytes(chart.encode() if isinstance(chart, str) else chart)
    if isinstance(chart, Path):
        return chart.suffix.removeprefix(".") or "bin", chart.read_bytes()
    drawn = _drawn(chart)
    if drawn is None:
        raise InvalidInputError(
            f"a {type(chart).__module__}.{type(chart).__qualname__} is no chart",
            fix=f"give {_TAKEN}",
        )
    return drawn


def _of_bytes(data: bytes) -> tuple[str, bytes]:
    if data.startswith(b"\x89PNG"):
        return "png", data
    if b"<svg" in data[:1000]:
        return "svg", data
    if data.startswith(b"\xff\xd8"):
        return "jpg", data
    raise InvalidInputError("these bytes are no SVG, PNG or JPEG", fix=f"give {_TAKEN}")


def _drawn(chart: Any) -> tuple[str, bytes] | None:  # noqa: ANN401 - other libraries' figures
    figure = getattr(chart, "figure", chart)  # axes, and what Seaborn returns
    if hasattr(figure, "savefig"):
        return "svg", _matplotlib(figure)
    if hasattr(chart, "to_html") and hasattr(chart, "to_plotly_json"):
        return "html", chart.to_html(include_plotlyjs=True).encode()
    if hasattr(chart, "to_html") and hasattr(chart, "to_dict") and hasattr(chart, "mark_bar"):
        return "html", chart.to_html().encode()
    if hasattr(chart, "save") and hasattr(chart, "tobytes"):
        buffer = io.BytesIO()
        chart.save(buffer, format="PNG")
        return "png", buffer.getvalue()
    return None


def _matplotlib(figure: Any) -> bytes:  # noqa: ANN401 - a figure
    import matplotlib as mpl  # noqa: PLC0415 - whoever gives a figure has it

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "tidemill"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    return buffer.getvalue()
