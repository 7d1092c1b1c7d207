"""The Python files of a project: every one that a step could import, ignored ones and tests too.

Coarse on purpose: what a step imports is known only once it has run, and what is left out here may
change without a memo noticing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIXES = (".py", ".so", ".pyd")
_NEVER = frozenset({"__pycache__", "node_modules", "site-packages"})
_ELSEWHERE = frozenset({"tidemill.toml", "pyvenv.cfg"})
"""Files that make a folder another project's or an environment's."""


def python_files(root: Path) -> Iterator[Path]:
    """Yield the modules under a folder, those of hidden folders and other projects left out.

    Links to folders are not followed.
    """
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if _is_entered(folder, name))
        for name in names:
            if name.endswith(_SUFFIXES):
                yield Path(folder, name)


def _is_entered(parent: str, name: str) -> bool:
    if name[0] == "." or name in _NEVER:
        return False
    return not any(os.path.exists(f"{parent}/{name}/{mark}") for mark in _ELSEWHERE)  # noqa: PTH110 - asked of each folder
