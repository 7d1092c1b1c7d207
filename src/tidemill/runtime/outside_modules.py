"""Outside modules: what a step has imported from places that no identity covers.

The memo of a step rests on the project's files and on what is installed. A module from anywhere
else (`sys.path.append("../lib")`, PYTHONPATH) may change without either changing.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_INSTALLED = ("site-packages", "dist-packages")


class OutsideModules:
    """Finds modules that are neither the project's nor installed nor tidemill's own."""

    def __init__(self, sources: Iterable[Path], installed: Iterable[Path]) -> None:
        """`sources` are the project's files, `installed` folders besides those of Python itself."""
        self._sources = frozenset(os.path.realpath(path) for path in sources)
        own = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120 - as text
        places = [*_site_folders(), *map(str, installed)]
        self._installed = (_as_folder(own), *(_as_folder(place) for place in places))
        self._library = tuple(
            _as_folder(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")
        )
        self._known: dict[str, str] = {}
        self._outside: dict[str, None] = {}

    def found(self) -> tuple[str, ...]:
        """Return the names of all such modules that this process has imported, sorted."""
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and self._known.get(name) != file:
                self._known[name] = file
                is_made_up = not os.path.isabs(file) and not os.path.exists(file)  # noqa: PTH110, PTH117 - torch.ops
                if not is_made_up and not self._is_covered(os.path.realpath(file)):
                    self._outside[name] = None
        return tuple(sorted(self._outside))

    def _is_covered(self, file: str) -> bool:
        if file in self._sources or file.startswith(self._installed):
            return True
        return file.startswith(self._library) and not any(part in file for part in _INSTALLED)


def _site_folders() -> list[str]:
    folders = [
        *site.getsitepackages(),
        sysconfig.get_path("purelib"),
        sysconfig.get_path("platlib"),
    ]
    return [*folders, site.getusersitepackages()] if site.ENABLE_USER_SITE else folders


def _as_folder(path: str) -> str:
    return os.path.join(os.path.realpath(path), "")  # noqa: PTH118 - as text
