"""Drawable: gives the classes of answers the method by which notebooks draw them."""

from __future__ import annotations

import msgspec


def drawable(value: object) -> object:
    """Return an answer as it is; from now on notebooks draw those of its class (`client/html.py`).

    So the rooms that make answers know nothing of HTML.
    """
    kind = type(value)
    if isinstance(value, msgspec.Struct) and not hasattr(kind, "_repr_html_"):
        kind._repr_html_ = _drawn  # type: ignore[attr-defined]
    return value


def _drawn(value: object) -> str:
    from tidemill.client.html import html_of  # noqa: PLC0415 - notebooks only

    return html_of(value)
