"""A column that data to be scored do not have: misspelt, or not there at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.lineage.suggestions import closest

if TYPE_CHECKING:
    from collections.abc import Sequence


def missing_column_fix(name: str, known: Sequence[str], unread: str = "") -> str:
    """Return what to do about a column that a model takes, and neither data nor views have.

    Args:
        name: the column.
        known: the columns of the data.
        unread: why the project's views could not be asked for it.
    """
    if unread:
        return f"a view may give it, but the project's code cannot be read: {unread}"
    near = closest(name, known)
    if near:
        return f"is it {near!r}? rename it in the data"
    return f"its columns are {', '.join(known)}; a declared view that gives {name!r} is joined"
