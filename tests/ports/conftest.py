"""What the suites of the ledger share: the places under test, a clock that one can turn, facts."""

import itertools
import os
from datetime import UTC, datetime, timedelta

import pytest

from tidemill.core.actor import Actor
from tidemill.core.artifact import Artifact
from tidemill.core.digest import ArtifactId, digest_of
from tidemill.core.facts import (
    ArtifactMade,
    Batch,
    Edge,
    Moved,
    RefCreated,
    RunOpened,
    RunSealed,
    Versioned,
)
from tidemill.core.ref import RefName
from tidemill.core.run import RunId

START = datetime(2013, 1, 1, tzinfo=UTC)


class TurnedClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.time = START
        self._ids = itertools.count(1)

    def now(self) -> datetime:
        return self.time

    def monotonic_s(self) -> float:
        return (self.time - START).total_seconds()

    def new_id(self) -> RunId:
        return RunId(f"{next(self._ids):032x}")

    def salt(self) -> bytes:
        return os.urandom(16)

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Facts:
    """Makes facts with everything filled in that a test does not care about."""

    start = START
    actor = Actor(name="ada")
    ref = RefName(kind="model", project="mill", name="delay")

    def __init__(self, clock: TurnedClock) -> None:
        self.clock = clock

    def artifact(self, text: str = "x", **given) -> Artifact:
        data = text.encode()
        known = {
            "id": ArtifactId(digest_of(data)), "kind": "value", "size_bytes": len(data),
            "inline": data,
        }  # fmt: skip
        return Artifact(**(known | given))

    def opened(self, **given) -> RunOpened:
        known = {
            "run": self.clock.new_id(), "kind": "step", "name": "train", "project": "mill",
            "actor": self.actor, "opened_at": self.clock.now(), "at": self.clock.now(),
        }  # fmt: skip
        return RunOpened(**(known | given))

    def sealed(self, run: RunId, **given) -> RunSealed:
        return RunSealed(**({"run": run, "status": "done", "sealed_at": self.clock.now()} | given))

    def edge(self, run: RunId, artifact: ArtifactId, role: str = "used", **given) -> Edge:
        return Edge(run=run, artifact=artifact, role=role, **given)

    def created(self, **given) -> RefCreated:
        known = {"ref": self.ref, "owner": "ada", "actor": self.actor, "at": self.clock.now()}
        return RefCreated(**(known | given))

    def versioned(self, number: int, artifact: ArtifactId, run: RunId, **given) -> Versioned:
        known = {
            "ref": self.ref, "number": number, "artifact": artifact, "run": run,
            "actor": self.actor, "at": self.clock.now(), "recorded_at": self.clock.now(),
        }  # fmt: skip
        return Versioned(**(known | given))

    def moved(self, alias: str, number, previous, run: RunId, **given) -> Moved:
        known = {
            "ref": self.ref, "alias": alias, "number": number, "previous": previous,
            "actor": self.actor, "at": self.clock.now(), "recorded_at": self.clock.now(),
            "because": "better", "run": run,
        }  # fmt: skip
        return Moved(**(known | given))

    def batch(self, *facts, conditions=(), objects=()) -> Batch:
        return Batch(
            facts=tuple(facts), conditions=tuple(conditions), objects=tuple(objects),
            at=self.clock.now(),
        )  # fmt: skip

    def version_of(self, text: str, number: int = 1) -> tuple:
        """Return the facts of a sealed run that made a version."""
        run, artifact = self.opened(), self.artifact(text)
        return (
            run,
            ArtifactMade(artifact=artifact),
            self.edge(run.run, artifact.id, "made"),
            *([self.created()] if number == 1 else []),
            self.versioned(number, artifact.id, run.run),
            self.sealed(run.run),
        )


@pytest.fixture
def turned_clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def facts(turned_clock) -> Facts:
    return Facts(turned_clock)


@pytest.fixture
def ledger(place, turned_clock):
    opened = place.open(turned_clock)
    yield opened
    opened.close()
