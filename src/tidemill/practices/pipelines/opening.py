"""Opening a pipeline's run: at its first step that must be computed, with all that it ran on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.digest import digest_of, digest_of_value
from tidemill.core.errors import InvalidInputError
from tidemill.core.facts import RunOpened
from tidemill.core.run import RunId
from tidemill.lineage.refs import resolve
from tidemill.lineage.writing import RunDraft
from tidemill.practices.infrastructure.project import code_folder
from tidemill.practices.pipelines.capture import capture
from tidemill.practices.pipelines.code_identity import index_of, own_digest
from tidemill.practices.pipelines.ends import Circumstances
from tidemill.practices.pipelines.identity.step_code import StepCodes
from tidemill.practices.pipelines.leases import LEASE_TTL_S, Renewal, run_lease, seal_lost_runs
from tidemill.practices.pipelines.loaded_code import loaded_code
from tidemill.practices.pipelines.session_code import MAIN, session_source
from tidemill.practices.pipelines.session_files import session_files
from tidemill.practices.pipelines.spelling import Speller, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tidemill.core.query import Lease
    from tidemill.core.run import Status
    from tidemill.lineage.record import Record
    from tidemill.ports.executor import SourcePiece
    from tidemill.ports.workspace import EnvironmentCapture
    from tidemill.practices.pipelines.declare import Pipeline
    from tidemill.practices.pipelines.identity.module_index import ModuleIndex


class RunWish(msgspec.Struct, frozen=True, kw_only=True):
    """How a pipeline is to be run."""

    at: Any = None
    because: str = ""
    cause: str = ""
    parent: RunId | None = None
    is_plan: bool = False
    is_point: bool = False
    """It is one of many of a sweep, so that it must change nothing but the record."""
    is_in_process: bool = False


class Opening:
    """A pipeline's run that is opened when it is needed, and not before."""

    def __init__(
        self,
        record: Record,
        pipeline: Pipeline[..., Any],
        arguments: Mapping[str, object],
        wish: RunWish,
    ) -> None:
        self._record, self._pipeline, self._wish = record, pipeline, wish
        self.at: datetime = record.moment(wish.at)
        index = index_of(record)
        self.project_code = loaded_code(record, index)
        self._environment = record.ports.workspace.environment()
        self.codes = step_codes(record, index, self._environment, is_here=wish.is_in_process)
        self.params = {
            name: Speller(f"{name} of pipeline {pipeline.name}").spell(value)
            for name, value in arguments.items()
        }
        self.renewal = Renewal(record)
        self.draft: RunDraft | None = None
        self._lease: Lease | None = None

    def begin(self) -> Circumstances:
        """Open the run in the record, with code, environment and machine."""
        record, wish = self._record, self._wish
        seal_lost_runs(record, self._pipeline.name)
        is_in_session = self._pipeline.function.__module__ == MAIN
        session = session_files() if is_in_session else {}
        captured = capture(record, self._environment, session=session)
        ledger = record.ports.ledger
        opened = RunOpened(
            run=record.ports.clock.new_id(), kind="pipeline", name=self._pipeline.name,
            project=record.project, actor=record.actor, opened_at=record.now(), at=self.at,
            parent=wish.parent, because=wish.because, cause=wish.cause, code=captured.code.id,
            environment=captured.environment.id, owner=ledger.owner(),
            params={name: shown(spelled) for name, spelled in self.params.items()},
        )  # fmt: skip
        draft = RunDraft(record, opened)
        captured.attach(draft)
        if pointer := record.ports.environments.release:
            release = resolve(record, pointer)
            draft.used(release.artifact, name="release", source=release.run)
        self._lease = ledger.lease(run_lease(draft.id), ledger.owner(), LEASE_TTL_S)
        self.renewal.add(self._lease)
        draft.announce()
        self.draft = draft
        return Circumstances(
            parent=draft.id, at=self.at, code=captured.code, environment=captured.environment
        )

    def required_draft(self) -> RunDraft:
        """Return the run, opened now if it was not."""
        if self.draft is None:
            self.begin()
        if self.draft is None:
            message = "begin() opens the run"
            raise RuntimeError(message)
        return self.draft

    def fail(self, status: Status, error: str) -> None:
        """Seal the run, if it was opened, without results."""
        if self.draft is not None:
            self.draft.fail(status, error)
        self.close()

    def close(self) -> None:
        """Give back what the run held."""
        if self._lease is not None:
            self.renewal.forget(self._lease)
            self._record.ports.ledger.release(self._lease)
            self._lease = None

    def key(self, identities: list[str], inputs: list[str], candidates: list[list[str]]) -> str:
        """Return the unique key of this pipeline with these contents."""
        content = digest_of_value(
            [
                "pipeline 2", self._pipeline.name, self.params, *self._code(),
                sorted(identities), sorted(inputs), sorted(candidates),
            ]
        )  # fmt: skip
        project = digest_of_value(self._record.project)[3:11]
        return f"memo:pipeline:{project}:{content.partition(':')[2]}"

    def _code(self) -> list[str]:
        """Return the identities of what the pipeline's function reaches."""
        function = self._pipeline.function
        source: tuple[SourcePiece, ...] = ()
        if function.__module__ == MAIN:
            try:
                source = session_source(function)
            except InvalidInputError:  # it reads what is no code: then every cell counts
                cells = {name: digest_of(text) for name, text in session_files().items()}
                return [self.project_code, own_digest(), digest_of_value(cells)]
        known = self.codes.of_step(function.__module__, function.__qualname__, source=source)
        return [known.code, known.environment]


def step_codes(
    record: Record, index: ModuleIndex, environment: EnvironmentCapture, *, is_here: bool = False
) -> StepCodes:
    """Return what finds the code of a project's steps, as it lies in its folder now."""
    workspace = record.ports.workspace
    folders = [code_folder(record), workspace.root.resolve()]
    sources = [path for path in workspace.sources() if path.is_file()]
    installed = (environment, workspace.packages())
    return StepCodes(folders, sources, index, installed, own_digest(), is_here=is_here)
