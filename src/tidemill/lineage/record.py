"""Record: the one context argument of every operation: ports, kinds, actor, settings, `tell`."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

from tidemill.core.errors import CancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tidemill.core.actor import Actor
    from tidemill.core.operation import Kind
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Places:
    """How each port is opened; `app` fills it in, tests may with other places."""

    clock: Callable[[], Clock]
    ledger: Callable[[], Ledger]
    objects: Callable[[], ObjectStore]
    sources: Callable[[], SourceOpener]
    stream: Callable[[], Stream]
    online: Callable[[], OnlineStore]
    executor: Callable[[], Executor]
    target: Callable[[], Target]
    workspace: Callable[[], Workspace]
    notifier: Callable[[], Notifier]
    environments: Callable[[], Environments]
    signer: Callable[[], Signer]
    in_process: Callable[[], Executor] | None = None
    """None: where steps run that somebody debugs is where they always run."""


class Ports:
    """The ports of one project, each opened when it is first used and closed together."""

    def __init__(self, places: Places) -> None:
        self._places = places

    @property
    def places(self) -> Places:
        """How each port is opened: what works beside these ports opens its own from it."""
        return self._places

    @cached_property
    def clock(self) -> Clock:
        """Recorded time, ids, salts."""
        return self._places.clock()

    @cached_property
    def ledger(self) -> Ledger:
        """Facts, journal, coordination."""
        return self._places.ledger()

    @cached_property
    def objects(self) -> ObjectStore:
        """Immutable bytes."""
        return self._places.objects()

    @cached_property
    def sources(self) -> SourceOpener:
        """What versions are read from."""
        return self._places.sources()

    @cached_property
    def stream(self) -> Stream:
        """Open tails of predictions."""
        return self._places.stream()

    @cached_property
    def online(self) -> OnlineStore:
        """Feature values by key."""
        return self._places.online()

    @cached_property
    def executor(self) -> Executor:
        """Where steps run."""
        return self._places.executor()

    @cached_property
    def in_process(self) -> Executor:
        """Where steps run that somebody debugs: in this process."""
        return (self._places.in_process or self._places.executor)()

    @cached_property
    def target(self) -> Target:
        """Where models are served."""
        return self._places.target()

    @cached_property
    def workspace(self) -> Workspace:
        """The project's folder."""
        return self._places.workspace()

    @cached_property
    def notifier(self) -> Notifier:
        """Who is told."""
        return self._places.notifier()

    @cached_property
    def environments(self) -> Environments:
        """Where released code runs."""
        return self._places.environments()

    @cached_property
    def signer(self) -> Signer:
        """Who signs for the record."""
        return self._places.signer()

    def close(self) -> None:
        """Close every port that was opened and can be closed."""
        for name in ("executor", "online", "ledger"):
            port = self.__dict__.pop(name, None)
            if port is not None:
                port.close()


class Tell:
    """Carries progress up and cancelling down. This one is silent; faces bring their own."""

    def progress(self, what: str, done: float | None = None, of: float | None = None) -> None:
        """Say what is being done, and how far it is."""

    def line(self, text: str) -> None:
        """Say one line that stays."""

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return False

    def check(self) -> None:
        """Raise where stopping is safe.

        Raises:
            CancelledError: somebody asked to stop.
        """
        if self.is_cancelled:
            raise CancelledError("stopped as asked", fix="run the same command again to go on")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """Everything an operation may use. One a caller; cheap to copy with another actor."""

    ports: Ports
    project: str
    actor: Actor
    settings: Settings
    kinds: Mapping[str, Kind]
    tell: Tell = dataclasses.field(default_factory=Tell)

    @property
    def owner(self) -> str:
        """Who owns refs created here: the project's declared owner, else the actor."""
        return self.settings.text("project.owner") or str(self.actor)

    def now(self) -> datetime:
        """Return recorded time."""
        return self.ports.clock.now()

    def moment(self, at: datetime | None) -> datetime:
        """Return effective time: what the caller said with `--at`, else now."""
        return at if at is not None else self.now()
