"""The composition root: which adapter stands behind each port, and how a record is opened."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.app.project_folder import (
    FILE,
    actor_here,
    begin_project,
    find_project,
    keys_folder,
    project_name,
    read_project_file,
    state_folder,
)
from tidemill.core.errors import MissingExtraError
from tidemill.core.extras import installing
from tidemill.core.place import scheme_of
from tidemill.core.settings import resolve_settings
from tidemill.dispatch.registry import Kinds
from tidemill.lineage.record import Places, Ports, Record, Tell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.app.project_folder import ProjectFile
    from tidemill.core.operation import Role
    from tidemill.core.settings import Settings
    from tidemill.ports.clock import Clock
    from tidemill.ports.environment import Environments
    from tidemill.ports.executor import Executor
    from tidemill.ports.ledger import Ledger
    from tidemill.ports.notifier import Notifier
    from tidemill.ports.object_store import ObjectStore
    from tidemill.ports.online_store import OnlineStore
    from tidemill.ports.signer import Signer
    from tidemill.ports.source import SourceOpener
    from tidemill.ports.stream import Stream
    from tidemill.ports.target import Target
    from tidemill.ports.workspace import Workspace


def open_record(
    start: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    tell: Tell | None = None,
    needs_project: bool = True,
    begins: bool = False,
) -> Record:
    """Return the record of the project at or above a folder; places are opened when first used.

    With `begins` a folder without a project becomes one, which is said on standard error.

    Raises:
        NotFoundError: there is no project (only where one is needed).
        InvalidInputError: its `tidemill.toml` cannot be taken as it is.
    """
    variables = os.environ if environment is None else environment
    here = start or Path.cwd()
    if begins:
        folder = begin_project(here, say)
    else:
        folder = find_project(here) if needs_project else here.resolve()
    file = read_project_file(folder)
    settings = resolve_settings(file.tables, variables, text=file.text)
    if "gates" in file.tables:
        _refuse_unknown_bounds(file)
    return Record(
        ports=Ports(places_of(folder, settings)),
        project=settings.text("project.name") or project_name(folder),
        actor=actor_here(folder, variables),
        settings=settings,
        kinds=Kinds(),
        tell=tell or Tell(),
    )


def say(line: str) -> None:
    """Say a line to whoever sits at the machine."""
    sys.stderr.write(f"{line}\n")


def _refuse_unknown_bounds(file: ProjectFile) -> None:
    """Read `[gates]` too: whoever misspelt a bound learns it now, not when a model is judged."""
    from tidemill.practices.integration.bounds import bounds_of  # noqa: PLC0415 - few files have it

    bounds_of(file.tables["gates"], file.text)


def role_of(record: Record) -> Role:
    """Return the role of the record's actor, as collaboration keeps it."""
    from tidemill.practices.collaboration.roles import role_of as kept  # noqa: PLC0415 - only writes ask

    return kept(record, record.actor)


def places_of(folder: Path, settings: Settings) -> Places:
    """Return how each port of a project is opened."""
    return Embedded(folder, settings).places()


def _ledger_at(url: str, clock: Clock) -> Ledger:
    try:
        from tidemill.adapters.postgres.ledger import PostgresLedger  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError(
            f"the driver of PostgreSQL is not installed: {error}", fix=installing("psycopg")
        ) from error
    return PostgresLedger(url, clock)


class Embedded:
    """The embedded places of one project, each imported when it is opened."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder, self._settings = folder, settings
        self._clock: Clock | None = None

    def places(self) -> Places:
        """Return how each port is opened."""
        return Places(
            clock=self.clock, ledger=self.ledger, objects=self.objects, sources=self.sources,
            stream=self.stream, online=self.online, executor=self.executor, target=self.target,
            workspace=self.workspace, notifier=self.notifier, environments=self.environments,
            signer=self.signer, in_process=self.in_process,
        )  # fmt: skip

    def clock(self) -> Clock:
        """Open the machine's clock."""
        from tidemill.adapters.local.clock import SystemClock  # noqa: PLC0415

        self._clock = self._clock or SystemClock()
        return self._clock

    def ledger(self) -> Ledger:
        """Open the record, in a file or where its URL says."""
        place = self._settings.text("record.ledger")
        if scheme_of(place):
            return _ledger_at(place, self.clock())
        from tidemill.adapters.local.ledger import SqliteLedger  # noqa: PLC0415

        state_folder(self._folder)
        return SqliteLedger(self._folder / place, self.clock())

    def objects(self) -> ObjectStore:
        """Open the objects."""
        from tidemill.adapters.local.object_store import LocalObjectStore  # noqa: PLC0415

        state_folder(self._folder)
        return LocalObjectStore(self._path("record.objects"))

    def sources(self) -> SourceOpener:
        """Open sources; paths are relative to where the caller stands."""
        from tidemill.adapters.local.source import LocalSources  # noqa: PLC0415

        return LocalSources(Path.cwd())

    def stream(self) -> Stream:
        """Open the tails of predictions; model servers write them."""
        from tidemill.adapters.local.stream import MappedStream  # noqa: PLC0415

        return MappedStream(state_folder(self._folder) / "stream")

    def online(self) -> OnlineStore:
        """Open the online store."""
        from tidemill.adapters.local.online_store import LmdbOnlineStore  # noqa: PLC0415

        return LmdbOnlineStore(state_folder(self._folder) / "online")

    def executor(self) -> Executor:
        """Open local step workers."""
        from tidemill.adapters.local.executor.local_executor import LocalExecutor  # noqa: PLC0415
        from tidemill.app.step_worker import worker_command  # noqa: PLC0415

        return LocalExecutor(
            worker_command(self._folder, self._path("project.code"), self._path("record.objects")),
            workers=self._settings.whole("run.workers"),
            folder=self._folder,
        )

    def in_process(self) -> Executor:
        """Open this process as a place for steps."""
        from tidemill.adapters.local.executor.in_process import InProcessExecutor  # noqa: PLC0415
        from tidemill.app.step_worker import runner_of  # noqa: PLC0415

        runner = runner_of(
            self._folder, self._path("project.code"), self._path("record.objects"), is_own=False
        )
        return InProcessExecutor(runner.run)

    def target(self) -> Target:
        """Open the services of this machine."""
        from tidemill.adapters.local.target.local_target import LocalTarget  # noqa: PLC0415
        from tidemill.app.process_commands import supervisor_command  # noqa: PLC0415

        state = state_folder(self._folder)
        return LocalTarget(state, supervisor_command(state), self.clock())

    def workspace(self) -> Workspace:
        """Open the project's folder."""
        from tidemill.adapters.local.workspace import LocalWorkspace  # noqa: PLC0415

        allowed = self._settings.text("project.allow")
        return LocalWorkspace(
            self._folder,
            self._folder / self._settings.text("project.code"),
            allow=[name.strip() for name in allowed.split(",") if name.strip()],
            holds="project" if (self._folder / FILE).is_file() else "loose",
        )

    def notifier(self) -> Notifier:
        """Open the log of notices."""
        from tidemill.adapters.local.notifier import LogNotifier  # noqa: PLC0415

        return LogNotifier(state_folder(self._folder) / "notices.jsonl")

    def environments(self) -> Environments:
        """Open the environments of released code."""
        from tidemill.adapters.local.environment import LocalEnvironments  # noqa: PLC0415
        from tidemill.app.process_commands import RELEASED_ENTRY  # noqa: PLC0415

        return LocalEnvironments(state_folder(self._folder) / "cache", RELEASED_ENTRY)

    def signer(self) -> Signer:
        """Open the keys of whoever works here; they lie outside every record."""
        from tidemill.adapters.local.signer import LocalSigner  # noqa: PLC0415

        return LocalSigner(keys_folder(self._folder, self._settings.text("audit.keys")))

    def _path(self, setting: str) -> Path:
        return self._folder / self._settings.text(setting)
