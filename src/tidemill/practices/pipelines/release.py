"""Release: a pipeline with all that running it again needs, as one artifact under a ref.

Made by `practices/delivery/release.py`; here is what running one needs: its value, and how its code
is brought back and its environment found.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from blake3 import blake3

from tidemill.core.digest import ArtifactId
from tidemill.core.errors import CorruptError, NotFoundError, TidemillError
from tidemill.core.pointer import parse_pointer
from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.core.text import folded
from tidemill.lineage.artifacts import (
    checkout,
    find_artifact,
    read_bytes,
    read_value,
    tree_entries,
)
from tidemill.lineage.refs import resolve
from tidemill.ports.environment import Lock
from tidemill.ports.workspace import EnvironmentCapture
from tidemill.practices.pipelines.code_identity import environment_identity
from tidemill.practices.pipelines.declare import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.digest import TreeEntry
    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record

KIND = "pipeline"
AS_LOCKED = "environment_is_as_locked"
"""Parameter of a release's run: what was installed then is what the lock says."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A released pipeline. Equal content is the same release, wherever and whenever it is made."""

    pipeline: str
    code: ArtifactId
    """Every file of the project, a `tree1`."""
    lock: ArtifactId
    """The bytes of `uv.lock`, or a list of what was installed."""
    lock_form: Literal["uv", "requirements"]
    python: str
    parameters: tuple[Parameter, ...] = ()
    contracts: Mapping[str, ArtifactId] = {}
    views: Mapping[str, ArtifactId] = {}
    triggers: Mapping[str, Mapping[str, Any]] = {}
    """The rules that run it, by name, as `tidemill.toml` has them."""
    settings: Mapping[str, Any] = {}
    """Settings and bounds of gates that the project's file gives, by dotted name."""

    def __str__(self) -> str:
        lines = [f"pipeline {self.pipeline}, code {self.code[6:18]}, Python {self.python}"]
        lines.append(f"lock: {_LOCKS[self.lock_form]} {self.lock[3:15]}")
        told = [f"{p.name}: {p.type}" + _default(p) for p in self.parameters]
        lines.append(f"parameters: {', '.join(told) or 'none'}")
        declared = ("contracts", "views", "triggers", "settings")
        lines += [f"{name}: {', '.join(getattr(self, name)) or 'none'}" for name in declared]
        return folded("\n".join(lines))

    __repr__ = __str__


_LOCKS = {"uv": "uv.lock", "requirements": "what was installed"}


def _default(parameter: Parameter) -> str:
    return "" if parameter.is_needed else f" = {parameter.default}"


def release_of(record: Record, name: str) -> Version | None:
    """Return the release that `NAME@SELECTOR` or `pipeline:NAME` means; None: the working copy.

    Raises:
        NotFoundError: there is no such release.
    """
    if "@" not in name and not name.startswith(f"{KIND}:"):
        return None
    parsed = parse_pointer(name, project=record.project, kind=KIND)
    try:
        return resolve(record, parsed)
    except NotFoundError as error:
        fix = error.fix
        if fix.startswith("tidemill l"):
            fix = f"tidemill release {parsed.name}, then tidemill promote {parsed.name}@N ALIAS"
        raise NotFoundError(error.what, fix=fix) from None


def pipeline_name(record: Record, name: str) -> str:
    """Return the pipeline's name out of `pipeline:PROJECT/NAME@SELECTOR`, `NAME@SELECTOR`, `NAME`.

    Raises:
        InvalidInputError: it is no such pointer.
    """
    return parse_pointer(name, project=record.project, kind=KIND).name


def is_inside(record: Record, version: Version) -> bool:
    """Return whether this process runs a release of the same pipeline."""
    return record.ports.environments.release.partition("@")[0] == str(version.ref)


def read_release(record: Record, version: Version) -> Release:
    """Return what a version of a pipeline holds."""
    return read_value(record, find_artifact(record, version.artifact), Release)


def restored(record: Record, release: Release) -> Path:
    """Return a folder with the code of a release, verified; one that was changed is made again.

    Raises:
        CorruptError: the record's own bytes are not those of the release.
    """
    artifact = find_artifact(record, release.code)
    entries = tree_entries(record, artifact)
    places = record.ports.environments.cache / "releases"
    folder = places / release.code.partition(":")[2]
    if folder.is_dir():
        if _is_whole(folder, entries):
            return folder
        record.tell.line(f"the restored code in {folder.name[:12]} was changed; it is made again")
    fresh = places / f".{folder.name[:12]}.{record.ports.clock.new_id()}"
    checkout(record, artifact, fresh)
    if not _is_whole(fresh, entries):
        _remove(fresh)
        raise CorruptError(
            f"the stored code of pipeline {release.pipeline} is not what its digest says",
            fix="tidemill audit verify, then bring the record back from a backup",
        )
    _set_modes(fresh, file=0o555, folder=0o555)
    _put_in_place(fresh, folder, entries)
    return folder


def environment_of(record: Record, version: Version, release: Release) -> Path:
    """Return the interpreter of a release's environment.

    It is the running one where that has the very content that was installed when it was released,
    and that was what the lock says; else one that is built from the lock, and kept.

    Raises:
        UnavailableError: it cannot be built.
    """
    environments = record.ports.environments
    if _is_running_one(record, version):
        return environments.here()
    project = b""
    if release.lock_form == "uv":
        entries = {e.path: e for e in tree_entries(record, find_artifact(record, release.code))}
        project = b"".join(record.ports.objects.get(entries["pyproject.toml"].digest))
    lock = Lock(
        form=release.lock_form, text=lock_bytes(record, release), python=release.python,
        project=project,
    )  # fmt: skip
    return environments.built(lock, record.tell.line)


def lock_bytes(record: Record, release: Release) -> bytes:
    """Return the lock of a release: a `uv.lock`, or NAME==VERSION lines."""
    return read_bytes(record, find_artifact(record, release.lock))


def _is_running_one(record: Record, version: Version) -> bool:
    (run,) = record.ports.ledger.find(Query(Run, where=(Where("id", "=", version.run),), limit=1))
    if run.environment is None or not run.params.get(AS_LOCKED):
        return False
    then = read_value(record, find_artifact(record, run.environment), EnvironmentCapture)
    now = record.ports.workspace.environment()
    return environment_identity(then) == environment_identity(now)


def _is_whole(folder: Path, entries: Sequence[TreeEntry]) -> bool:
    """Return whether a folder holds exactly these files."""
    found = set()
    for place, _, names in os.walk(folder):
        found |= {Path(place, name).relative_to(folder).as_posix() for name in names}
    if found != {entry.path for entry in entries}:
        return False
    for entry in entries:
        path = folder / entry.path
        if path.is_symlink() or path.stat().st_size != entry.size_bytes:
            return False
        if f"b3:{blake3(path.read_bytes()).hexdigest()}" != entry.digest:
            return False
    return True


def _put_in_place(fresh: Path, folder: Path, entries: Sequence[TreeEntry]) -> None:
    """Rename a whole tree into its place; another process may do the same at the same time."""
    aside = fresh.with_name(f"{fresh.name}.old")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:  # somebody else has put theirs there just now
        if not _is_whole(folder, entries):
            raise
        _remove(fresh)
    if aside.exists():
        _remove(aside)


def _set_modes(root: Path, *, file: int, folder: int) -> None:
    for place, _, names in os.walk(root, topdown=False):
        for name in names:
            path = Path(place, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & file)
        Path(place).chmod(folder)


def _remove(root: Path) -> None:
    for place, _, _ in os.walk(root):
        Path(place).chmod(0o755)
    shutil.rmtree(root)


def error_named(types: Sequence[str], what: str, fix: str) -> TidemillError:
    """Return an error of the nearest class that is known here of those that it had elsewhere."""
    known: list[type[TidemillError]] = [TidemillError]
    for one in known:
        known += one.__subclasses__()
    by_name = {one.__name__: one for one in known}
    found = next((by_name[name] for name in types if name in by_name), TidemillError)
    made = found.__new__(found)
    TidemillError.__init__(made, what, fix=fix)
    return made
