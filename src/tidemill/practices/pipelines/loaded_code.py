"""The project's modules that this process has loaded, which must be those that are recorded."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from tidemill.core.errors import ConflictError
from tidemill.practices.infrastructure.source_loading import is_stale
from tidemill.practices.pipelines.code_identity import project_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tidemill.core.digest import Digest
    from tidemill.lineage.record import Record
    from tidemill.practices.pipelines.identity.module_index import ModuleIndex

_LIBRARY = os.path.join(sysconfig.get_path("stdlib"), "")  # noqa: PTH118 - as text
_INSTALLED = f"{os.sep}site-packages{os.sep}"
_LOADED: WeakKeyDictionary[ModuleType, str] = WeakKeyDictionary()
"""The digest of a module's file when it was first met here."""


def loaded_code(record: Record, index: ModuleIndex) -> Digest:
    """Return the digest of the project's code, whose modules this process has loaded as they are.

    Files that were never loaded here may change: workers import them anew.

    Raises:
        ConflictError: the file of a loaded module changed since; what runs here would not be what
            is recorded. Names the modules.
    """
    changed = []
    for module, path in _own_modules(record):
        if module not in _LOADED and is_stale(module):
            raise ConflictError(
                f"Python loaded {path.name} from bytecode that is older than its source",
                fix=f"touch {path.name}, and start it again",
            )
        digest = index.digest(path) if path.is_file() else ""
        if _LOADED.setdefault(module, digest) != digest:
            changed.append(path.name)
    if changed:
        raise ConflictError(
            "the project's code changed after this process had loaded it:"
            f" {', '.join(sorted(set(changed)))}",
            fix="start it again: the command, the kernel of the notebook, or `tidemill up`",
        )
    return project_code(record, index)


def _own_modules(record: Record) -> Iterator[tuple[ModuleType, Path]]:
    """Yield the loaded modules that are files of the project."""
    workspace = record.ports.workspace
    folder = os.path.realpath(workspace.root)
    sources = {os.path.realpath(path) for path in workspace.sources()}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or file.startswith(_LIBRARY) or _INSTALLED in file:
            continue
        real = os.path.realpath(file)
        # One that was loaded and is gone is no source any more.
        if real in sources or (module in _LOADED and Path(real).is_relative_to(folder)):
            yield module, Path(real)
