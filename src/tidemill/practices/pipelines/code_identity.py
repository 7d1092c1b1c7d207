"""The identity of all of a project's code and environment, and of tidemill's own code.

Coarse on purpose: workers compare it, so that what runs is what was planned; gates and triggers ask
again after any edit. What decides a step's result is finer: see `identity/`.
"""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from tidemill.core.digest import Digest, digest_of_value
from tidemill.kernels.python_statements import take_apart
from tidemill.practices.pipelines.identity.module_index import ModuleIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.lineage.record import Record
    from tidemill.ports.workspace import EnvironmentCapture

_OWN_PARTS = ("core", "kernels", "ports", "practices", "runtime")
"""What of tidemill runs inside a step."""


def code_identity(record: Record) -> Digest:
    """Return the digest of the project's modules and of tidemill itself, as they are on disk."""
    return digest_of_value(["code 1", project_code(record, index_of(record)), own_digest()])


def index_of(record: Record) -> ModuleIndex:
    """Return the index of the project's modules, which its cache folder keeps."""
    now_ns = int(record.ports.clock.now().timestamp() * 1e9)
    return ModuleIndex(record.ports.workspace.cache / "modules.msgpack", now_ns)


def project_code(record: Record, index: ModuleIndex) -> Digest:
    """Return the digest of the project's modules alone, which a worker can find again."""
    workspace = record.ports.workspace
    return identity_of_sources(workspace.root, workspace.sources(), index)


def identity_of_sources(
    root: Path, sources: Sequence[Path], index: ModuleIndex | None = None
) -> Digest:
    """Return the digest of a project's Python files, its tests too: steps may import them.

    Place and name of the project's folder do not matter.
    """
    known = index or ModuleIndex(None, 0)
    texts = [
        (os.fsencode(os.path.relpath(path, root)).hex(), known.digest(path))
        for path in sources
        if path.is_file()  # no link to nowhere
    ]
    return digest_of_value(["modules 3", sorted(texts)])


def environment_identity(environment: EnvironmentCapture) -> Digest:
    """Return the digest of what is installed, tidemill left out (its code counts by itself)."""
    installed = [row for row in environment.distributions if row[0].lower() != "tidemill"]
    return digest_of_value(
        [
            "environment 1",
            environment.python,
            environment.implementation,
            environment.platform,
            sorted(installed),
        ]
    )


@lru_cache(maxsize=4096)
def normal_digest(source: bytes) -> str:
    """Return the digest of Python source without comments, docstrings and layout.

    A file that does not parse counts by its bytes: importing it will say what is wrong.

    >>> normal_digest(b"x=1  # one") == normal_digest(b"x = 1")
    True
    >>> normal_digest(b"x = 1") == normal_digest(b"x = 2")
    False
    """
    return take_apart(source).digest


@lru_cache(maxsize=1)
def own_digest() -> str:
    """Return the digest of tidemill's own source, as it was when this process first asked.

    Faces, adapters and the like run in no step and do not count.
    """
    root = Path(str(files("tidemill")))
    whole = blake3()
    for path in sorted(path for part in _OWN_PARTS for path in (root / part).rglob("*.py")):
        whole.update(f"{path.relative_to(root).as_posix()}\0".encode())
        whole.update(blake3(path.read_bytes()).digest())
    return whole.hexdigest()
