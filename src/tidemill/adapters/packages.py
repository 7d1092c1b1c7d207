"""Packages: of each installed distribution, what is imported of it and what it needs.

Read from `dist-info` (PEP 376, core metadata), once a distribution and state of its RECORD.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

import msgspec

from tidemill.adapters import installed
from tidemill.ports.workspace import Package

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REQUIRES = re.compile(
    r"^Requires-Dist:\s*([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?([^;\n]*)(;.*)?$", re.MULTILINE
)
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_CODE = (".py", ".so", ".pyd")


class _Needs(msgspec.Struct, frozen=True, array_like=True):
    """One line of requirements: who, for which extra of ours, with which extras of theirs."""

    name: str
    extra: str = ""
    extras: tuple[str, ...] = ()


class _Told(msgspec.Struct, frozen=True, array_like=True):
    """What a `dist-info` folder says, and its state when it did."""

    stamp: tuple[int, int, int]
    modules: tuple[str, ...]
    needs: tuple[_Needs, ...]


def packages(*, cache: Path) -> tuple[Package, ...]:
    """Return the distributions that this process can import, sorted by name."""
    known = _recalled(cache)
    told: dict[str, _Told] = {}
    found: dict[str, Path] = {}
    for folder in installed.distributions():
        name, _ = installed.name_and_version(folder)
        if name not in found:
            found[name] = folder
            key, stamp = str(folder), _stamp(folder)
            is_known = key in known and known[key].stamp == stamp
            told[key] = known[key] if is_known else _read(folder, stamp)
    if told != known:
        _keep(cache, told)
    wanted = _wanted_extras(told[str(folder)] for folder in found.values())
    return tuple(
        _package(name, found[name], told[str(found[name])], wanted) for name in sorted(found)
    )


def _package(name: str, folder: Path, told: _Told, wanted: dict[str, set[str]]) -> Package:
    is_editable = installed.is_editable(folder)
    own = wanted.get(name, set())
    return Package(
        name=name, version=installed.name_and_version(folder)[1], modules=told.modules,
        requires=tuple(
            dict.fromkeys(need.name for need in told.needs if not need.extra or need.extra in own)
        ),
        roots=tuple(installed.source_roots(folder)) if is_editable else (),
    )  # fmt: skip


def _wanted_extras(told: Iterator[_Told]) -> dict[str, set[str]]:
    """Return the extras of each distribution that some other one asks for."""
    wanted: dict[str, set[str]] = {}
    for one in told:
        for need in one.needs:
            wanted.setdefault(need.name, set()).update(need.extras)
    return wanted


def _stamp(folder: Path) -> tuple[int, int, int]:
    for name in ("RECORD", "METADATA"):
        with contextlib.suppress(OSError):
            found = (folder / name).stat()
            return found.st_size, found.st_mtime_ns, found.st_ino
    return 0, 0, 0


def _read(folder: Path, stamp: tuple[int, int, int]) -> _Told:
    metadata = _text(folder / "METADATA").partition("\n\n")[0]
    needs = tuple(
        _Needs(
            name=installed.normal_name(match[1]),
            extra=(_EXTRA.search(match[4] or "") or [None, ""])[1] or "",
            extras=tuple(part.strip() for part in (match[2] or "").split(",") if part.strip()),
        )
        for match in _REQUIRES.finditer(metadata)
    )
    return _Told(stamp=stamp, modules=tuple(sorted(_modules(folder))), needs=needs)


def _modules(folder: Path) -> set[str]:
    found = set(_text(folder / "top_level.txt").split())
    for line in _text(folder / "RECORD").splitlines():
        path = line.partition(",")[0].strip('"')
        if path.endswith(_CODE) and not path.startswith(("..", "/")):
            first = path.partition("/")[0].partition(".")[0]
            found.add(first)
    return {name for name in found if name.isidentifier()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _recalled(cache: Path) -> dict[str, _Told]:
    try:
        return msgspec.json.decode(cache.read_bytes(), type=dict[str, _Told])
    except (OSError, msgspec.DecodeError):
        return {}


def _keep(cache: Path, told: dict[str, _Told]) -> None:
    """Keep what was read; a folder that cannot be written costs time only."""
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        aside = cache.with_suffix(f".{os.getpid()}.tmp")
        aside.write_bytes(msgspec.json.encode(told))
        aside.replace(cache)
