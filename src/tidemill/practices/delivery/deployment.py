"""What is deployed: the spec of a deployment, which is an artifact, and the results people see."""

from __future__ import annotations

import msgspec

from tidemill.core.digest import ArtifactId
from tidemill.core.errors import UnavailableError
from tidemill.core.run import RunId
from tidemill.core.signature import Signature
from tidemill.core.text import table
from tidemill.ports.target import ServiceStatus  # noqa: TC001
from tidemill.practices.versioning.unpassed import note_of


class RolloutFailedError(UnavailableError):
    """A deployment did not become ready; what served before serves on."""

    code = "TM720"


class DeploymentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides how a deployment answers; kept as an artifact of kind `deployment`.

    `rules` are the request contract's row rules in canonical JSON, empty: none; `contracts` the
    artifacts that they come from.
    """

    name: str
    model: str
    """The model's full name, `model:PROJECT/NAME`."""
    number: int
    artifact: ArtifactId
    run: RunId
    """The run that put this version of the model there."""
    signature: Signature
    host: str
    threads: int
    log: str
    max_rows: int
    log_array_bytes: int = 4096
    contracts: tuple[ArtifactId, ...] = ()
    rules: str = ""

    @property
    def model_name(self) -> str:
        """The model's name without its project."""
        return self.model.rpartition("/")[2]

    def __str__(self) -> str:
        rows: list[tuple[str, object]] = [
            ("model", f"{self.model}@{self.number}"),
            ("inputs", ", ".join(field.name for field in self.signature.inputs)),
            ("logged beside", ", ".join(field.name for field in self.signature.context) or "-"),
            ("contract rules", "yes" if self.rules else "none"),
            ("listens on", self.host),
            ("threads", self.threads),
            ("log", self.log),
            ("most rows of a request", self.max_rows),
        ]
        return table(["deployment", self.name], rows)

    __repr__ = __str__


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """What serves after a rollout. `is_new` False: it served already, and nothing was written."""

    name: str
    deployment: str
    """The version that serves, `deployment:NAME@N`."""
    model: str
    address: str
    is_new: bool
    run: str = ""
    failing: tuple[str, ...] = ()
    """Checks of the model that did not pass, or never ran."""

    def __str__(self) -> str:
        what = "serves" if self.is_new else "serves already; nothing was changed:"
        return (
            f"{what} {self.model} as {self.deployment}\n"
            f"  {self.address}/v2/models/{self.name}/infer"
            f"{note_of(self.failing, self.model, 'champion')}"
        )

    __repr__ = __str__


class Undeployed(msgspec.Struct, frozen=True, kw_only=True):
    """A service that is gone. Its versions stay: `rollback` or `deploy` serve them again."""

    name: str
    was: str
    run: str

    def __str__(self) -> str:
        return f"{self.name} no longer serves; it was {self.was}"

    __repr__ = __str__


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """One service as it is now."""

    name: str
    state: str
    model: str
    deployment: str
    address: str
    restarts: int
    error: str


class ServingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that should serve."""

    services: tuple[Serving, ...]

    def __str__(self) -> str:
        if not self.services:
            return "nothing is deployed; tidemill deploy model:NAME"
        head = ["service", "state", "model", "deployment", "address", "restarts"]
        rows = [
            [s.name, s.state, s.model, s.deployment, s.address, s.restarts] for s in self.services
        ]
        errors = [f"\n{s.name}: {s.error}" for s in self.services if s.error]
        return "\n".join([table(head, rows), *errors])

    __repr__ = __str__


def serving(status: ServiceStatus, model: str, deployment: str) -> Serving:
    """Return a service's status with the names of what it serves."""
    return Serving(
        name=status.name, state=status.state, model=model, deployment=deployment,
        address=status.address, restarts=status.restarts, error=status.error,
    )  # fmt: skip
