"""Repeated tasks: what the supervisor does again and again, and how it last went, as a cell.

It is coordination, not a fact: lost, it is written again when the task next ends.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tidemill.lineage.record import Record
    from tidemill.ports.ledger import Ledger

TASKS = ("supervisor.triggers", "supervisor.collect")
"""By the setting that says how often."""
KEPT_S = 7 * 86_400.0


class RepeatedTask(msgspec.Struct, frozen=True, kw_only=True):
    """How a task of the supervisor last ended. `failures` in a row; 0: it went well."""

    name: str
    ended_at: datetime
    failures: int = 0
    error: str = ""

    def __str__(self) -> str:
        state = f"failed {self.failures} times in a row" if self.failures > 1 else "failed"
        told = f"{state}: {self.error}" if self.failures else "went well"
        return f"{self.name} at {self.ended_at:%Y-%m-%d %H:%M:%S} {told}"

    __repr__ = __str__


def note_task(ledger: Ledger, project: str, task: RepeatedTask) -> None:
    """Keep how a task ended, until it ends again; somebody else's word at the same time stands."""
    key = _key(project, task.name)
    known = ledger.cell(key)
    version = known.version if known else None
    ledger.swap(key, msgspec.json.encode(task), version=version, ttl_s=KEPT_S)


def repeated_tasks(record: Record) -> tuple[RepeatedTask, ...]:
    """Return how the tasks of the project's supervisor last ended; those that never did: not."""
    cells = [record.ports.ledger.cell(_key(record.project, name)) for name in TASKS]
    return tuple(msgspec.json.decode(cell.value, type=RepeatedTask) for cell in cells if cell)


def _key(project: str, name: str) -> str:
    return f"task:{project}/{name}"
