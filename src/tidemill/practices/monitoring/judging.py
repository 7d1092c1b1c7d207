"""Judging: by which metrics, loss, weight and groups the rows of a served model are judged.

They are those that its evaluation was made with. Functions of one's own come from the code that
made the model, where the record has it; else they are the project's of now, and a note says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from tidemill.core.errors import TidemillError
from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.core.task import LOSSES
from tidemill.lineage.artifacts import find_artifact, tree_entries
from tidemill.practices.infrastructure.project import code_folder, declared, project_root
from tidemill.practices.monitoring.own_losses import Loss
from tidemill.practices.monitoring.own_metrics import Metric
from tidemill.practices.versioning.formats.captured_code import CapturedCode

if TYPE_CHECKING:
    from tidemill.core.ref import Version
    from tidemill.core.task import Task
    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.report import OwnFunction, Report

OwnT = TypeVar("OwnT", Metric, Loss)

MOST_FILES = 2000


class Judging(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are judged. `weight` and `group` name columns as the evaluation had them."""

    metrics: tuple[Metric, ...] = ()
    loss: Loss | None = None
    weight: str = ""
    group: str = ""
    notes: tuple[str, ...] = ()


def judging_of(
    record: Record, task: Task, report: Report | None, version: Version | None
) -> Judging:
    """Return how rows of a model are judged.

    Args:
        record: the context.
        task: what the model predicts.
        report: its evaluation, if there is one.
        version: of the model, if it is registered.
    """
    notes: list[str] = []
    own = {one.name: one for one in report.own} if report else {}
    code = _Code(record, version)
    metrics = dict(_declared(record, Metric))
    for name, one in own.items():
        if one.what == "metric" and (found := code.find(one, Metric, notes)) is not None:
            metrics[name] = found
    return Judging(
        metrics=tuple(metrics.values()), loss=_loss(record, task, own, (code, notes)),
        weight=report.weight if report else "", group=report.group if report else "",
        notes=tuple(notes),
    )  # fmt: skip


def _loss(
    record: Record, task: Task, own: dict[str, OwnFunction], made: tuple[_Code, list[str]]
) -> Loss | None:
    code, notes = made
    for one in own.values():
        if one.what == "loss":
            return code.find(one, Loss, notes) or _declared(record, Loss).get(one.name)
    if not task.loss or task.loss in LOSSES[task.kind]:
        return None
    found = _declared(record, Loss).get(task.loss)
    if found is None:
        notes.append(f"nothing declares the loss {task.loss}: the usual one of the task stands in")
    return found


class _Code:
    """The code of the run that registered a model."""

    def __init__(self, record: Record, version: Version | None) -> None:
        self._record, self._version = record, version
        self._captured: CapturedCode | None = None

    def find(self, one: OwnFunction, type_: type[OwnT], notes: list[str]) -> OwnT | None:
        """Return a function as it was when the model was made; else the project's, with a note."""
        module, _, _ = one.path.partition(":")
        try:
            captured = self._read()
            found = captured.find(one.path) if module in captured.modules else None
        except (TidemillError, ImportError, SyntaxError) as error:
            notes.append(f"{one.name} cannot be had from the code that made the model: {error}")
            found = None
        if isinstance(found, type_):
            return found
        now = _declared(self._record, type_).get(one.name)
        what = "is the project's of now" if now else "is declared nowhere"
        notes.append(
            f"the {one.what} {one.name} {what}: the record has no code that made the model"
        )
        return now

    def _read(self) -> CapturedCode:
        if self._captured is None:
            self._captured = CapturedCode(self._files())
        return self._captured

    def _files(self) -> dict[str, bytes]:
        if self._version is None:
            return {}
        record = self._record
        query = Query(Run, where=(Where("id", "=", self._version.run),), limit=1)
        (run,) = record.ports.ledger.find(query)
        if run.code is None:
            return {}
        folder = code_folder(record).relative_to(project_root(record).resolve()).as_posix()
        below = "" if folder == "." else f"{folder}/"
        entries = tree_entries(record, find_artifact(record, run.code))
        return {
            entry.path.removeprefix(below): b"".join(record.ports.objects.get(entry.digest))
            for entry in entries[:MOST_FILES]
            if entry.path.endswith(".py") and entry.path.startswith(below)
        }


def _declared(record: Record, type_: type[OwnT]) -> dict[str, OwnT]:
    try:
        return declared(record, type_)
    except TidemillError as error:  # a report must not wait for a repair of the project's code
        record.tell.line(f"no {type_.__name__.lower()} of one's own: {error.what}")
        return {}
