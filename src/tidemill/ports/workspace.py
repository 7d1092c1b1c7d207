"""The workspace port: what a capture reads (code, lock, environment, machine). Changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from tidemill.core.digest import TreeEntry


class CodeCapture(msgspec.Struct, frozen=True, kw_only=True):
    """The project's files as they are now, uncommitted and untracked ones included."""

    files: tuple[tuple[TreeEntry, Path], ...]
    commit: str = ""
    git_tree: str = ""
    is_dirty: bool = False
    skipped: tuple[str, ...] = ()
    """What was left out: data, and links that lead nowhere, to a folder or out of the project."""


class EnvironmentCapture(msgspec.Struct, frozen=True, kw_only=True):
    """What is installed, by name, version and digest of content; identity holds no path."""

    python: str
    implementation: str
    platform: str
    distributions: tuple[tuple[str, str, str], ...]
    lock: bytes = b""
    """`uv.lock` as it lies in the project; empty: none."""
    requirements: str = ""
    """Name==version lines of what is installed."""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One installed distribution: what it is, what is imported of it, what it needs."""

    name: str
    version: str
    digest: str = ""
    """Of its files, by its RECORD; empty: it has none."""
    modules: tuple[str, ...] = ()
    """Top-level names that are imported."""
    requires: tuple[str, ...] = ()
    """Names of distributions that it needs, those of the extras that anybody asks for included."""
    roots: tuple[Path, ...] = ()
    """Where its sources lie, if it is installed editable: they are like the project's own."""


class MachineCapture(msgspec.Struct, frozen=True, kw_only=True):
    """Where it ran: never part of an identity, always on the record."""

    host: str
    cpu: str
    cores: int
    memory_bytes: int
    threads: Mapping[str, str]
    libc: str = ""
    hash_seed: str = ""
    locale: str = ""
    timezone: str = ""


class Workspace(Protocol):
    """One project's folder."""

    @property
    def root(self) -> Path:
        """The project's folder."""
        ...

    @property
    def cache(self) -> Path:
        """A folder for what may be deleted at any time."""
        ...

    def code(self, data: Collection[str] = ()) -> CodeCapture:
        """Capture the code; `.gitignore` is honoured, with Git or without.

        `data` are files and folders, from the project's, that are known to be data: what of them
        no repository tracks is `skipped`.

        Raises:
            InvalidInputError: a file over 10 MiB, or one that looks like a secret; names it.
        """
        ...

    def environment(self) -> EnvironmentCapture:
        """Capture what is installed."""
        ...

    def packages(self) -> Sequence[Package]:
        """Return what is installed as one asks what code imports, sorted by name."""
        ...

    def machine(self) -> MachineCapture:
        """Capture the machine."""
        ...

    def sources(self) -> Sequence[Path]:
        """Return every Python file that belongs to the project, sorted.

        Ignored files and tests are among them; hidden folders, environments and folders with a
        `tidemill.toml` of their own are not.
        """
        ...
