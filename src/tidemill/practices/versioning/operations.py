"""What can be done with versions: get data out, bring a model in, move an alias."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import ConflictError, CorruptError, InvalidInputError
from tidemill.core.operation import Kind, Operation
from tidemill.core.ref import Move, RefName
from tidemill.core.text import counted, spell, table
from tidemill.lineage.artifacts import find_artifact, put_files
from tidemill.lineage.policies import verdict_states
from tidemill.lineage.refs import move_alias, resolve
from tidemill.lineage.writing import opened
from tidemill.practices.versioning.data import TABLE_KINDS, manifest_of, open_data, scan_data

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.kernels.table_diff import TableDiff
    from tidemill.lineage.record import Record

_PARSE_TIMEOUT_S = 60


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A data version as a plain file."""

    version: str
    path: str
    rows: int

    def __str__(self) -> str:
        return f"{counted(self.rows, 'row')} of {self.version} written to {self.path}"

    __repr__ = __str__


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a version: `frame` is a Polars frame."""

    frame: Any

    def __repr__(self) -> str:
        return repr(self.frame)


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """Where an alias points, where it pointed before, by whom and why; whether it moved now."""

    move: Move
    is_new: bool = True
    failing: tuple[str, ...] = ()
    """Checks of the version that do not pass; its policy did not ask for them."""

    def __str__(self) -> str:
        move = self.move
        name = f"{move.ref.kind}:{move.ref.name}"
        if not self.is_new:
            return (
                f"{name}@{move.alias} is {name}@{move.number} already, nothing was changed\n"
                f"  since {move.at:%Y-%m-%d %H:%M}, by {move.actor}, because: {move.because}"
            )
        came = f"from {name}@{move.previous}" if move.previous else "for the first time"
        return (
            f"{name}@{move.alias} is {name}@{move.number} now, {came}\n"
            f"  by {move.actor}, as of {move.at:%Y-%m-%d %H:%M}, because: {move.because}"
            f"{self._warning(name)}"
        )

    __repr__ = __str__

    def _warning(self, name: str) -> str:
        if not self.failing:
            return ""
        return (
            f"\nnote: {', '.join(self.failing)} of {name}@{self.move.number} did not pass, and no "
            f"policy asks for it:\n  tidemill policy set {name} {self.move.alias} --verdict "
            f"{self.failing[0]} --because ..."
        )


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A model version made from a file."""

    version: str
    format: str
    size_bytes: int

    def __str__(self) -> str:
        return f"{self.version} registered: {self.format}, {self.size_bytes:,} bytes"

    __repr__ = __str__


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a table: name and type in td1's words."""

    name: str
    type: str


class TableView(msgspec.Struct, frozen=True, kw_only=True):
    """What a table is: its columns, key, rows, files and size."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rows: int
    files: int
    size_bytes: int

    def __str__(self) -> str:
        head = (
            f"{counted(self.rows, 'row')}, {counted(self.files, 'Parquet file')}, "
            f"{counted(self.size_bytes, 'byte')}"
        )
        key = f", key {', '.join(self.key)}" if self.key else ""
        return f"{head}{key}\n{table(['column', 'type'], [[c.name, c.type] for c in self.columns])}"

    __repr__ = __str__


class ModelInput(msgspec.Struct, frozen=True, kw_only=True):
    """One input of a model."""

    name: str
    type: str
    categories: int | None


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """What a model takes and answers, and how it is stored."""

    format: str
    task: str
    label: str
    inputs: tuple[ModelInput, ...]
    outputs: tuple[str, ...]
    context: tuple[str, ...]

    def __str__(self) -> str:
        rows = [[field.name, field.type, field.categories] for field in self.inputs]
        head = f"{self.format}, {self.task} task on {self.label}, answers {', '.join(self.outputs)}"
        sent = f"\nsent along: {', '.join(self.context)}" if self.context else ""
        return f"{head}{sent}\n{table(['input', 'type', 'categories'], rows)}"

    __repr__ = __str__


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that differs between two models."""

    what: str
    old: str
    new: str


class ModelDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two models themselves; their runs say the rest."""

    changes: tuple[FieldChange, ...]

    def __str__(self) -> str:
        if not self.changes:
            return "format, signature and task are the same"
        return table(["what", "old", "new"], [[c.what, c.old, c.new] for c in self.changes])

    __repr__ = __str__


def get_data(record: Record, ref: str, *, out: str, at: datetime | None = None) -> Written:
    """Write a data version into a plain Parquet or CSV file.

    Args:
        ref: the version, like data:sales@3; without a number the newest.
        out: the file to write, ending in .parquet or .csv; an existing one is refused.
        at: effective time: the version that was newest then.
    """
    path = Path(out)
    data, rows = open_data(record, ref, at), scan_data(record, ref, at)
    if path.exists():
        raise ConflictError(f"{out} exists already", fix="name another file, or remove it")
    half_written = path.with_name(path.name + ".part")
    if path.suffix == ".parquet":
        rows.sink_parquet(half_written)
    elif path.suffix == ".csv":
        rows.sink_csv(half_written)
    else:
        raise InvalidInputError(
            f"{out!r} names no known format", fix="let it end in .parquet or .csv"
        )
    half_written.rename(path)
    return Written(version=str(data.version), path=out, rows=data.rows)


def frame(record: Record, ref: str) -> Frame:
    """Return the rows of any table version, predictions and labels too.

    Args:
        ref: the version, like data:sales@3 or predictions:churn@2.
    """
    from tidemill.practices.versioning.tables import scan_table  # noqa: PLC0415 - brings Polars

    artifact = find_artifact(record, resolve(record, ref).artifact)
    return Frame(
        frame=scan_table(record.ports.objects, manifest_of(artifact), artifact.id).collect()
    )


def promote(
    record: Record, ref: str, alias: str, *, because: str = "", at: datetime | None = None
) -> Moved:
    """Point an alias at a version, if its policy allows.

    Args:
        ref: the version, like model:churn@7.
        alias: the alias, like champion.
        because: the reason; it is journaled.
        at: effective time of the decision.
    """
    version = resolve(record, ref)
    moved = move_alias(record, version, alias, because=because, at=at)
    states = verdict_states(record, version.artifact)
    failing = sorted(check for check, state in states.items() if state not in {"pass", "warn"})
    return Moved(move=moved.move, is_new=moved.is_new, failing=tuple(failing))


def add_model(
    record: Record, name: str, folder: str, *, because: str = "", at: datetime | None = None
) -> Registered:
    """Register a model that was made elsewhere: a folder that Model.save wrote.

    Args:
        name: name of the model.
        folder: folder with model.json and the model's own file.
        because: why it is registered.
        at: effective time.
    """
    _parse_apart(folder)
    paths = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    files = [(path.relative_to(folder).as_posix(), path) for path in paths]
    with opened(record, kind="registration", name=name, at=at, because=because) as run:
        stored = put_files(record, "model", files)
        view = _model_view(folder)
        artifact = msgspec.structs.replace(stored, summary={"format": view.format})
        run.made(artifact, name="model")
        ref = RefName(kind="model", project=record.project, name=name)
        pending = run.version(ref, artifact, always=True)
    return Registered(
        version=str(pending.version), format=view.format, size_bytes=artifact.size_bytes
    )


def show_table(record: Record, artifact: Artifact) -> TableView:
    """Return what a table artifact is."""
    from tidemill.practices.versioning.tables import read_manifest  # noqa: PLC0415 - brings Polars

    manifest = read_manifest(record.ports.objects, manifest_of(artifact), artifact.id)
    return TableView(
        columns=tuple(Column(name=name, type=kind) for name, kind in manifest.schema),
        key=manifest.key, rows=manifest.rows, files=len(manifest.fragments),
        size_bytes=manifest.size_bytes,
    )  # fmt: skip


def diff_tables(record: Record, old: Artifact, new: Artifact) -> TableDiff:
    """Return what differs between two tables: schema, rows added, removed and changed by key."""
    from tidemill.kernels.table_diff import table_diff  # noqa: PLC0415 - brings Polars
    from tidemill.practices.versioning.tables import (  # noqa: PLC0415 - as above
        read_manifest,
        scan_manifest,
    )

    objects = record.ports.objects
    before = read_manifest(objects, manifest_of(old), old.id)
    after = read_manifest(objects, manifest_of(new), new.id)
    key = after.key if after.key == before.key else ()
    return table_diff(scan_manifest(objects, before), scan_manifest(objects, after), key)


def show_model(record: Record, artifact: Artifact) -> ModelView:
    """Return what a model takes and answers."""
    from tidemill.practices.versioning.registry import model_folder  # noqa: PLC0415 - brings NumPy

    return _model_view(str(model_folder(record, artifact)))


def diff_models(record: Record, old: Artifact, new: Artifact) -> ModelDiff:
    """Return what differs between two models in format, task and signature."""
    before, after = show_model(record, old), show_model(record, new)
    changes = [
        FieldChange(what=name, old=spell(getattr(before, name)), new=spell(getattr(after, name)))
        for name in ("format", "task", "label")
        if getattr(before, name) != getattr(after, name)
    ]
    inputs = ({f.name: f for f in before.inputs}, {f.name: f for f in after.inputs})
    for name in dict.fromkeys([*inputs[0], *inputs[1]]):
        told = [_told(side.get(name)) for side in inputs]
        if told[0] != told[1]:
            changes.append(FieldChange(what=f"input {name}", old=told[0], new=told[1]))
    return ModelDiff(changes=tuple(changes))


def _told(field: ModelInput | None) -> str:
    if field is None:
        return "-"
    return field.type + (f", {field.categories} categories" if field.categories else "")


def _model_view(folder: str) -> ModelView:
    from tidemill.practices.versioning.model import read_card  # noqa: PLC0415 - brings NumPy

    card = read_card(Path(folder))
    inputs = tuple(
        ModelInput(
            name=field.name, type=field.datatype,
            categories=None if field.categories is None else len(field.categories),
        )
        for field in card.signature.inputs
    )  # fmt: skip
    return ModelView(
        format=card.format, task=card.task.kind, label=card.task.label, inputs=inputs,
        outputs=tuple(field.name for field in card.signature.outputs),
        context=tuple(field.name for field in card.signature.context),
    )  # fmt: skip


def _parse_apart(folder: str) -> None:
    """Load a foreign model in a process of its own: a damaged file kills whoever reads it.

    Raises:
        CorruptError: it cannot be loaded, or the process died of it.
    """
    code = (
        "import sys, pathlib; from tidemill.practices.versioning.model import Model; "
        "Model.load(pathlib.Path(sys.argv[1]))"
    )
    try:
        answer = subprocess.run(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", code, folder],
            capture_output=True, text=True, timeout=_PARSE_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CorruptError(
            f"the model in {folder} was not read within {_PARSE_TIMEOUT_S} s",
            fix="store it again from where it was trained",
        ) from None
    if answer.returncode:
        lines = [line for line in answer.stderr.splitlines() if line.strip()]
        told = [line for line in lines if "Error: " in line] or lines or ["the process died"]
        why = told[-1].partition("Error: ")[2] or told[-1]
        raise CorruptError(
            f"the model in {folder} cannot be loaded: {why}",
            fix="store it with Model.save, and copy the whole folder",
        )


OPERATIONS = (
    Operation(
        function=get_data,
        command=("data", "get"),
        examples=("tidemill data get data:flights@2 --out flights.parquet",),
    ),
    Operation(function=frame, command=("data", "frame"), faces=("python",)),
    Operation(
        function=promote,
        command=("promote",),
        role="maintainer",
        examples=('tidemill promote model:delay@2 champion --because "better by 0.02 AUC"',),
    ),
    Operation(
        function=add_model,
        command=("model", "add"),
        role="contributor",
        examples=("tidemill model add churn ./churn-model",),
    ),
)
KINDS = (
    *(
        Kind(name=name, what="rows and columns, by content", show=show_table, diff=diff_tables)
        for name in TABLE_KINDS
    ),
    Kind(name="model", what="a trained model", show=show_model, diff=diff_models),
)
