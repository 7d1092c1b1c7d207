"""Runs by hand: a run that a script or notebook opens, fills while it goes on, and closes.

Figures, notes and files are collected and written by a thread of their own, so that whoever trains
neither waits for a disk nor fails with one. What was written stays when the process dies, and the
run is `lost`. Parameters belong to the beginning: those known when the run first reaches the record
(after a second, or at its end) are its parameters, later ones are kept as notes.
"""

from __future__ import annotations

import math
import threading
import warnings
from typing import TYPE_CHECKING, SupportsFloat

from tidemill.core.errors import TidemillError
from tidemill.core.facts import (
    ArtifactMade,
    Batch,
    Edge,
    Fact,
    Figured,
    Noted,
    RunIsOpen,
    RunOpened,
)
from tidemill.kernels.secret_text import is_secret_name, secret_text, without_secrets
from tidemill.lineage.writing import RunDraft
from tidemill.practices.pipelines.capture import capture
from tidemill.practices.pipelines.figures import open_runs, require_number
from tidemill.practices.pipelines.leases import LEASE_TTL_S, RENEW_S, run_lease, seal_lost_runs
from tidemill.practices.pipelines.session_files import session_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.digest import ArtifactId, Digest
    from tidemill.core.query import Lease
    from tidemill.core.run import RunId, Scalar, Status
    from tidemill.lineage.record import Record

KIND = "experiment"
FLUSH_S = 1.0
"""How often what was collected is written."""
FLUSH_FIGURES = 5000
"""So many figures are written at once, whatever the time."""

REMEMBERED = 4096
"""Points of a figure that are kept to be drawn; of more, every second is forgotten."""

_Figure = tuple[str, SupportsFloat, int, "datetime"]


class HandRun:
    """One run by hand; safe for threads. No disk and no database stops a training."""

    def __init__(
        self,
        record: Record,
        name: str,
        *,
        parameters: Mapping[str, object],
        because: str = "",
        at: datetime | None = None,
        parent: RunId | None = None,
    ) -> None:
        seal_lost_runs(record, kind=KIND)
        self._record, self.name = record, name
        self.parameters: dict[str, Scalar] = {}
        self.doubt = ""
        now = record.now()
        self._draft = RunDraft(record, RunOpened(
            run=record.ports.clock.new_id(), kind=KIND, name=name, project=record.project,
            actor=record.actor, opened_at=now, at=at or now, parent=parent,
            because=without_secrets(because), owner=record.ports.ledger.owner(),
        ))  # fmt: skip
        self.id: RunId = self._draft.id
        self._lock, self._wake = threading.Lock(), threading.Event()
        self._writing = threading.Lock()
        self._facts: list[Fact] = []
        self._objects: list[Digest] = []
        self._figures: list[_Figure] = []
        self._odd: set[str] = set()
        self.history: dict[str, list[tuple[int, float]]] = {}
        self._notes, self._renewed = 0, record.ports.clock.monotonic_s()
        self._lease: Lease | None = record.ports.ledger.lease(
            run_lease(self.id), record.ports.ledger.owner(), LEASE_TTL_S
        )
        self.set_parameters(parameters)
        self._capture()
        self.is_open = True
        self._thread = threading.Thread(target=self._write_on, name="tidemill run", daemon=True)
        self._thread.start()
        open_runs.append(self)

    def figure(self, name: str, value: SupportsFloat, step: int = 0) -> None:
        """Take a figure; numbers of other libraries are read later, by the thread that writes.

        One that is nan or infinite is kept, and told once; charts and rankings leave it out.

        Raises:
            InvalidInputError: the value is no number.
        """
        require_number(name, value)
        if isinstance(value, int | float) and not math.isfinite(value) and name not in self._odd:
            self._odd.add(name)
            tell(f"figure {name} is {value} at step {step}; it is kept, and drawn nowhere")
        with self._lock:
            self._figures.append((name, value, step, self._record.now()))
            is_much = len(self._figures) >= FLUSH_FIGURES
            if isinstance(value, int | float):
                points = self.history.setdefault(name, [])
                points.append((step, float(value)))
                if len(points) >= REMEMBERED:
                    del points[1::2]
        if is_much:
            self._wake.set()

    def set_parameters(self, given: Mapping[str, object]) -> None:
        """Take parameters: anything but numbers, texts and truths is written as text."""
        for name, value in given.items():
            plain = _plain(name, value)
            self.parameters[name] = plain
            if self._draft.is_announced:
                self._note(f"parameter:{name}", str(plain))

    def note(self, text: str) -> None:
        """Take a note."""
        self._notes += 1
        self._note(f"note:{self._notes}", text)

    def tag(self, name: str, text: str) -> None:
        """Set a tag; the newest text of a name counts."""
        self._note(f"tag:{name}", text)

    def used(self, artifact: ArtifactId, name: str, source: RunId | None) -> None:
        """Say what the run used."""
        edge = Edge(run=self.id, artifact=artifact, role="used", name=name, source=source)
        self._add([edge])

    def made(self, artifact: Artifact, name: str, objects: Iterable[Digest] = ()) -> None:
        """Say what the run made; `objects` must be stored besides its manifest."""
        edge = Edge(run=self.id, artifact=artifact.id, role="made", name=name)
        needed = [*objects, *([artifact.manifest] if artifact.manifest else [])]
        self._add([ArtifactMade(artifact=artifact), edge], needed)

    def at_end(self, add: Callable[[RunDraft], None]) -> None:
        """Let something be added to the end of the run, versions of refs say: if it ends well."""
        with self._writing:
            add(self._draft)

    def end(self, status: Status = "done", error: str = "") -> None:
        """Write what is left and seal the run; versions only where it is done."""
        if not self.is_open:
            return
        self.is_open = False
        open_runs[:] = [one for one in open_runs if one is not self]
        self._wake.set()
        self._thread.join()
        if not self._draft.is_announced:
            self._announce()
        self._flush()
        with self._writing:
            if status == "done":
                self._draft.seal()
            else:
                self._draft.fail(status, error)
        if self._lease is not None:
            self._record.ports.ledger.release(self._lease)
            self._lease = None

    def flush(self) -> None:
        """Write now what was collected; for whoever wants to be sure.

        Raises:
            TidemillError: the record cannot be written.
        """
        if not self._draft.is_announced:
            self._announce()
        self._flush()

    def _capture(self) -> None:
        try:
            captured = capture(self._record, session=session_files())
        except TidemillError as error:
            self.doubt = f"the code was not captured: {error.what}"
            self._note("capture", self.doubt)
            return
        self._captured = captured
        captured.attach(self._draft)

    def _note(self, key: str, text: str) -> None:
        noted = Noted(
            subject=self.id, key=key, text=without_secrets(text)[:4000],
            actor=self._record.actor, at=self._record.now(),
        )  # fmt: skip
        self._add([noted])

    def _add(self, facts: Iterable[Fact], objects: Iterable[Digest] = ()) -> None:
        with self._lock:
            self._facts += facts
            self._objects += objects

    def _write_on(self) -> None:
        """Write every second until the run ends; what fails is tried again, and told at the end."""
        is_told = False
        while self._goes_on():
            self._wake.wait(FLUSH_S)
            self._wake.clear()
            if not self._goes_on():
                return
            try:
                self.flush()
                self._renew()
            except Exception as error:  # noqa: BLE001 - the outermost loop of a thread: it goes on
                if not is_told:
                    is_told = True
                    tell(f"run {self.name} is not written for now: {error}")

    def _goes_on(self) -> bool:
        return self.is_open

    def _renew(self) -> None:
        now = self._record.ports.clock.monotonic_s()
        if self._lease is not None and now - self._renewed > RENEW_S:
            self._renewed = now
            self._record.ports.ledger.renew(self._lease, LEASE_TTL_S)

    def _announce(self) -> None:
        import msgspec  # noqa: PLC0415 - a name that is used once

        with self._writing:
            if self._draft.is_announced:
                return
            captured = getattr(self, "_captured", None)
            self._draft.opened = msgspec.structs.replace(
                self._draft.opened, params=dict(self.parameters),
                code=captured and captured.code.id,
                environment=captured and captured.environment.id,
            )  # fmt: skip
            self._draft.announce()

    def _flush(self) -> None:
        with self._writing:
            with self._lock:
                facts, self._facts = self._facts, []
                objects, self._objects = self._objects, []
                figures, self._figures = self._figures, []
            if not facts and not figures:
                return
            try:
                columns = [_columns(self.id, figures)] if figures else []
                self._record.ports.ledger.commit(
                    Batch(
                        facts=(*facts, *columns), conditions=(RunIsOpen(run=self.id),),
                        objects=tuple(dict.fromkeys(objects)), at=self._record.now(),
                    )
                )  # fmt: skip
            except BaseException:  # Ctrl-C too: what was not written is written the next time
                with self._lock:
                    self._facts[:0], self._objects[:0] = facts, objects
                    self._figures[:0] = figures
                raise


def tell(text: str) -> None:
    """Warn, once for each place and text, without stopping anything."""
    try:
        warnings.warn(f"tidemill: {text}", RuntimeWarning, stacklevel=3)
    except RuntimeWarning:
        return  # warnings are errors here; a training goes on all the same


def _columns(run: RunId, figures: list[_Figure]) -> Figured:
    rows = [(name, _number(value), step, at) for name, value, step, at in figures]
    keys, values, steps, at = zip(*rows, strict=True)
    return Figured(run=run, keys=keys, values=values, steps=steps, at=at)


def _number(value: SupportsFloat) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return float("nan")


def _plain(name: str, value: object) -> Scalar:
    if is_secret_name(name) or secret_text(f"{name}={value}".encode("utf-8", "replace")):
        tell(f"parameter {name} looks like a secret, and was left out")
        return "(left out: it looks like a secret)"
    if value is None or isinstance(value, bool | int | float | str):
        return value[:500] if isinstance(value, str) else value
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        return _plain(name, item())
    return str(value)[:500]
