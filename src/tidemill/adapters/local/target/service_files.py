"""The files through which services are asked for and tell of themselves, one folder a service.

    NAME/wanted.json      what is asked for; written by whoever deploys
    NAME/port             the port, chosen once
    NAME/status.json      what the supervisor made of it
    NAME/servers/PID.json what each server process says of itself
    NAME/specs/HEX.json   specs as servers were started with them
    NAME/logs/*.log       what they printed

Every write is a rename, so that a reader sees a whole file or the one before.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from tidemill.adapters.durable_files import lock
from tidemill.core.digest import ArtifactId, digest_of_value
from tidemill.ports.target import (
    ServiceSpec,
    ServiceStatus,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

T = TypeVar("T")

LOG_TAIL_BYTES = 4000
LOGS_KEPT = 5


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; `is_removed`: that it be gone."""

    spec: ServiceSpec
    is_removed: bool = False

    @property
    def digest(self) -> str:
        """What tells one asked-for spec from another."""
        return digest_of_value(self.spec).partition(":")[2][:16]


class StatusFile(msgspec.Struct, frozen=True, kw_only=True):
    """A status, and the digest of the spec that it speaks of."""

    digest: str
    status: ServiceStatus


class ServerNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a server process says of itself. `handover` is where it hands on its socket."""

    pid: int
    owner: str
    """Machine, boot, process and its start: tells it from a later process of the same number."""
    digest: str
    deployment: ArtifactId
    state: Literal["starting", "serving", "draining"]
    log: str
    handover: str


class ServiceFolder:
    """The files of one service."""

    def __init__(self, root: Path, name: str) -> None:
        self.name, self._root = name, root
        self.path = root / name

    def wanted(self) -> Wanted | None:
        """Return what is asked for; None: nothing ever was."""
        return _read(self.path / "wanted.json", Wanted)

    def want(self, wanted: Wanted) -> None:
        """Ask for something."""
        self._root.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self.path.mkdir(exist_ok=True)
            _write(self.path / "wanted.json", wanted)

    def status(self) -> StatusFile | None:
        """Return what the supervisor last said."""
        return _read(self.path / "status.json", StatusFile)

    def say(self, status: StatusFile) -> None:
        """Tell what is."""
        _write(self.path / "status.json", status)

    def port(self) -> int:
        """Return the service's port; 0: it has none yet."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.path / "port").read_text())
        return 0

    def keep_port(self, port: int) -> None:
        """Remember the port."""
        _write_bytes(self.path / "port", str(port).encode())

    def spec_file(self, wanted: Wanted) -> Path:
        """Return a file with the spec that stays as it is whatever is asked for later."""
        path = self.path / "specs" / f"{wanted.digest}.json"
        path.parent.mkdir(exist_ok=True)
        _write(path, wanted.spec)
        return path

    def new_log(self, identity: str) -> Path:
        """Return the log of a new server, and forget the oldest ones."""
        folder = self.path / "logs"
        folder.mkdir(exist_ok=True)
        for old in sorted(folder.glob("*.log"))[: -LOGS_KEPT + 1]:
            old.unlink(missing_ok=True)
        return folder / f"{identity}.log"

    def notes(self) -> list[ServerNote]:
        """Return what servers say of themselves, also those that died since."""
        found = (_read(path, ServerNote) for path in sorted(self.path.glob("servers/*.json")))
        return [note for note in found if note is not None]

    def note(self, note: ServerNote) -> None:
        """Say what this server is doing."""
        path = self.path / "servers" / f"{note.pid}.json"
        path.parent.mkdir(exist_ok=True)
        _write(path, note)

    def forget_note(self, pid: int) -> None:
        """Forget a server that is gone."""
        (self.path / "servers" / f"{pid}.json").unlink(missing_ok=True)

    def remove_if_unwanted(self) -> None:
        """Remove everything of the service, unless it is asked for again meanwhile."""
        with self._locked():
            wanted = self.wanted()
            if wanted is not None and wanted.is_removed:
                shutil.rmtree(self.path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = lock(self._root, wait=True)
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)


def service_folders(root: Path) -> list[ServiceFolder]:
    """Return every service that has a folder, by name."""
    return [ServiceFolder(root, path.parent.name) for path in sorted(root.glob("*/wanted.json"))]


def log_tail(path: Path) -> str:
    """Return the end of a log, empty where there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - LOG_TAIL_BYTES, 0))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""


def _read(path: Path, type_: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except FileNotFoundError:
        return None


def _write(path: Path, value: object) -> None:
    _write_bytes(path, msgspec.json.encode(value))


def _write_bytes(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)
