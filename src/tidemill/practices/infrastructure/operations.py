"""The project itself: make one, show its settings, say how it stands."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import ConflictError, InvalidInputError, UnavailableError
from tidemill.core.operation import Operation
from tidemill.core.query import Order, Query, Where
from tidemill.core.run import Run
from tidemill.core.settings import KNOWN
from tidemill.core.text import table
from tidemill.lineage.search import Listing, listed_refs
from tidemill.lineage.wording import run_title, spell_time
from tidemill.ports.target import ServiceStatus
from tidemill.practices.infrastructure.project import project_root
from tidemill.practices.infrastructure.repeated_tasks import RepeatedTask, repeated_tasks
from tidemill.practices.infrastructure.template import (
    TEMPLATES,
    TemplateName,
    template_files,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tidemill.lineage.record import Record

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class ProjectMade(msgspec.Struct, frozen=True, kw_only=True):
    """A new project: its folder, the files that were written, and those that were there."""

    name: str
    folder: str
    written: tuple[str, ...]
    kept: tuple[str, ...] = ()
    template: str = ""
    needs: str = ""
    """What pip installs for it: tidemill, with an extra where its models need one."""
    steps: tuple[str, ...] = ()
    """The commands from its data to a first model."""

    def __str__(self) -> str:
        lines = [f"project {self.name} in {self.folder}, {self.template}"]
        lines += [f"  {path}" for path in self.written]
        lines += [f"  {path} (was there, not touched)" for path in self.kept]
        if "[" in self.needs:
            lines.append(f"it needs {self.needs}: pip install -r requirements.txt")
        place = [] if self.folder == "." else [f"cd {self.folder}"]
        told = [*place, *self.steps, "tidemill check"]
        return "\n".join([*lines, "next:", *(f"  {command}" for command in told)])

    __repr__ = __str__


class SettingShown(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: its value, where that came from, what it does, what it may be."""

    name: str
    value: str | int | float | bool
    origin: str
    what: str
    takes: str = ""


class SettingsShown(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting."""

    settings: tuple[SettingShown, ...]

    def __str__(self) -> str:
        rows = [[s.name, repr(s.value), s.origin, f"{s.what}: {s.takes}"] for s in self.settings]
        return table(["setting", "value", "from", "what, and what it may be"], rows)

    __repr__ = __str__


MOST_REFS = 60
"""Refs that `status` lists; `list` has all."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a project stands: its refs, what runs now, what serves."""

    project: str
    actor: str
    at: datetime
    refs: Listing
    open_runs: tuple[Run, ...]
    services: tuple[ServiceStatus, ...]
    lost_runs: tuple[Run, ...] = ()
    """Runs whose process has died before it could seal them."""
    tasks: tuple[RepeatedTask, ...] = ()
    """What the supervisor repeats, and how that last went."""

    def __str__(self) -> str:
        parts = [f"project {self.project}, {self.actor}, {spell_time(self.at)}", str(self.refs)]
        if self.open_runs:
            parts.append("\n".join(["open runs", *(f"  {run_title(r)}" for r in self.open_runs)]))
        if self.lost_runs:
            lost = ["open runs of processes that have died", *map(run_title, self.lost_runs)]
            parts.append("\n  ".join(lost))
        if self.services:
            rows = [[s.name, s.state, s.address, s.restarts, s.error] for s in self.services]
            parts.append(table(["service", "state", "address", "restarts", "error"], rows))
        else:
            parts.append("nothing serves")
        failed = [f"  {task}" for task in self.tasks if task.failures]
        if failed:
            parts.append("\n".join(["the supervisor tells", *failed]))
        return "\n\n".join(parts)

    __repr__ = __str__


def init_project(record: Record, name: str, *, template: TemplateName = "tabular") -> ProjectMade:
    """Make a project that runs, from a template; a file that is there is never touched.

    Args:
        name: name of the folder to make, or . for the one you are in.
        template: tabular (regression on a CSV, scikit-learn), timeseries (entities, features known
            at a time), images (PyTorch), text (classes of messages) or minimal (NumPy alone).

    Raises:
        InvalidInputError: no folder or project can have this name.
        ConflictError: the folder is a project already.
        UnavailableError: the folder cannot be written.
    """
    here = project_root(record)
    folder = (here / name).resolve()
    if not _NAME.fullmatch(folder.name):
        raise InvalidInputError(
            f"{folder.name!r} cannot be the name of a project",
            fix="use letters, digits, '.', '_' and '-'",
        )
    if (folder / "tidemill.toml").exists():
        raise ConflictError(
            f"{name} is a project already", fix=f"tidemill -C {name} status shows how it stands"
        )
    written: list[str] = []
    kept: list[str] = []
    for path, text in template_files(template, folder.name):
        (written if _write(folder / path, text) else kept).append(path)
    chosen = TEMPLATES[template]
    return ProjectMade(
        name=folder.name, folder=_as_typed(folder, here), written=tuple(written), kept=tuple(kept),
        template=template, needs=chosen.requirement, steps=chosen.steps,
    )  # fmt: skip


def show_config(record: Record) -> SettingsShown:
    """Show every setting, its value and where that came from."""
    return SettingsShown(
        settings=tuple(
            SettingShown(
                name=s.name, value=s.value, origin=s.origin, what=KNOWN[s.name].what,
                takes=str(KNOWN[s.name].takes),
            )
            for s in record.settings.values.values()
        )
    )  # fmt: skip


def status(record: Record) -> Status:
    """Say how the project stands: newest versions, open runs, what serves."""
    running = Query(
        Run,
        where=(Where("project", "=", record.project), Where("status", "=", "running")),
        order=(Order("opened_at"),),
        limit=50,
    )
    runs = record.ports.ledger.find(running)
    dead = {run.id for run in runs if run.owner and not record.ports.ledger.is_alive(run.owner)}
    return Status(
        project=record.project,
        actor=str(record.actor),
        at=record.now(),
        refs=listed_refs(record, "", record.project, MOST_REFS),
        open_runs=tuple(run for run in runs if run.id not in dead),
        lost_runs=tuple(run for run in runs if run.id in dead),
        services=tuple(record.ports.target.services()),
        tasks=repeated_tasks(record),
    )


def _write(path: Path, text: str) -> bool:
    """Write a file that is not there yet; False: it is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise UnavailableError(
            f"{path} cannot be written: {error.strerror}", fix="choose a folder you may write"
        ) from None
    return True


def _as_typed(folder: Path, here: Path) -> str:
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


OPERATIONS = (
    Operation(
        function=init_project,
        command=("init",),  # a reader may: there is no record yet that could have roles
        faces=("cli",),
        needs_project=False,
        examples=("tidemill init mill", "tidemill init . --template minimal"),
    ),
    Operation(function=show_config, command=("config", "show"), examples=("tidemill config show",)),
    Operation(function=status, command=("status",), examples=("tidemill status",)),
)
KINDS = ()
