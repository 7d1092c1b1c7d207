"""Data files: what lies in a project's folder, is no code, and is known to the record as data."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALWAYS_CODE = frozenset({"tidemill.toml", "pyproject.toml", "uv.lock"})


def data_among(
    names: Iterable[str], places: Iterable[str], root: Path, code_root: Path
) -> frozenset[str]:
    """Return the files that are one of these places or lie below one.

    A place that holds the code as well (the project's folder itself) says nothing, and the
    project's settings and the modules of its code folder are never data.

    Args:
        names: files, relative to `root`.
        places: files and folders that were added as data, relative to `root`.
        root: the project's folder.
        code_root: folder of its own modules.
    """
    known = {
        place
        for place in places
        if place not in _ALWAYS_CODE
        and not any(one.is_relative_to(root / place) for one in (root, code_root))
    }
    if not known:
        return frozenset()
    return frozenset(
        name
        for name in names
        if not (name.endswith(".py") and (root / name).parent == code_root)
        and not known.isdisjoint([name, *map(str, PurePosixPath(name).parents)])
    )
