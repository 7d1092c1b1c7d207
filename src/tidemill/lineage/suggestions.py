"""Suggestions: the name that was probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def closest(wanted: str, names: Sequence[str]) -> str:
    """Return the name most like the wanted one, "" where none is near.

    >>> closest("fligths", ["flights", "weather"])
    'flights'
    """
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
    return near[0] if near else ""
