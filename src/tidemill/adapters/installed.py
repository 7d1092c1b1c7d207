"""What is installed, read from `*.dist-info` folders: names, versions, digests of content.

The digest of a distribution is over its RECORD without scripts, `dist-info` and bytecode, so that
it is equal after an equal rebuild (PEP 376, PEP 627); an editable one's is over its own files.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from tidemill.ports.workspace import EnvironmentCapture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[-_.]+")
_SOURCES = (".py", ".pyi", ".pyx", ".so", ".json", ".toml", ".html", ".css", ".js", ".sql")


class _Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """A digest and the state of the RECORD that it was made of."""

    stamp: tuple[int, int, int]
    digest: str


def environment(*, cache: Path, lock: bytes) -> EnvironmentCapture:
    """Return what this process can import. Digests are remembered in `cache` by RECORD."""
    known = _recall(cache)
    remembered: dict[str, _Remembered] = {}
    found: dict[str, tuple[str, str]] = {}
    for folder in distributions():
        name, version = name_and_version(folder)
        if name not in found:  # the first on the path is the one that is imported
            found[name] = (version, _digest(folder, known, remembered))
    if remembered != known:
        _remember(cache, remembered)
    rows = tuple((name, version, digest) for name, (version, digest) in sorted(found.items()))
    return EnvironmentCapture(
        python=".".join(map(str, sys.version_info[:3])),
        implementation=f"{sys.implementation.cache_tag}{sys.abiflags}",
        platform=sysconfig.get_platform(),
        distributions=rows,
        lock=lock,
        requirements="".join(f"{name}=={version}\n" for name, version, _ in rows),
    )


def editable_folders() -> list[Path]:
    """Return the folders whose sources count as those of distributions installed editable."""
    return [
        root for folder in distributions() if is_editable(folder) for root in source_roots(folder)
    ]


def distributions() -> Iterator[Path]:
    """Yield the `dist-info` folders on the path, those that are imported first."""
    for entry in dict.fromkeys(sys.path):
        with contextlib.suppress(OSError), os.scandir(entry or ".") as items:
            for item in sorted(items, key=lambda item: item.name):
                if item.name.endswith(".dist-info"):
                    yield Path(item.path)


def name_and_version(folder: Path) -> tuple[str, str]:
    """Return the normal name and the version of a `dist-info` folder."""
    name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
    return normal_name(name), version


def normal_name(name: str) -> str:
    """Return the normal form of a distribution's name (PEP 503)."""
    return _NAME.sub("-", name).lower()


def _digest(
    folder: Path, known: Mapping[str, _Remembered], remembered: dict[str, _Remembered]
) -> str:
    """Return the digest of a distribution, "" where there is no RECORD to go by."""
    if is_editable(folder):
        return _tree_digest(folder)
    try:
        stat = (folder / "RECORD").stat()
    except FileNotFoundError:
        return ""
    stamp, key = (stat.st_size, stat.st_mtime_ns, stat.st_ino), str(folder)
    if key not in known or known[key].stamp != stamp:
        remembered[key] = _Remembered(stamp=stamp, digest=_record_digest(folder))
    else:
        remembered[key] = known[key]
    return remembered[key].digest


def _record_digest(folder: Path) -> str:
    text = (folder / "RECORD").read_text(encoding="utf-8", errors="replace")
    own = f"{folder.name}/"
    kept = (
        line
        for line in text.splitlines()
        if not line.startswith(("..", "/", own)) and ".pyc," not in line
    )
    return blake3("\n".join(sorted(kept)).encode()).hexdigest()


def is_editable(folder: Path) -> bool:
    """Return whether a `dist-info` folder is of an editable installation."""
    try:
        return b'"editable":true' in (folder / "direct_url.json").read_bytes().replace(b" ", b"")
    except FileNotFoundError:
        return False


def _tree_digest(folder: Path) -> str:
    """Return a digest over the source files of an editable distribution, by place within it."""
    hasher = blake3()
    for root in source_roots(folder):
        for path in sorted(_source_files(root)):
            place = path.relative_to(root).as_posix()
            hasher.update(f"{place}\0{blake3(path.read_bytes()).hexdigest()}\n".encode())
    return hasher.hexdigest()


def source_roots(folder: Path) -> list[Path]:
    """Return the folders of an editable distribution's sources.

    They are those that its .pth files put on the path; else `src`, or all of its project.
    """
    record = (folder / "RECORD").read_text(encoding="utf-8", errors="replace")
    places = [
        Path(line.strip())
        for name in re.findall(r"^([^,/]+\.pth),", record, re.MULTILINE)
        for line in (folder.parent / name).read_text(encoding="utf-8").splitlines()
        if not line.startswith(("#", "import "))
    ]
    if found := [place for place in places if place.is_dir()]:
        return found
    told = msgspec.json.decode((folder / "direct_url.json").read_bytes())["url"]
    project = Path(told.removeprefix("file://"))
    return [project / "src" if (project / "src").is_dir() else project]


def _source_files(root: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name[0] != "." and name != "__pycache__"]
        for name in names:
            if name.endswith(_SOURCES):
                yield Path(at, name)


def _recall(cache: Path) -> dict[str, _Remembered]:
    try:
        return msgspec.json.decode(cache.read_bytes(), type=dict[str, _Remembered])
    except (OSError, msgspec.DecodeError):
        return {}


def _remember(cache: Path, remembered: Mapping[str, _Remembered]) -> None:
    """Keep the digests; a folder that cannot be written costs time only."""
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = cache.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_bytes(msgspec.json.encode(remembered))
        temporary.replace(cache)
