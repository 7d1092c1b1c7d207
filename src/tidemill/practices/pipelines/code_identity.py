"""The identity of code and environment: what besides arguments decides a step's result.

All Python files of the project count as a whole, tests and ignored ones too; their comments and
layout do not. That is coarse (an edit of one step lets all run again) and safe. What a step imports
from elsewhere is seen by its worker (`runtime/outside_modules.py`), and its result is not memoized.
"""

from __future__ import annotations

import ast
import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from tidemill.core.digest import Digest, digest_of_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.lineage.record import Record
    from tidemill.ports.workspace import EnvironmentCapture

_OWN_PARTS = ("core", "kernels", "ports", "practices", "runtime")
"""What of tidemill runs inside a step."""


def code_identity(record: Record) -> Digest:
    """Return the digest of the project's modules and of tidemill itself, as they are on disk."""
    return digest_of_value(["code 1", project_code(record), own_digest()])


def project_code(record: Record) -> Digest:
    """Return the digest of the project's modules alone, which a worker can find again."""
    workspace = record.ports.workspace
    return identity_of_sources(workspace.root, workspace.sources())


def identity_of_sources(root: Path, sources: Sequence[Path]) -> Digest:
    """Return the digest of a project's Python files, its tests too: steps may import them.

    Place and name of the project's folder do not matter.
    """
    texts = [
        (os.fsencode(os.path.relpath(path, root)).hex(), normal_digest(path.read_bytes()))
        for path in sources
        if path.is_file()  # no link to nowhere
    ]
    return digest_of_value(["modules 2", sorted(texts)])


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
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return blake3(source).hexdigest()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _without_docstring(node)
    return blake3(ast.dump(tree).encode("utf-8", "surrogatepass")).hexdigest()


def _without_docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> None:
    first = node.body[0] if node.body else None
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        node.body = node.body[1:]


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
