"""The target port: where models are served.

Rules: `apply` is idempotent and returns at once; the service becomes what was asked for without a
failed request: the new server is healthy before the old one stops taking requests; a server that
dies is started again. One stable address a service, whatever serves behind it.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from tidemill.core.digest import ArtifactId


class ServiceSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What should serve: everything a model server needs to know, and no ledger."""

    name: str
    deployment: ArtifactId
    model: ArtifactId
    model_name: str
    model_version: str
    model_folder: str
    """Local folder with the model's files, verified, read-only."""
    host: str
    port: int
    threads: int
    log: str
    max_rows: int
    log_array_bytes: int = 4096
    """Arrays and nested values of a row above this are logged by their digest only."""
    contract: str = ""
    """The request contract as canonical JSON; empty: none."""
    settings: Mapping[str, str] = {}


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What serves now."""

    name: str
    state: Literal["starting", "ready", "failed", "stopped"]
    address: str
    deployment: ArtifactId | None
    """The deployment that takes the requests now."""
    wanted: ArtifactId | None = None
    """The deployment that was asked for last, of which `state` and `error` speak."""
    process: int = 0
    restarts: int = 0
    error: str = ""


class Target(Protocol):
    """Serves models."""

    def apply(self, spec: ServiceSpec) -> None:
        """Ask for a service to be as `spec` says."""
        ...

    def remove(self, name: str) -> None:
        """Ask for a service to be gone, after its last answer."""
        ...

    def status(self, name: str) -> ServiceStatus | None:
        """Return what serves under a name; None: nothing does."""
        ...

    def services(self) -> list[ServiceStatus]:
        """Return everything that should serve."""
        ...

    def start(self) -> bool:
        """See to it that services are kept alive; False: something did so already."""
        ...

    def stop(self) -> None:
        """Stop every service after its last answer; `start` serves them again."""
        ...
