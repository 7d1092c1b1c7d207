"""What can be done with versions: get data out, bring a model in, move an alias."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tidemill.core.operation import Kind, Operation
from tidemill.core.pointer import require_name
from tidemill.core.ref import Move
from tidemill.core.text import counted, spell, table
from tidemill.lineage.refs import move_alias, resolve
from tidemill.practices.versioning.checkout import Written, written
from tidemill.practices.versioning.data import TABLE_KINDS, manifest_of
from tidemill.practices.versioning.file_views import (
    diff_external,
    diff_folders,
    explain_external,
    show_external,
    show_folder,
)
from tidemill.practices.versioning.pointed_data import pointed_data
from tidemill.practices.versioning.unpassed import note_of, unpassed_checks

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.kernels.table_diff import TableDiff
    from tidemill.lineage.record import Record


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
            f"{note_of(self.failing, f'{name}@{move.number}', move.alias)}"
        )

    __repr__ = __str__


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
    types: tuple[str, ...] = ()
    """Every type that loading it trusts beyond plain data, where the format names them."""
    code: tuple[str, ...] = ()
    """The source files that it brings along; loading it runs them."""

    def __str__(self) -> str:
        rows = [[field.name, field.type, field.categories] for field in self.inputs]
        head = f"{self.format}, {self.task} task on {self.label}, answers {', '.join(self.outputs)}"
        sent = f"\nsent along: {', '.join(self.context)}" if self.context else ""
        types = f"\ntypes trusted: {', '.join(self.types)}" if self.types else ""
        code = f"\nruns its own code: {', '.join(self.code)}" if self.code else ""
        told = f"{head}{sent}{types}{code}"
        return f"{told}\n{table(['input', 'type', 'categories'], rows)}"

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


def get_data(record: Record, ref: str, *, out: str = "", at: datetime | None = None) -> Written:
    """Write a data version into a plain Parquet or CSV file, or a folder; or show its first rows.

    A table between steps has no version: name it by its id, or by the run that made it.

    Args:
        ref: the version, like data:sales@3, without a number the newest; or td1:HEX, or run:ID.
        out: the file to write, ending in .parquet or .csv, or the folder; it may not be there yet.
            Left out: the first rows, or the first files, are shown.
        at: effective time: the version that was newest then.
    """
    return written(record, ref, out, at)


def frame(record: Record, ref: str) -> Frame:
    """Return the rows of any table: a version, predictions and labels too, or what a step made.

    Args:
        ref: the version, like data:sales@3 or predictions:churn@2; or td1:HEX, or run:ID.
    """
    from tidemill.practices.versioning.tables import scan_table  # noqa: PLC0415 - brings Polars

    artifact = pointed_data(record, ref).artifact
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
    return Moved(move=moved.move, is_new=moved.is_new, failing=unpassed_checks(record, version))


def add_model(  # noqa: PLR0913 - a model, and what its file does not say of it
    record: Record,
    name: str,
    source: object,
    *,
    task: Literal["binary", "multiclass", "regression"] | None = None,
    label: str = "",
    classes: tuple[str, ...] = (),
    sample: object = None,
    allow_code: bool = False,
    because: str = "",
    at: datetime | None = None,
) -> Registered:
    """Register a model made elsewhere: a folder that Model.save wrote, or a library's own file.

    In Python also a Model or a fitted object. What comes from outside is read in a process of its
    own first. Where loading it runs code, that needs a maintainer's permission with a reason, and
    it is only ever loaded in a process of its own; code of a run of this record is permitted by it.

    Args:
        name: name of the model.
        source: a folder, or a file ending in .txt (LightGBM), .json or .ubj (XGBoost), .cbm
            (CatBoost), .onnx, .skops or .pt2 (PyTorch).
        task: what a file predicts; a folder says it itself.
        label: the label that it predicts.
        classes: of a multiclass task, in the order of the label.
        sample: rows as it takes them, a CSV or Parquet file or a frame; needed where the model
            does not name its inputs.
        allow_code: let it run its own code; give a reason.
        because: why it is registered.
        at: effective time.
    """
    from tidemill.practices.versioning import model_adding  # noqa: PLC0415 - brings NumPy

    name = require_name(name.removeprefix("model:"), "model")
    signature, rows = model_adding.sampled(sample, label)
    wish = model_adding.Addition(
        name=name, source=source, task=model_adding.wished_task(task, label, classes),
        sample=signature, rows=rows, allow_code=allow_code, because=because,
    )  # fmt: skip
    version, artifact, format_ = model_adding.added_model(record, wish, at)
    return Registered(version=str(version), format=format_, size_bytes=artifact.size_bytes)


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
        for name in ("format", "task", "label", "types")
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
    from tidemill.practices.versioning.model_adding import (  # noqa: PLC0415 - as above
        model_code,
        model_types,
    )

    card = read_card(Path(folder))
    inputs = tuple(
        ModelInput(
            name=field.name, type=field.kind,
            categories=None if field.categories is None else len(field.categories),
        )
        for field in card.signature.inputs
    )  # fmt: skip
    return ModelView(
        format=card.format, task=card.task.kind, label=card.task.label, inputs=inputs,
        outputs=tuple(field.name for field in card.signature.outputs),
        context=tuple(field.name for field in card.signature.context),
        types=model_types(Path(folder)), code=model_code(Path(folder)),
    )  # fmt: skip


OPERATIONS = (
    Operation(
        function=get_data,
        command=("data", "get"),
        examples=(
            "tidemill data get data:flights@2 --out flights.parquet",
            "tidemill data get td1:c4011a698ff7 --out rows.parquet",
        ),
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
        begins=True,
        stricter={"allow_code": "maintainer"},
        examples=(
            "tidemill model add churn ./churn-model",
            "tidemill model add churn churn.onnx --task binary --label left --sample rows.csv",
        ),
    ),
)
KINDS = (
    *(
        Kind(name=name, what="rows and columns, by content", show=show_table, diff=diff_tables)
        for name in TABLE_KINDS
    ),
    Kind(name="folder", what="files by path", show=show_folder, diff=diff_folders),
    Kind(
        name="external",
        what="data that lie elsewhere, not held",
        show=show_external,
        diff=diff_external,
        explain=explain_external,
    ),
    Kind(name="model", what="a trained model", show=show_model, diff=diff_models),
)
