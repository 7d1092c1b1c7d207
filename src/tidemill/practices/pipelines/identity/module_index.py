"""The module index: files of Python taken apart once, remembered by what the system says of them.

A cache that may be deleted at any time. A file is known by path, size, inode and times; one that
was changed less than two seconds before it was looked at is read again (as Git does with its own).
"""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from tidemill.kernels import python_statements
from tidemill.kernels.python_statements import Module, take_apart

if TYPE_CHECKING:
    from collections.abc import Iterable

RACY_NS = 2_000_000_000
"""How old a change must be until times are believed."""


class _Row(msgspec.Struct, frozen=True, array_like=True):
    stamp: tuple[int, int, int, int]
    seen_ns: int
    source: str
    digest: str
    module: msgspec.Raw


class _File(msgspec.Struct, frozen=True, array_like=True):
    form: str
    rows: dict[str, _Row]


class ModuleIndex:
    """Modules by their files. `place` is the file of the cache; None: nothing is kept."""

    def __init__(self, place: Path | None, now_ns: int) -> None:
        self._place, self._now_ns = place, now_ns
        self._rows = _recalled(place)
        self._known: dict[str, Module] = {}
        self._fresh: dict[str, _Row] = {}

    def digest(self, path: Path) -> str:
        """Return the digest of a whole module, without comments, docstrings and layout."""
        return self._row(path).digest

    def module(self, path: Path) -> Module:
        """Return a module taken apart."""
        row = self._row(path)
        if row.source not in self._known:
            self._known[row.source] = msgspec.msgpack.decode(row.module, type=Module)
        return self._known[row.source]

    def keep(self, paths: Iterable[Path]) -> None:
        """Write what is new; rows of files that are not among `paths` are dropped."""
        if not self._fresh or self._place is None:
            return
        wanted = {str(path) for path in paths}
        rows = {path: row for path, row in self._rows.items() if path in wanted}
        with contextlib.suppress(OSError):  # a folder that cannot be written costs time only
            self._place.parent.mkdir(parents=True, exist_ok=True)
            aside = self._place.with_suffix(f".{os.getpid()}.tmp")
            aside.write_bytes(msgspec.msgpack.encode(_File(form=_form(), rows=rows)))
            aside.replace(self._place)
        self._fresh.clear()

    def _row(self, path: Path) -> _Row:
        key = str(path)
        if key in self._fresh:
            return self._fresh[key]
        known = self._rows.get(key)
        stamp = _stamp(key)
        if known is not None and known.stamp == stamp and _is_old(known):
            return known
        source = path.read_bytes()
        digest = blake3(source).hexdigest()
        if known is None or known.source != digest:
            module = take_apart(source)
            self._known[digest] = module
            raw = msgspec.Raw(msgspec.msgpack.encode(module))
            row = _Row(stamp, self._now_ns, digest, module.digest, raw)
        else:
            row = _Row(stamp, self._now_ns, digest, known.digest, known.module)
        self._rows[key] = self._fresh[key] = row
        return row


def _stamp(path: str) -> tuple[int, int, int, int]:
    found = os.stat(path)  # noqa: PTH116 - no Path for each file
    return found.st_size, max(found.st_mtime_ns, found.st_ctime_ns), found.st_ctime_ns, found.st_ino


def _is_old(row: _Row) -> bool:
    return row.seen_ns - row.stamp[1] > RACY_NS


def _recalled(place: Path | None) -> dict[str, _Row]:
    if place is None:
        return {}
    try:
        found = msgspec.msgpack.decode(place.read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError):
        return {}
    return found.rows if found.form == _form() else {}


@lru_cache(maxsize=1)
def _form() -> str:
    """Return the digest of what takes modules apart: rows of another one are not believed."""
    whole = blake3()
    for path in sorted(Path(python_statements.__file__).parent.glob("python_*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]
