"""Adding a model that was made elsewhere: a folder, a file, or a fitted object of this process."""

from __future__ import annotations

import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import InvalidInputError, NotAllowedError
from tidemill.core.facts import Noted
from tidemill.core.ref import RefName
from tidemill.core.signature import Signature
from tidemill.core.task import Task
from tidemill.lineage.artifacts import put_files
from tidemill.lineage.writing import opened
from tidemill.practices.versioning.columns import columns_of
from tidemill.practices.versioning.formats.registry import format_of
from tidemill.practices.versioning.formats.side_files import texts_of
from tidemill.practices.versioning.loading import LoadingProcess
from tidemill.practices.versioning.loading_files import format_of_file, signature_of
from tidemill.practices.versioning.loading_messages import Ask, packed
from tidemill.practices.versioning.model import Model, read_card
from tidemill.practices.versioning.registry import FOREIGN_CODE
from tidemill.practices.versioning.signatures import infer_signature

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.ref import Version
    from tidemill.core.run import Scalar
    from tidemill.core.task import TaskKind
    from tidemill.lineage.record import Record

MOST_SAMPLE_ROWS = 100_000
MOST_FILES, MOST_BYTES = 10_000, 64 * 1024**3
"""Of a model's folder that is taken in."""
_MOST_TYPES = 20
_TRIED_ROWS = 50


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """What is added, and what was said of it."""

    name: str
    source: Any
    task: Task | None
    sample: Signature | None
    rows: dict[str, Any]
    """Some rows of the sample, on which a model from outside is tried."""
    allow_code: bool
    because: str


def wished_task(kind: TaskKind | None, label: str, classes: tuple[str, ...]) -> Task | None:
    """Return the task that was named; None: none was.

    Raises:
        InvalidInputError: it has no label.
    """
    if kind is None:
        return None
    if not label:
        raise InvalidInputError(f"a {kind} task needs a label", fix="--label NAME")
    return Task(kind=kind, label=label, classes=classes)


def sampled(sample: object, label: str) -> tuple[Signature | None, dict[str, Any]]:
    """Return the signature of rows, and some of them: a frame, or a CSV or Parquet file.

    The label is left out; rows with arrays or records are not returned.

    Raises:
        InvalidInputError: there is no such file, or it is of another kind.
    """
    if sample is None or (isinstance(sample, str) and not sample):
        return None, {}
    import polars as pl  # noqa: PLC0415 - heavy, and few samples

    rows: Any = sample
    if isinstance(sample, str | Path):
        path = Path(sample)
        readers = {".csv": pl.read_csv, ".parquet": pl.read_parquet}
        if not path.is_file() or path.suffix not in readers:
            raise InvalidInputError(
                f"{path} is no sample", fix="give rows as a .csv or .parquet file, or a frame"
            )
        rows = readers[path.suffix](path, n_rows=MOST_SAMPLE_ROWS)  # type: ignore[operator]
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
    frame = frame.drop([label] if label in frame.columns else [])
    signature = infer_signature(frame)
    is_plain = all(field.is_single for field in signature.inputs)
    return signature, dict(columns_of(frame.head(_TRIED_ROWS))) if is_plain else {}


def added_model(
    record: Record, wish: Addition, at: datetime | None
) -> tuple[Version, Artifact, str]:
    """Store a model as the next version of its name; returns version, artifact and format.

    Whatever comes from outside this process is read by another one first. Code of its own needs
    `allow_code` and a reason, both of which the run's record keeps.

    Raises:
        CorruptError: it is damaged.
        NotAllowedError: it runs code, and that was not allowed, or no reason is given.
    """
    if wish.allow_code and not wish.because.strip():
        raise NotAllowedError("allowing foreign code needs a reason", fix='--because "..."')
    with tempfile.TemporaryDirectory(prefix="tidemill-added-") as place:
        folder = Path(place)
        foreign = _put(wish, folder)
        return _stored(record, wish, folder, foreign, at)


def _put(wish: Addition, folder: Path) -> tuple[str, ...]:
    """Write a model's files into a folder; returns the foreign code in it."""
    if not isinstance(wish.source, str | Path):
        _live(wish).save(folder)
        return ()  # this process made it: what it runs has run here
    path = Path(wish.source)
    if not path.exists():
        raise InvalidInputError(
            f"there is no {path}", fix="give a folder that Model.save wrote, or a model's file"
        )
    with LoadingProcess() as process:
        if path.is_dir():
            _require_own_files(path)
            shutil.copytree(path, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
            ask = Ask(
                do="read", folder=str(folder), allow_code=wish.allow_code, rows=packed(wish.rows)
            )
            return process.ask(ask).code
        if wish.task is None:
            format_of_file(path)  # a file that is refused anyway needs no task
            raise InvalidInputError(
                f"{path.name} does not say what it predicts",
                fix="--task binary (or multiclass, regression) --label NAME",
            )
        ask = Ask(
            do="convert", folder=str(folder), path=str(path.resolve()), task=wish.task,
            sample=wish.sample, allow_code=wish.allow_code, rows=packed(wish.rows),
        )  # fmt: skip
        return process.ask(ask).code


def _require_own_files(folder: Path) -> None:
    """Look at a model's folder before it is copied: its own files only, and not too much of them.

    Raises:
        InvalidInputError: it has a link, a pipe or a device (named), or is too large.
    """
    if (folder / "model.json").is_file() or not (folder / "model.json").exists():
        read_card(folder)  # a folder that is no model is not walked
    count = size_bytes = 0
    for path in folder.rglob("*"):
        known = path.lstat()
        if stat.S_ISDIR(known.st_mode):
            continue
        if not stat.S_ISREG(known.st_mode):
            what = "a link" if path.is_symlink() else "a pipe, socket or device"
            raise InvalidInputError(
                f"{path.relative_to(folder).as_posix()} is {what}: a model's folder has files only",
                fix="remove it, or copy the folder with what its links point at: cp -rL",
            )
        count, size_bytes = count + 1, size_bytes + known.st_size
        if count > MOST_FILES or size_bytes > MOST_BYTES:
            raise InvalidInputError(
                f"{folder.name} has more than {MOST_FILES:,} files or {MOST_BYTES:,} bytes",
                fix="give the folder that Model.save wrote, and nothing beside it",
            )


def _live(wish: Addition) -> Model:
    """Return an object of this process as a model."""
    if isinstance(wish.source, Model):
        return wish.source
    known = format_of(wish.source)
    if wish.task is None:
        raise InvalidInputError(
            f"a {type(wish.source).__qualname__} does not say what it predicts",
            fix='task="binary" (or multiclass, regression), label="NAME"',
        )
    signature = signature_of(known.inputs_of(wish.source), wish.sample)
    return Model(wish.source, signature=signature, task=wish.task)


def _stored(
    record: Record, wish: Addition, folder: Path, foreign: tuple[str, ...], at: datetime | None
) -> tuple[Version, Artifact, str]:
    card = read_card(folder)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    summary = {**card_summary(folder), **({"code": FOREIGN_CODE} if foreign else {})}
    allowed = {"allow_code": ", ".join(foreign)[:1000]} if foreign else {}
    with opened(
        record, kind="registration", name=wish.name, at=at, because=wish.because, params=allowed
    ) as run:
        files = [(path.relative_to(folder).as_posix(), path) for path in paths]
        stored = put_files(record, "model", files)
        artifact = msgspec.structs.replace(stored, summary=summary)
        run.made(artifact, name="model")
        ref = RefName(kind="model", project=record.project, name=wish.name)
        pending = run.version(ref, artifact, always=True)
        if foreign:
            text = f"{wish.because} (runs {', '.join(foreign[:5])})"
            run.add(
                Noted(
                    subject=artifact.id, key="code allowed", text=text, actor=record.actor,
                    at=record.now(),
                )
            )  # fmt: skip
    return pending.version, artifact, card.format


def card_summary(folder: Path) -> dict[str, Scalar]:
    """Return what lists and pages tell of a model: its format, task, and types of its own."""
    card = read_card(folder)
    summary: dict[str, Scalar] = {
        "format": card.format, "task": card.task.kind, "inputs": len(card.signature.inputs),
    }  # fmt: skip
    types = model_types(folder)
    if types:
        more = f" and {len(types) - _MOST_TYPES} more" if len(types) > _MOST_TYPES else ""
        summary["types"] = ", ".join(types[:_MOST_TYPES]) + more
    return summary


def model_types(folder: Path) -> tuple[str, ...]:
    """Return the types that loading a skops archive trusts; compared with it when it was added."""
    return texts_of(folder / "types.json") if read_card(folder).format == "skops" else ()


def model_code(folder: Path) -> tuple[str, ...]:
    """Return the source files that a model brings along."""
    code = folder / "code"
    files = sorted(code.rglob("*.py")) if code.exists() else []
    return tuple(path.relative_to(code).as_posix() for path in files)
